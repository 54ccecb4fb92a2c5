"""Hold the place of the state file: lock it, find out what became of the file there, and write a deleted one again."""

import contextlib
import fcntl
import os
import sqlite3
import stat
from pathlib import Path

from exporter.model.record import StateError
from exporter.state.sqlite.connection import marked
from exporter.state.sqlite.damage import damaged, file_id, understanding, unreachable
from exporter.state.sqlite.files import beside, copy_of, lock_file, real, remove_copy

_DELETED = (
    "it was deleted while the exporter ran; restart the exporter to start over (counters then begin at 0, and no old"
    " failure is counted again)"
)
_MOVED = (
    "it was moved away, or its volume was unmounted, while the exporter ran; put it back with its -wal and -shm, or"
    " restart the exporter to start over (counters then begin at 0, and no old failure is counted again)"
)
_NOT_AGAIN = (
    "it was deleted while the exporter ran, and can't be written again ({}); let the exporter's user write to its"
    " folder, and do not restart the exporter before: it still has the content"
)
_REPLACED = (
    "another file took its place while the exporter ran; restart the exporter to use that file, or move that file away"
)
_OVERWRITTEN = (
    "another program has overwritten it with other content while the exporter ran; restart the exporter to use that"
)
_AGAIN = "it was deleted while the exporter ran; nothing is lost: the next poll writes it again"
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT)


class Place:
    """The path of the state file, locked for this program, with the file that was there at the start.

    That file stays known, whatever its name is now, and whether it has one.
    """

    def __init__(self, path: Path) -> None:
        """Lock the path, and make the file if there is none. Raises StateError."""
        self.path = path
        with contextlib.ExitStack() as opened, understanding(path):
            self._lock = _locked(path)
            opened.callback(os.close, self._lock)
            remove_copy(path)
            # Kept open: only so it is known whether a file without this name was deleted, or has another name.
            self._file = _made(path)
            opened.pop_all()
        self._size = 0
        """The size of the file that was seen last. It only grows, unless somebody else writes to it."""
        self._written: int | None = None
        """When the file was written last, as far as is known, in nanoseconds."""
        self._ruined: StateError | None = None
        """The error, once another program has overwritten the file."""

    def close(self) -> None:
        """Release the place. The connection must be closed: closing any other descriptor drops SQLite's locks."""
        os.close(self._file)
        os.close(self._lock)

    def problem(self, *, kept: bool) -> StateError | None:
        """Return the error for a path that no longer leads to the file; None if it does.

        A connection would not notice: it holds the file open, wherever it is. `kept`: whether there is one, which can
        read what was deleted, or a copy of that.
        """
        try:
            found = file_id(self.path.stat())
        except FileNotFoundError:
            if not self.is_deleted:
                return self._error(_MOVED)
            return self._error(_AGAIN, passing=True) if kept else self._error(_DELETED)
        except OSError as error:
            return unreachable(self.path, error)
        return None if found == file_id(os.fstat(self._file)) else self._error(_REPLACED)

    def overwriting(self, connection: sqlite3.Connection, mark: str | None) -> StateError | None:
        """Return the error for a file that another program has cut, or overwritten in place; None if none has.

        The connection would notice when it reads what it does not remember, or not at all: pages of an older copy may
        fit well enough to lose rows. `mark`: what `mark` wrote last.
        """
        if self._ruined is None:
            status = os.fstat(self._file)
            if status.st_size >= self._size and self._written in (None, status.st_mtime_ns):
                return None
            # A connection reads from memory what it remembers.
            connection.execute("PRAGMA shrink_memory")
            if _has_other_mark(connection, mark):
                self._ruined = self._error(_OVERWRITTEN)
                # SQLite would write the log over that content when the connection is closed, or at the next start.
                with contextlib.suppress(OSError):
                    os.truncate(beside(self.path, "-wal"), 0)
            elif not _is_whole(connection):
                self._ruined = damaged(self.path, "it was truncated or overwritten while the exporter ran")
            else:
                # After a VACUUM or a checkpoint of another program it has all that it had.
                self._note(status)
        return self._ruined

    def note_written(self) -> None:
        """Note that the connection may just have written to the file."""
        if self._ruined is None:
            self._note(os.fstat(self._file))

    def _note(self, status: os.stat_result) -> None:
        self._size, self._written = status.st_size, status.st_mtime_ns

    @property
    def is_deleted(self) -> bool:
        """Whether the file has no name any more, so that nobody can put it back, and no other one took its place."""
        return os.fstat(self._file).st_nlink == 0 and not os.path.exists(self.path)  # noqa: PTH110 (raises nothing)

    def copy(self, connection: sqlite3.Connection) -> Path:
        """Lock the place again, and write what the connection reads to a file beside it. Raises StateError."""
        copy = copy_of(self.path)
        try:
            for folder in (copy.parent, self.path.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            self._lock_again()
            copy.unlink(missing_ok=True)
            os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            with contextlib.closing(sqlite3.connect(copy)) as target:
                connection.backup(target)
        except (OSError, sqlite3.Error) as error:
            with contextlib.suppress(OSError):
                copy.unlink(missing_ok=True)
            raise self._not_again(error) from error
        return copy

    def put(self, copy: Path) -> None:
        """Make the copy the state file. The connection to the deleted one must be closed. Raises StateError."""
        try:
            if self.path.exists():
                # Somebody has put it there while the copy was made.
                raise self._error(_REPLACED)
            for ending in ("-wal", "-shm"):
                beside(self.path, ending).unlink(missing_ok=True)
            copy.rename(real(self.path))
            file = _made(self.path)
        except OSError as error:
            raise self._not_again(error) from error
        os.close(self._file)
        self._file, self._size, self._written, self._ruined = file, 0, None, None

    def _lock_again(self) -> None:
        """Lock the place also for programs that start now, if the lock was deleted with the file. Raises StateError."""
        lock = beside(self.path, ".lock")
        if not lock.exists() or file_id(lock.stat()) != file_id(os.fstat(self._lock)):
            new = _locked(self.path)
            os.close(self._lock)
            self._lock = new

    def _not_again(self, error: OSError | sqlite3.Error) -> StateError:
        why = error.strerror if isinstance(error, OSError) else None
        return self._error(_NOT_AGAIN.format(why or error), passing=True)

    def _error(self, what: str, *, passing: bool = False) -> StateError:
        return StateError(f"state file {self.path}: {what}", passing=passing)


def _locked(path: Path) -> int:
    """Return a descriptor that holds a lock beside the file. The system releases it when the process ends in any way.

    Raises StateError and OSError.
    """
    lock = os.open(beside(path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise _in_use(path) from error
    except OSError as error:
        os.close(lock)
        raise StateError(
            f"state file {path}: it can't be locked ({error.strerror}); NFS and other network file systems may have"
            " no locks: keep the state on a local disk"
        ) from error
    return lock


def _in_use(path: Path) -> StateError:
    return StateError(
        f"state file {path}: another batch-exporter is using it: stop it, or give each its own state.path",
        passing=True,
    )


def _made(path: Path) -> int:
    """Open the file, which is made if there is none, readable for this user alone: SQLite would let everybody read it.

    The file is locked too: it may have another name in another folder. Raises StateError and OSError.
    """
    log = beside(path, "-wal")
    if (not path.exists() or path.stat().st_size == 0) and log.exists() and log.stat().st_size:
        # SQLite would delete the log, and with it the last changes.
        raise damaged(path, f"it is empty or gone, but {log.name} is not")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StateError(f"state file {path}: it is not a regular file; choose another state.path")
    if not lock_file(descriptor):
        os.close(descriptor)
        raise _in_use(path)
    return descriptor


def _has_other_mark(connection: sqlite3.Connection, mark: str | None) -> bool:
    """Return whether another mark than this can be read."""
    try:
        return marked(connection) != mark
    except sqlite3.DatabaseError as error:
        _raise_passing(error)
        return False


def _is_whole(connection: sqlite3.Connection) -> bool:
    """Return whether all pages of the file and its log can be read and fit each other."""
    try:
        (result,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        _raise_passing(error)
        return False
    return bool(result == "ok")


def _raise_passing(error: sqlite3.DatabaseError) -> None:
    """Raise an error that says nothing about the file."""
    if isinstance(error, sqlite3.OperationalError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING:
        raise error
