"""Copy the whole state from one database to another, and prove that both have the same rows. No SQL here."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Protocol

from exporter.model.record import StateError
from exporter.state.checkpoint import Checkpoint
from exporter.state.rows import DELETED, FINISHED, IN_FLIGHT

Row = tuple[Any, ...]
"""The values of a row: the names of the account and the collector, then those of the table's fields."""

_BATCH = 1000
"""The number of rows between two reports of progress."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the state, with the types of its fields. Both databases have the same ones."""

    name: str
    fields: Mapping[str, tuple[type, ...]]

    def faults(self, row: Row) -> str | None:
        """Return the name of the first field that does not hold what was written; None if all do."""
        account_and_collector = {"account": (str,), "collector": (str,)}
        for (name, kinds), value in zip((account_and_collector | dict(self.fields)).items(), row, strict=True):
            if type(value) not in kinds or not _CHECKS.get(name, _any)(value):
                return name
        return None


def _any(_value: object) -> bool:
    return True


def _is_checkpoint(text: str) -> bool:
    try:
        Checkpoint.decode(text)
    except (ValueError, TypeError, RecursionError):
        return False
    return True


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "marks": _is_checkpoint,
    "state": (FINISHED, IN_FLIGHT, DELETED).__contains__,
}
_TEXT, _INTEGER, _REAL = (str,), (int,), (float,)
_TEXT_OR_NONE, _INTEGER_OR_NONE = (str, NoneType), (int, NoneType)

COLLECTORS = Table("collectors", {"marks": _TEXT})
SERIES = Table(
    "series",
    {
        "number": _INTEGER,
        "key": _TEXT,
        "total": _INTEGER,
        "events": _INTEGER,
        "published": _INTEGER,
        "cause": _TEXT_OR_NONE,
        "spread": _TEXT_OR_NONE,
        "published_spread": _TEXT_OR_NONE,
        "rose": _INTEGER_OR_NONE,
    },
)
RECORDS = Table(
    "records",
    {"id": _TEXT, "created_at": _REAL, "state": _INTEGER, "amounts": _TEXT, "batch_id": _TEXT_OR_NONE},
)
FAILURES = Table(
    "failures",
    {
        "id": _TEXT,
        "turn": _INTEGER,
        "created_at": _REAL,
        "at": _REAL,
        "amounts": _TEXT,
        "workflow": _TEXT_OR_NONE,
    },
)
TABLES: Sequence[Table] = (COLLECTORS, SERIES, RECORDS, FAILURES)
"""In the order in which they are copied: each row of the others belongs to one of the collectors."""


class Tables(Protocol):
    """All rows of a database that nothing else uses, in one transaction. Every method raises StateError."""

    @property
    def name(self) -> str:
        """What messages call the database, without credentials."""

    def count(self, table: Table) -> int:
        """Return the number of rows."""

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield all rows, in any order."""

    def write(self, table: Table, rows: Iterable[Row]) -> None:
        """Insert rows. Those of the collectors come first."""


class Digest:
    """A digest of rows that does not depend on their order."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, row: Row) -> None:
        """Add a row. Floating-point numbers count to the last bit."""
        self.count += 1
        # A sum and not an exclusive or, in which two equal rows would cancel each other out.
        self._sum += int.from_bytes(hashlib.blake2b(repr(row).encode("utf-8", "backslashreplace")).digest())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and (self.count, self._sum) == (other.count, other._sum)

    __hash__ = None  # type: ignore[assignment]


def copy(source: Tables, target: Tables, progress: Callable[[int], None] = lambda _: None) -> Mapping[str, int]:
    """Copy all rows into an empty database, read them again there, and compare. Return their number by table.

    `progress` is called with the number of rows that were read or written since its last call. Raises StateError if a
    row of the source is damaged, or if the target has not kept what was written; its transaction must then be undone.
    """
    copied = {}
    for table in TABLES:
        sent, kept = Digest(), Digest()
        target.write(table, _noted(_sound(source, table), sent, progress))
        for _ in _noted(target.rows(table), kept, progress):
            pass
        if sent != kept:
            raise StateError(
                f"{target.name}: its {table.name} are not those that were written ({kept.count} of {sent.count} rows):"
                " nothing was copied"
            )
        copied[table.name] = sent.count
    return copied


def _sound(source: Tables, table: Table) -> Iterator[Row]:
    """Yield the rows of the source. Raises StateError for one that does not hold what was written."""
    for row in source.rows(table):
        fault = table.faults(row)
        if fault is not None:
            raise StateError(
                f"{source.name}: {fault} in a row of its {table.name} is not as it was written: it is damaged, and"
                " nothing was copied"
            )
        yield row


def _noted(rows: Iterable[Row], digest: Digest, progress: Callable[[int], None]) -> Iterator[Row]:
    """Yield the same rows, and add each to the digest."""
    waiting = 0
    for row in rows:
        digest.add(row)
        yield row
        waiting += 1
        if waiting == _BATCH:
            progress(waiting)
            waiting = 0
    progress(waiting)
