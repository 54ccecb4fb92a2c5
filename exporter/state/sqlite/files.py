"""The files that stand beside the state file."""

import contextlib
import os
from pathlib import Path

_AGAIN = ".again"


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
