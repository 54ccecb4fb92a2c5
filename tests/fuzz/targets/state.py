"""A state file whose bytes are not as they were written."""

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

from exporter.cli.state.show import document, lines
from exporter.model.accounting import Rules
from exporter.model.record import Record, StateError
from exporter.state import Observation, SqliteState, prepared
from exporter.state.sqlite import tables as sqlite_tables
from exporter.state.sqlite.check import problem
from exporter.state.sqlite.overview import overview
from exporter.state.sqlite.schema import migrate
from exporter.state.tables import copy
from tests.fuzz.mutators import cut, flip, move, noise, number, repeat, truncate
from tests.fuzz.target import Target, readable

_RULES = Rules(frozenset({"c"}), outcomes={"c": (1, frozenset({"failed"}))})
_ADVICE = (
    "nothing was copied",
    "move it away",
    "choose another",
    "run that version",
    "or give each its own state.path",
)
_RECORDS = 120


def _fill(state: SqliteState, first: int, count: int) -> None:
    with state.records("prod", "x", _RULES) as records:
        seen = [
            Record(f"rb_{n}", float(n + 1), n % 3 == 0, {("c", "failed"): 1, ("g", str(n % 7)): 2}, f"wb_{n % 5}")
            for n in range(first, first + count)
        ]
        records.apply(seen, Observation(1.0, 0.0))
        records.publish(records.sums().rising(), 2.0)


def _poll(path: Path) -> int:
    """Do all that a poll does with a state, and what `state show` reads. Return how many records it has."""
    with prepared(path) as state:
        with state.records("prod", "x", _RULES) as records:
            records.sums()
            records.failures.all()
            records.in_flight(0.0)
            known = len(records.between(0.0, 1e9))
            records.get([f"rb_{n}" for n in range(_RECORDS)])
            records.stuck_before(100.0)
            records.finished_before(100.0, 50)
        _fill(state, _RECORDS - 5, 10)
        with state.records("prod", "x", _RULES) as records:
            records.sums()
    return known


def _show(path: Path) -> None:
    found = overview(path)
    shown = "".join(lines(found, 1_700_000_000.0))
    assert shown.isprintable(), shown
    json.dumps(document(found))


def _copy(path: Path) -> None:
    target = path.with_name("copy.db")
    target.unlink(missing_ok=True)
    with sqlite_tables.source(path) as source, sqlite_tables.target(target) as empty:
        copy(source, empty, lambda _: None)


@contextmanager
def _complaining(path: Path) -> Iterator[None]:
    """Check the messages of errors: each with the file, on one line, with what to do."""
    try:
        yield
    except StateError as error:
        _advises(error, path)
        raise


def _advises(error: StateError, path: Path) -> None:
    readable(error)
    message = str(error)
    assert str(path.parent) in message, message
    assert any(advice in message for advice in _ADVICE), message
    assert not error.passing, message


def _seed(folder: Path) -> Iterator[bytes]:
    path = folder / "seed.db"
    with prepared(path) as state:
        _fill(state, 0, _RECORDS)
    # A file of one page fewer has all the same: what is left over is cut.
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("VACUUM")
        database.execute("PRAGMA journal_mode = DELETE")
    yield path.read_bytes()
    for version in (1, 3):
        old = folder / f"version{version}.db"
        with closing(sqlite3.connect(old, isolation_level=None)) as database:
            migrate(database, version)
        yield old.read_bytes()


@contextmanager
def _state() -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = list(_seed(folder))
        path = folder / "state.db"

        def check(data: bytes) -> None:
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            path.write_bytes(data)
            checked = problem(path)
            assert checked is None or checked.isprintable(), checked
            for look in (_show, _copy):
                with suppress(StateError), _complaining(path):
                    look(path)
            try:
                with _complaining(path):
                    known = _poll(path)
            except StateError:
                # The file is left as it was, for a repair. What was folded back may have been added.
                assert len(path.read_bytes()) >= len(data) or not data
                return
            assert known or not _has_records(data), "records are missing without a message"

        yield Target(
            "state-file", check, seeds, (flip, flip, flip, cut, truncate, repeat, move, noise, number), cost=30.0
        )


def _has_records(data: bytes) -> bool:
    """Return whether the IDs of most of the records that were written are still there."""
    return sum(b"rb_%d" % n in data for n in range(_RECORDS)) > _RECORDS // 2


TARGETS: Mapping[str, Callable[[], AbstractContextManager[Target]]] = {"state-file": _state}
