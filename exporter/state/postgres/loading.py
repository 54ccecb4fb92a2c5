"""Read what a poll without changes needs: for one collector, or for many before their accounts begin."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.state.postgres import statements
from exporter.state.postgres.connection import patient
from exporter.state.postgres.pool import Connection
from exporter.state.postgres.statements import MOST_IN_FLIGHT, MOST_KEPT
from exporter.state.rows import FailureRow

CollectorName = tuple[str, str]
"""An account, and the name of one of its collectors."""

_MOST = {"most": MOST_IN_FLIGHT, "kept": MOST_KEPT}


class Loaded(NamedTuple):
    """What was read of a collector."""

    values: Sequence[Any]
    """The values that `statements.LOAD` returns."""
    failures: Sequence[FailureRow] | None = None
    """The failures; None if they were not read."""


def loading(account: str, collector: str) -> Callable[[Connection], Loaded]:
    """Return the call that reads one collector, and makes its row if there is none."""
    name = {"account": account, "collector": collector}

    def call(connection: Connection) -> Loaded:
        cursor = connection.cursor(binary=True)
        found = cursor.execute(statements.LOAD, {**name, **_MOST}).fetchone()
        if found is None:
            cursor.execute(statements.MAKE, name)
            found = cursor.execute(statements.LOAD, {**name, **_MOST}).fetchone()
        if found is None:
            raise LookupError("the row of the collector was deleted")
        return Loaded(found)

    return call


def loading_all(names: Sequence[CollectorName]) -> Callable[[Connection], Mapping[CollectorName, Loaded]]:
    """Return the call that reads these collectors with their failures, and makes the rows that are missing."""
    accounts, collectors = zip(*names, strict=True)
    values = {"accounts": list(accounts), "collectors": list(collectors), **_MOST}

    def call(connection: Connection) -> Mapping[CollectorName, Loaded]:
        with patient(connection):
            cursor = connection.cursor(binary=True)
            rows = cursor.execute(statements.LOAD_ALL, values).fetchall()
            if len(rows) < len(set(names)):
                cursor.execute(statements.MAKE_ALL, values)
                rows = cursor.execute(statements.LOAD_ALL, values).fetchall()
        return {(row[0], row[1]): Loaded(row[2:-6], _failures(row[-6:])) for row in rows}

    return call


def _failures(columns: Sequence[Sequence[Any] | None]) -> Sequence[FailureRow]:
    return [*map(FailureRow, *(column or () for column in columns))]
