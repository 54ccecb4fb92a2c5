"""The simulation of PackageX's batches: what appears when, and what gets stuck. Outcomes are in outcomes.py."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from exporter.demo.packagex import outcomes
from exporter.demo.packagex.batches import Batches, Saved
from exporter.demo.packagex.items import RESOURCES, packagex_batch
from exporter.demo.packagex.outcomes import Outcome, Work
from exporter.demo.random_events import Bursts, arrivals, within

SMALLEST_BATCH = 5
LARGEST_BATCH = 200
OUTCOMES: Mapping[Outcome, int] = {"completed": 20, "failed": 3, "timed_out": 1, "expired": 1}
"""How many batches of 25 have each outcome. They are drawn from a shuffled deck, so that none is missing."""
_ACTIONS = ("merge", "merge", "merge", "overwrite", "delete")
_SAVED: tuple[frozenset[Saved], ...] = (
    frozenset({"upload", "result"}),
    frozenset({"upload"}),
    frozenset(),
)
_HISTORY_STEP = 60.0
_STUCK_SINCE = 43_200.0
"""Seconds before the end of a history from which on a batch may get stuck."""


@dataclass(frozen=True, slots=True)
class PackagexPace:
    """The average number of new batches per second, and mean durations in seconds."""

    batches: float = 1 / 20
    bursts: float = 1 / 600
    """Bursts of failures of one resource."""
    begin: float = 5.0
    item: float = 6.0
    """One item in one phase."""
    give_up: float = 60.0
    burst_lasts: float = 120.0

    def slower(self, factor: float) -> "PackagexPace":
        """Return a pace with fewer new batches and the same durations."""
        return replace(self, batches=self.batches / factor, bursts=self.bursts / factor)


class PackagexSimulation:
    """Advance batches from one time to the next; the result depends on the times and on `rng` alone.

    Exactly one batch gets stuck for good, half processed: the first of those created from `stuck_from` (epoch seconds)
    on. `stuck` names it.
    """

    def __init__(
        self, batches: Batches, rng: random.Random, pace: PackagexPace | None = None, stuck_from: float = 0.0
    ) -> None:
        self.stuck: str | None = None
        self._batches = batches
        self._rng = rng
        self._pace = pace or PackagexPace()
        self._stuck_from = stuck_from
        self._now = 0.0
        self._bursts = Bursts(rng, RESOURCES)
        self._deck: list[Outcome] = []
        self._open: dict[str, Work] = {}

    @property
    def burst(self) -> str | None:
        """Return the resource whose items mostly fail at the moment."""
        return self._bursts.target

    def history(self, now: float, days: float = 7.0, batches: int = 200) -> None:
        """Simulate the `days` before `now`, in which about `batches` batches appear.

        At its end one more is requested and one more queued, so that every status is there.
        """
        seconds = days * 86_400
        pace = self._pace
        self._pace = pace.slower(pace.batches * seconds / batches)
        self._stuck_from = max(self._stuck_from, now - _STUCK_SINCE)
        for left in range(int(seconds // _HISTORY_STEP), -1, -1):
            self.step(now - left * _HISTORY_STEP)
        self._pace = pace
        self._begin(now, "queued")
        self._begin(now, "requested")

    def step(self, now: float) -> None:
        """Advance to `now` (epoch seconds); the first step only sets the time."""
        since = self._now or now
        self._now = max(since, now)
        pace, elapsed = self._pace, self._now - since
        if not elapsed:
            return
        self._bursts.step(self._now, elapsed, pace.bursts, pace.burst_lasts)
        begin, item, give_up = (within(elapsed, mean) for mean in (pace.begin, pace.item, pace.give_up))
        probabilities = outcomes.Probabilities(begin, item, give_up, self.burst)
        for batch_id, work in list(self._open.items()):
            self._advance(batch_id, work, probabilities)
        for at in arrivals(self._rng, pace.batches, since, self._now):
            self._begin(at)

    def _advance(self, batch_id: str, work: Work, probabilities: outcomes.Probabilities) -> None:
        batch = self._batches.get(batch_id)
        if batch is None:
            del self._open[batch_id]
            return
        new = outcomes.step(batch, work, probabilities, self._rng)
        if new != batch:
            self._batches.add(new | {"updated_at": int(self._now)}, self._batches.saved(batch_id))
        if not outcomes.is_open(new):
            del self._open[batch_id]

    def _begin(self, at: float, status: str = "requested") -> None:
        rng, batch_id = self._rng, self._batches.new_id()
        work = Work(rng.randint(SMALLEST_BATCH, LARGEST_BATCH), self._deal())
        if self.stuck is None and at >= self._stuck_from:
            # A large one: so many can't fail by chance before they are processed.
            self.stuck, work = batch_id, Work(LARGEST_BATCH, "stuck")
        via: Literal["api", "file"] = rng.choice(("api", "file"))
        resource, mode, action = rng.choice(RESOURCES), rng.choice(("sync", "mixed")), rng.choice(_ACTIONS)
        if resource == "shipment":
            # The only action that the reference allows for them.
            action = "merge"
        batch = packagex_batch(batch_id, at, status=status, resource=resource, action=action, mode=mode, via=via)
        self._batches.add(batch, rng.choice(_SAVED))
        self._open[batch_id] = work

    def _deal(self) -> Outcome:
        if not self._deck:
            self._deck = [outcome for outcome, count in OUTCOMES.items() for _ in range(count)]
            self._rng.shuffle(self._deck)
        return self._deck.pop()
