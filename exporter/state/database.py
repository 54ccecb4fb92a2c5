"""Open the state file, lock it for one program, and report why it can't be used."""

import contextlib
import fcntl
import os
import sqlite3
import stat
import tempfile
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.model.accounting import Rules
from exporter.model.record import StateError
from exporter.state.check import NO_TEMPORARY_FOLDER
from exporter.state.damage import FileId, damaged, file_id, moved, understood
from exporter.state.records import Records
from exporter.state.schema import Foreign, migrate

_WAIT_SECONDS = 30.0
"""How long to wait for another collector's transaction: milliseconds as a rule, longer if the disk hangs."""

_LOG_PAGES = 4000
"""How far the write-ahead log grows before a checkpoint: 16 MiB. IDs are random, so that each list page changes a
hundred pages of the file: in a longer log, more changes of a page are written back at once."""


@dataclass(frozen=True, slots=True)
class State:
    """A state file in use. Each poll opens it: a thousand accounts need no thousand open files."""

    path: Path
    opened: FileId | None = None
    """The file that was at the path at the start. Another file in its place is refused."""

    @contextlib.contextmanager
    def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
        """Open the records of one collector for one poll. Raises StateError, now and inside the `with` block."""
        with _understanding(self.path, self.opened), contextlib.closing(_connect(self.path)) as connection:
            yield Records(connection, account, collector, rules)


@contextlib.contextmanager
def prepared(path: Path | None) -> Iterator[State]:
    """Open the state at `path` for this program alone; without a path, in a temporary folder.

    Raises StateError if another program uses the file, if it is no state file, or if it is damaged: it is never
    overwritten.
    """
    if path is None:
        with _temporary() as folder, prepared(Path(folder) / "state.db") as made:
            yield made
        return
    with _alone(path), _anchor(path) as opened:
        yield State(path, opened)


def _temporary() -> "tempfile.TemporaryDirectory[str]":
    try:
        return tempfile.TemporaryDirectory(prefix="batch-exporter-")
    except OSError as error:
        raise StateError(f"{NO_TEMPORARY_FOLDER} ({error.strerror})") from error


@contextlib.contextmanager
def _understanding(path: Path, opened: FileId | None = None) -> Iterator[None]:
    """Raise StateError instead of the errors of SQLite, the system or our reading that the file causes."""
    deleted = moved(path, opened)
    if deleted is not None:
        raise deleted
    try:
        yield
    except StateError:
        raise
    except Exception as error:
        meant = (moved(path, opened) if isinstance(error, sqlite3.Error | OSError) else None) or understood(path, error)
        if meant is None:
            raise
        raise meant from error


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock beside the file. The system releases it when the process ends in any way."""
    with _understanding(path):
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(
                f"state file {path}: another batch-exporter is using it; give each its own state.path", passing=True
            ) from error
        except OSError as error:
            raise StateError(
                f"state file {path}: it can't be locked ({error.strerror}); NFS and other network file systems may have"
                " no locks: keep the state on a local disk"
            ) from error
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def _anchor(path: Path) -> Iterator[FileId]:
    """Keep one connection open: if the last one closed, each poll would end in a checkpoint of the write-ahead log."""
    with contextlib.ExitStack() as closing:
        with _understanding(path):
            opened = _made(path)
            connection = closing.enter_context(contextlib.closing(_connect(path)))
            try:
                migrate(connection)
            except Foreign as error:
                raise StateError(f"state file {path}: it {error}; choose another state.path") from error
            connection.execute("PRAGMA journal_mode = WAL")
            # The first query makes this connection open the log, and so keep it.
            connection.execute("SELECT count(*) FROM collectors").fetchone()
        yield opened


def _made(path: Path) -> FileId:
    """Create the file if there is none, readable for this user alone: SQLite would let everybody read it."""
    log = path.with_name(path.name + "-wal")
    if (not path.exists() or path.stat().st_size == 0) and log.exists() and log.stat().st_size:
        # SQLite would delete the log, and with it the last changes.
        raise damaged(path, f"it is empty or gone, but {log.name} is not")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise StateError(f"state file {path}: it is not a regular file; choose another state.path")
    return file_id(status)


def _connect(path: Path) -> sqlite3.Connection:
    # "rw": a file that was removed meanwhile is an error, not a new empty file.
    name = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=rw"
    connection = sqlite3.connect(name, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    except Exception as error:
        connection.close()
        if isinstance(error, UnicodeDecodeError):
            # SQLite's message quotes text of the tables that can't be decoded.
            raise damaged(path, f"its content can't be read: {type(error).__name__}") from error
        raise
    return connection
