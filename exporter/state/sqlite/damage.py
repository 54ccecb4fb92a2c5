"""Turn errors of SQLite, the system or a damaged file into messages for the operator. The only I/O is a stat."""

import contextlib
import errno
import os
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path

from exporter.model.record import Reason, StateError
from exporter.state.sqlite.schema import Foreign

FileId = tuple[int, int]
"""Device and inode, which identify a file whatever its name is."""

DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Errors that reading raises if the state does not hold what was written."""

_FULL = (sqlite3.SQLITE_FULL,)
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_FAILING = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_PROTOCOL)
_PASSING = (sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT)
_ERRNO_FULL = (errno.ENOSPC, errno.EDQUOT)
_ERRNO_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR, errno.ESTALE)

_DAMAGED = (
    "it is damaged ({}); stop the exporter, move it away with its -wal and -shm, and start again"
    " (counters then begin at 0, and no old failure is counted again)"
)
_LONGEST_CAUSE = 200


def damage(how: str) -> str:
    """Return the message for a file that does not hold what was written, with how to start over.

    What SQLite says of such a file may quote it: the message is one line that a terminal can show.
    """
    return _DAMAGED.format("".join(char if char.isprintable() else "?" for char in how[:_LONGEST_CAUSE]))


def damaged(path: Path, how: str) -> StateError:
    """Return the error for a damaged file."""
    return StateError(f"state file {path}: {damage(how)}")


def unreachable(path: Path, error: OSError) -> StateError:
    """Return the error for a path that can't be looked at."""
    if error.errno in _ERRNO_PASSING:
        return _of_system(path, error)
    return _not_writable(path, error.strerror or str(error))


def file_id(status: os.stat_result) -> FileId:
    """Return the identity of a file."""
    return status.st_dev, status.st_ino


def understood(path: Path, error: Exception) -> StateError | None:
    """Return the error for the operator; None if the cause is not the state file."""
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return None
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(path, error)
    if isinstance(error, OSError):
        return _of_system(path, error)
    if isinstance(error, DAMAGE) and not isinstance(error, UnicodeEncodeError) and raised_by_state(error):
        return damaged(path, f"its content can't be read: {type(error).__name__}")
    return None


@contextlib.contextmanager
def understanding(path: Path) -> Iterator[None]:
    """Raise StateError instead of the errors of SQLite, the system or our reading that the file causes."""
    try:
        yield
    except Foreign as error:
        raise StateError(f"state file {path}: it {error}; choose another state.path") from error
    except Exception as error:
        meant = understood(path, error)
        if meant is None:
            raise
        raise meant from error


def is_damage(error: Exception) -> bool:
    """Return whether an error that the state file causes is about its content."""
    if isinstance(error, sqlite3.Error):
        return _kind(error) not in {*_FULL, *_NOT_WRITABLE, *_BUSY, *_FAILING, *_PASSING}
    return not isinstance(error, OSError)


def _kind(error: sqlite3.Error) -> int | None:
    """Return the primary error code of SQLite; None for an error that says that the file ends too early."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None or code == sqlite3.SQLITE_IOERR_SHORT_READ else code & 0xFF


def _of_sqlite(path: Path, error: sqlite3.Error) -> StateError:
    kind = _kind(error)
    if kind in _FULL:
        return _full(path, str(error))
    if kind in _NOT_WRITABLE:
        return _not_writable(path, str(error))
    if kind in _BUSY:
        return StateError(
            f"state file {path}: another program has locked it ({error}); the disk is not at fault: end what writes to"
            " the file, such as a transaction in sqlite3, or a backup",
            passing=True,
            reason=Reason.STATE_LOCKED,
        )
    if kind in _FAILING:
        return StateError(
            f"state file {path}: the disk can't be read or written ({error}); see the system's log. SQLite"
            " needs a local disk, not NFS",
            passing=True,
        )
    if kind in _PASSING:
        return StateError(f"state file {path}: {error}", passing=True)
    # All other errors are about the content: pages, tables or rows that are not as they were written.
    return damaged(path, str(error))


def _of_system(path: Path, error: OSError) -> StateError:
    if error.errno in _ERRNO_FULL:
        return _full(path, error.strerror or str(error))
    passing = error.errno in _ERRNO_PASSING
    return StateError(f"state file {path}: {error.strerror or error} (see state.path)", passing=passing)


def _not_writable(path: Path, how: str) -> StateError:
    return StateError(
        f"state file {path}: it can't be opened or written ({how}); let the exporter's user write to it and to its"
        " folder"
    )


def _full(path: Path, how: str) -> StateError:
    return StateError(f"state file {path}: there is no room for it ({how}); make room on its volume", passing=True)


def raised_by_state(error: Exception) -> bool:
    """Return whether the error was raised while the exporter read the state's content."""
    innermost = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = str(frame.f_globals.get("__name__"))
        innermost = name if name.startswith("exporter.") else innermost
    return innermost.startswith("exporter.state.") and not innermost.endswith(".database")
