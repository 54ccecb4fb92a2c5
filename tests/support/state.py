"""States for tests that hold for every database: each entry makes the state of one database."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from exporter.model.accounting import Rules
from exporter.state import Records, State, prepared
from exporter.state.postgres.database import PostgresState, opened
from exporter.state.postgres.pool import Connection
from exporter.state.postgres.rows import PostgresRows
from tests.support import postgres
from tests.support.doubles import Killed, MortalState


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


@contextmanager
def _postgres(folder: Path) -> Iterator[State]:
    """Open the state in a database of the folder."""
    url = postgres.prepared(folder)
    with opened(lambda: url, "the database", pool_size=1) as state:
        yield state


class MortalPostgres:
    """The state in a database, whose program dies before a statement or, for each second one, after it."""

    def __init__(self, state: PostgresState) -> None:
        self._state = state
        self.statements: int | None = None

    @contextmanager
    def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
        # The fifth statement is too late for most polls: die earlier, and at each place as often.
        left = None if self.statements is None else self.statements % 10

        def run(function: Callable[[Connection], Any], seconds: float | None = None) -> Any:
            nonlocal left
            if left is not None:
                left -= 1
                if left == 0:
                    raise Killed
            value = self._state.pool.submit(function, seconds).result()
            if left == 1:
                raise Killed
            return value

        yield Records(PostgresRows(run, account, collector, None), rules)


@contextmanager
def _mortal_postgres(folder: Path) -> Iterator[Mortal]:
    """Open a state that dies, in a database that is emptied."""
    url = postgres.prepared(Path("mortal"))
    with opened(lambda: url, "the database", pool_size=1) as state:
        state.prepare()
        empty = "TRUNCATE collectors, series, records, failures"
        state.pool.submit(lambda connection: connection.execute(empty)).result()
        yield MortalPostgres(state)


STATES: Mapping[str, Callable[[Path], AbstractContextManager[State]]] = {
    "sqlite": lambda folder: prepared(folder / "state.db"),
    "postgres": _postgres,
}
"""By the database's name: opens the state of this folder, which is the same each time."""

PARAMETERS = [
    pytest.param(name, marks=pytest.mark.programs) if name == "postgres" else pytest.param(name) for name in STATES
]
"""The databases' names, those that need a program marked so."""

MORTAL_STATES: Mapping[str, Callable[[Path], AbstractContextManager[Mortal]]] = {
    "sqlite": _mortal_sqlite,
    "postgres": _mortal_postgres,
}
"""By the database's name: opens a new state in this folder."""
