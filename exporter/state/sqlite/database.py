"""Open the state file, lock it for one program, and report why it can't be used."""

import contextlib
import fcntl
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from exporter.model.accounting import Rules
from exporter.model.record import Reason, StateError
from exporter.state.records import Records
from exporter.state.sqlite.check import NO_TEMPORARY_FOLDER
from exporter.state.sqlite.connection import connect, fold, sizes, wait_for_locks
from exporter.state.sqlite.damage import FileId, damaged, file_id, is_damage, moved, understood
from exporter.state.sqlite.rows import SqliteRows
from exporter.state.sqlite.schema import Foreign, migrate
from exporter.state.state import Sizes

_MEASURE_SECONDS = 10.0
"""How often the sizes of the files are read."""

_FOLD_SECONDS = 60.0
"""How often the write-ahead log is folded back, however short it is: state.db alone is never older than that."""

_CHECKS = ("quick_check(1)", "integrity_check(collectors)")
"""What is done at the start. SQLite reads on where pages do not hold what they should, and may find nothing: no rows,
or no collector, which would then begin at 0. The first check takes 0.2 s of CPU time for a million records."""

_IMPATIENT_SECONDS = 10.0
"""How long nothing waits for a lock after one was not released in time: all polls wait together."""


class SqliteState:
    """The state file in use, through one connection.

    Use it from one thread at a time. The records of several collectors may be open at once.
    """

    def __init__(self, path: Path, opened: FileId, clock: Callable[[], float] = time.monotonic) -> None:
        """Use the file at the path. `opened` identifies it: another file in its place is refused."""
        self.path = path
        self._opened = opened
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._closed_by = self._end = StateError(f"state file {path}: it was closed at the end of the exporter")
        """Why the last connection was closed."""
        self._ended = False
        self._users = 0
        """How many `records` are open."""
        self._sizes: Sizes | None = None
        self._measure_at = clock()
        self._fold_at = clock() + _FOLD_SECONDS
        self._patient_at: float | None = None
        """When statements wait for locks again; None if they do."""

    @contextlib.contextmanager
    def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
        """Open the records of one collector for one poll. Raises StateError, now and inside the `with` block."""
        deleted = moved(self.path, self._opened)
        if deleted is not None:
            raise deleted
        connection = None
        self._users += 1
        try:
            connection = self._connected()
            yield Records(SqliteRows(connection, account, collector, self._tend), rules)
        except Exception as error:
            meant = self._understood(connection, error)
            if meant is None:
                raise
            raise meant from error
        finally:
            self._users -= 1

    def sizes(self) -> Sizes | None:
        """Return the sizes of the files as they were last read, after a recent transaction. It does no I/O."""
        return self._sizes

    def start(self) -> None:
        """Migrate the file, and fold back what the program before left in the log. Raises Foreign and StateError."""
        self._connection = connection = connect(self.path)
        migrate(connection)
        for check in _CHECKS:
            (found,) = connection.execute(f"PRAGMA {check}").fetchone()
            if found != "ok":
                raise damaged(self.path, str(found).splitlines()[-1])
        connection.execute("PRAGMA journal_mode = WAL")
        fold(connection, truncate=True)
        self._tend()

    def close(self) -> None:
        """Fold the log back, so that the file alone is complete, and close it. Records that are open fail."""
        self._ended = True
        if self._connection is not None:
            wait_for_locks(self._connection, wait=False)
            fold(self._connection, truncate=True)
        self._close(self._end)

    def leave(self) -> None:
        """Leave the connection to a thread that does not come back from using it: closing it would wait for that.

        Nothing is lost: what is committed stands in the log, which the next program folds back.
        """
        self._ended = True
        self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._ended:
                raise self._closed_error()
            self._connection = connect(self.path)
            self._patient_at = None
        if self._patient_at is not None and self._clock() >= self._patient_at:
            wait_for_locks(self._connection, wait=True)
            self._patient_at = None
        return self._connection

    def _understood(self, connection: sqlite3.Connection | None, error: Exception) -> StateError | None:
        """Return the error for the operator; None if the file is not the cause. The connection may be closed."""
        if isinstance(error, sqlite3.ProgrammingError) and connection is not self._connection:
            return self._closed_error()
        meant = _meaning(self.path, self._opened, error)
        if meant is None or connection is None or connection is not self._connection:
            return meant
        if meant.reason is Reason.STATE_LOCKED:
            wait_for_locks(connection, wait=False)
            self._patient_at = self._clock() + _IMPATIENT_SECONDS
        elif self._users == 1 or not is_damage(error):
            # Damage may be in the rows of one collector: the polls of others that are under way go on.
            self._close(meant)
        return meant

    def _close(self, why: StateError) -> None:
        self._closed_by = why
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _closed_error(self) -> StateError:
        """Return the error for records of a connection that was closed."""
        why = self._closed_by
        return StateError(str(why), passing=why.passing, reason=why.reason)

    def _tend(self) -> None:
        """Fold the log back and read the sizes of the files, from time to time. Call it after a transaction."""
        now = self._clock()
        if now >= self._fold_at and self._connection is not None:
            self._fold_at = now + _FOLD_SECONDS
            fold(self._connection)
        if now >= self._measure_at:
            self._measure_at = now + _MEASURE_SECONDS
            self._sizes = sizes(self.path)


@contextlib.contextmanager
def prepared(path: Path | None, clock: Callable[[], float] = time.monotonic) -> Iterator[SqliteState]:
    """Open the state at `path` for this program alone; without a path, in a temporary folder.

    `clock` measures elapsed seconds. When the block ends, the file alone holds everything: its log is folded back.

    Raises StateError if another program uses the file, if it is no state file, or if it is damaged: it is never
    overwritten.
    """
    if path is None:
        with _temporary() as folder, prepared(Path(folder) / "state.db", clock) as made:
            yield made
        return
    with _alone(path):
        with understanding(path):
            state = SqliteState(path, _made(path), clock)
        with contextlib.closing(state):
            with understanding(path):
                state.start()
            yield state


def _temporary() -> "tempfile.TemporaryDirectory[str]":
    try:
        return tempfile.TemporaryDirectory(prefix="batch-exporter-")
    except OSError as error:
        raise StateError(f"{NO_TEMPORARY_FOLDER} ({error.strerror})") from error


@contextlib.contextmanager
def understanding(path: Path) -> Iterator[None]:
    """Raise StateError instead of the errors of SQLite, the system or our reading that the file causes."""
    try:
        yield
    except Foreign as error:
        raise StateError(f"state file {path}: it {error}; choose another state.path") from error
    except Exception as error:
        meant = _meaning(path, None, error)
        if meant is None:
            raise
        raise meant from error


def _meaning(path: Path, opened: FileId | None, error: Exception) -> StateError | None:
    """Return the error for the operator; None if the state file is not the cause."""
    return (moved(path, opened) if isinstance(error, sqlite3.Error | OSError) else None) or understood(path, error)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock beside the file. The system releases it when the process ends in any way."""
    with understanding(path):
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(
                f"state file {path}: another batch-exporter is using it: stop it, or give each its own state.path",
                passing=True,
            ) from error
        except OSError as error:
            raise StateError(
                f"state file {path}: it can't be locked ({error.strerror}); NFS and other network file systems may have"
                " no locks: keep the state on a local disk"
            ) from error
        yield
    finally:
        os.close(lock)


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
