"""The state file by each of its names, and the files that stand beside it."""

import contextlib
import errno
import fcntl
import os
import struct
from pathlib import Path

_AGAIN = ".again"

_FAR = 2**62
"""The byte of the state file that is locked. SQLite locks bytes after the first GiB, and a file never gets so large."""


def real(path: Path) -> Path:
    """Return the path of the file itself: symbolic links to it are left as they are."""
    return Path(os.path.realpath(path))


def beside(path: Path, ending: str) -> Path:
    """Return the path of a file of SQLite's, such as the log (`-wal`): it stands beside the file, not beside a link."""
    file = real(path)
    return file.with_name(file.name + ending)


def copy_of(path: Path) -> Path:
    """Return the path of the copy that becomes the state file if that was deleted."""
    return beside(path, _AGAIN)


def remove_copy(path: Path) -> None:
    """Remove what a program left that was killed while it made such a copy. The place must be locked."""
    for ending in ("", "-journal", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            beside(path, _AGAIN + ending).unlink()


def lock_file(descriptor: int) -> bool:
    """Lock the state file for as long as the descriptor is open. Return False if another one has locked it.

    A file in use may have more names: hard links, and mounts of the file alone. The lock is not one of the process, as
    SQLite's are: those end when any descriptor of the file is closed.
    """
    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:
        return True
    try:
        # `struct flock` of fcntl(2).
        fcntl.fcntl(descriptor, command, struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, _FAR, 1, 0))
    except OSError as error:
        # Some systems have no such locks. The one beside the file is taken already.
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True
