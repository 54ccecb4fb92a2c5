"""The state file: opening it, keeping it to one program, and what is said when it can't be used."""

import contextlib
import fcntl
import os
import sqlite3
import tempfile
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.ledger import Rules
from exporter.records import StateError
from exporter.state.records import Records
from exporter.state.schema import Foreign, migrate

_WAIT_SECONDS = 30.0
"""For another collector's transaction. One takes milliseconds; a disk that hangs takes its time."""

_LOG_PAGES = 4000
"""How far the write-ahead log grows, 16 MiB, before it is folded back. Ids are random, so that each list page touches
a hundred pages of the file: the longer the log, the more often one of them is written back once for many changes."""


@dataclass(frozen=True, slots=True)
class State:
    """A state file in use. Each poll opens it for itself: a thousand accounts need no thousand open files."""

    path: Path

    @contextlib.contextmanager
    def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
        """The records of one collector, for the length of one poll. Raises StateError, then and within."""
        try:
            with contextlib.closing(_connect(self.path)) as connection:
                yield Records(connection, account, collector, rules)
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"state file {self.path}: {error}") from error


@contextlib.contextmanager
def prepared(path: Path | None) -> Iterator[State]:
    """The state at `path`, this program's alone until the end; without a path it ends with the program.

    Raises StateError if another program has it, or if it is not ours or damaged: nothing is ever overwritten.
    """
    if path is None:
        with (
            tempfile.TemporaryDirectory(prefix="batch-exporter-") as folder,
            prepared(Path(folder) / "state.db") as made,
        ):
            yield made
        return
    with _alone(path), _anchor(path):
        yield State(path)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock beside the file. The system gives it up with the process, however that ends."""
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"state file {path}: {error.strerror} (see state.path)") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(
                f"state file {path}: another batch-exporter is using it; give each its own state.path"
            ) from error
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def _anchor(path: Path) -> Iterator[None]:
    """Keep one connection open: the last one to close would fold the write-ahead log back, at every poll."""
    try:
        # Made here and not by SQLite, which would let everybody read it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = _connect(path)
    except (sqlite3.Error, OSError) as error:
        raise StateError(f"state file {path}: {error}") from error
    with contextlib.closing(connection):
        try:
            migrate(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            # Only with the first reading does this connection open the log, and so keep it there.
            connection.execute("SELECT count(*) FROM collectors").fetchone()
        except Foreign as error:
            raise StateError(f"state file {path}: it {error}; choose another state.path") from error
        except sqlite3.Error as error:
            raise StateError(
                f"state file {path}: {error}; move it away to begin anew (counters then start from 0)"
            ) from error
        yield


def _connect(path: Path) -> sqlite3.Connection:
    # "rw": a file that has been taken away meanwhile is an error, not an empty new one.
    name = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=rw"
    connection = sqlite3.connect(name, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
