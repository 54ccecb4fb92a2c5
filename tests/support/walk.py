"""Random actions, one after another. The same seed chooses the same ones in the same order."""

import random
from collections import Counter
from collections.abc import Callable, Mapping

Actions = Mapping[str, tuple[int, Callable[[], None]]]
"""By name, how often an action is done among the others, and what it does."""


class Deck:
    """Actions as a deck of cards: all are done, each as often as it is in there, before any is done more often."""

    def __init__(self, rng: random.Random, actions: Actions) -> None:
        self._random = rng
        self._actions = actions
        self._left: list[str] = []

    def act(self, done: Counter[str], note: Callable[[str], None] = lambda name: None) -> None:
        """Do the next action. It is noted and counted before."""
        if not self._left:
            self._left = [name for name, (weight, _) in self._actions.items() for _ in range(weight)]
            self._random.shuffle(self._left)
        name = self._left.pop()
        done[name] += 1
        note(name)
        self._actions[name][1]()


def listed(counts: Counter[str]) -> str:
    """Return what has happened how often, in words."""
    return f"{counts.total()} (" + ", ".join(f"{name} {count}" for name, count in sorted((+counts).items())) + ")"
