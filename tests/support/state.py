"""States for tests that hold for every database: each entry makes the state of one database."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from exporter.model.accounting import Rules
from exporter.state import Records, State, prepared
from tests.support.doubles import MortalState


class Mortal(Protocol):
    """A state whose program can be made to die after so many statements."""

    statements: int | None
    """How many statements the program still lives for; None is for ever."""

    def records(self, account: str, collector: str, rules: Rules) -> AbstractContextManager[Records]: ...


@contextmanager
def _mortal_sqlite(folder: Path) -> Iterator[Mortal]:
    """Open a state that dies in a file in the folder."""
    with prepared(folder / "state.db"), closing(MortalState(folder / "state.db")) as state:
        yield state


STATES: Mapping[str, Callable[[Path], AbstractContextManager[State]]] = {
    "sqlite": lambda folder: prepared(folder / "state.db"),
}
"""By the database's name: opens the state of this folder, which is the same each time."""

MORTAL_STATES: Mapping[str, Callable[[Path], AbstractContextManager[Mortal]]] = {"sqlite": _mortal_sqlite}
"""By the database's name: opens a new state in this folder."""
