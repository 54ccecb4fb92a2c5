"""What tests of the state file share: records written, events counted, and another program that has the file open."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from exporter.model.accounting import Rules
from exporter.model.record import Record
from exporter.state import Observation, Records, State, prepared

RULES = Rules(frozenset({"c"}))


def write(records: Records, name: str) -> None:
    """Count one event."""
    records.apply([Record(name, 1.0, False, {("c", "failed"): 1})], Observation(1.0, 0.0))


def counted(state: State, collector: str) -> int:
    """Return how many events a collector has counted."""
    with state.records("prod", collector, RULES) as records:
        return sum(count.counted for count in records.sums().counters.values())


def alone(path: Path, folder: Path) -> int:
    """Return how many events a copy of the file without its log has counted."""
    shutil.copy(path, folder / "copy.db")
    with prepared(folder / "copy.db") as copy:
        return counted(copy, "x")


@contextlib.contextmanager
def other_program(path: Path, *statements: str) -> Iterator[None]:
    """Keep the file open as another program that has executed these statements."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement).fetchone()
        yield
