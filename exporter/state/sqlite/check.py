"""Check a state file without creating, locking or changing anything, also while a running exporter uses it."""

import os
import sqlite3
import stat
import tempfile
from contextlib import closing
from pathlib import Path

from exporter.state.sqlite.connection import uri
from exporter.state.sqlite.damage import damage
from exporter.state.sqlite.files import beside
from exporter.state.sqlite.schema import APPLICATION_ID, VERSION

NO_TEMPORARY_FOLDER = (
    "without a state.path the state is kept in a temporary folder, and none can be made: "
    "set TMPDIR to a folder that can be written, or state.path to a file"
)
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_USER_VERSION = slice(60, 64)
_APPLICATION_ID = slice(68, 72)


def problem(path: Path | None) -> str | None:
    """Return why a state could not be kept at the path, and the fix; None if it could. None is a temporary folder."""
    if path is None:
        return _temporary()
    try:
        found = path.stat()
    except FileNotFoundError:
        return _folder(path.absolute().parent)
    except (OSError, ValueError) as error:
        return f"the path can't be used ({getattr(error, 'strerror', None) or error}): choose another"
    if stat.S_ISDIR(found.st_mode):
        return "it is a folder: add the name of a file in it, such as batch-exporter.db"
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file: choose another"
    return _folder(path.absolute().parent) or _file(path, found.st_size)


def _temporary() -> str | None:
    try:
        tempfile.gettempdir()
    except OSError:
        return NO_TEMPORARY_FOLDER
    return None


def _folder(folder: Path) -> str | None:
    if not folder.exists():
        return f"there is no folder {folder}: make it, writable for the exporter's user"
    if not folder.is_dir():
        return f"{folder} is not a folder: choose another path"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"the folder {folder} can't be written to by this user: the exporter's user must be able to"
    return None


def _file(path: Path, size: int) -> str | None:
    if not os.access(path, os.R_OK | os.W_OK):
        return "this user may not read and write the file: the exporter's user must be able to"
    if size == 0:
        return None
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        return f"the file can't be read ({error.strerror})"
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        return "it is not a state file: choose another path, or move the file away"
    owner, version = (int.from_bytes(header[place], "big") for place in (_APPLICATION_ID, _USER_VERSION))
    return header_problem(owner, version) or _pages(path)


def header_problem(owner: int, version: int) -> str | None:
    """Return why a file with this application ID and version of the tables can't be used; None if it can."""
    if owner != APPLICATION_ID:
        return "it is a database of another program: choose another path"
    if version > VERSION:
        return (
            f"it was written by a newer version of this program (schema {version}, known {VERSION}): "
            "run that version, or choose another path"
        )
    return None


def _pages(path: Path) -> str | None:
    """Return what is wrong with the pages. With a write-ahead log they can't be checked without a lock: return None."""
    log = beside(path, "-wal")
    if log.exists() and log.stat().st_size > 0:
        return None
    # Immutable: SQLite takes no lock, and creates no file beside it.
    try:
        with closing(sqlite3.connect(uri(path, "mode=ro&immutable=1"), uri=True)) as connection:
            (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return damage(str(error))
    except UnicodeDecodeError:
        # SQLite's message quotes the file, and Python can't read it.
        return damage("its content can't be read")
    *_, last = str(result).splitlines()
    return None if result == "ok" else damage(last)
