"""Connect to the state file, and fold its write-ahead log back into it."""

import contextlib
import secrets
import sqlite3
import urllib.parse
from pathlib import Path

from exporter.state.sqlite.damage import damaged
from exporter.state.sqlite.files import beside
from exporter.state.state import Sizes

_WAIT_SECONDS = 1.0
"""How long a statement waits for the lock of another program. All polls wait with it."""

_LOG_PAGES = 4000
"""How far the write-ahead log grows before it is folded back: 16 MiB. IDs are random, so that each list page changes a
hundred pages of the file: in a longer log, more changes of a page are written back at once. A backfill of 200,000
records writes 0.7 GB; with SQLite's 1000 pages, it writes 0.9 GB."""

_LOG_BYTES = _LOG_PAGES * (4096 + 24)
"""The size that the log is cut to if it has grown beyond, because a reader kept it from being folded back."""

_STATEMENTS = 256
"""How many prepared statements are kept."""


def uri(path: Path, options: str) -> str:
    """Return the URI by which SQLite opens a file with these options (https://www.sqlite.org/uri.html)."""
    return f"file:{urllib.parse.quote(str(path.absolute()))}?{options}"


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, which must exist. The connection is in autocommit mode, and for one thread at a time."""
    # "rw": a file that was removed meanwhile is an error, not a new empty file.
    connection = sqlite3.connect(
        uri(path, "mode=rw"),
        uri=True,
        timeout=_WAIT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
    except Exception as error:
        connection.close()
        if isinstance(error, UnicodeDecodeError):
            # SQLite's message quotes text of the tables that can't be decoded.
            raise damaged(path, f"its content can't be read: {type(error).__name__}") from error
        raise
    return connection


def wait_for_locks(connection: sqlite3.Connection, *, wait: bool) -> None:
    """Set whether statements wait for the lock of another program, or fail at once."""
    connection.execute(f"PRAGMA busy_timeout = {int(_WAIT_SECONDS * 1000) if wait else 0}")


def mark(connection: sqlite3.Connection) -> str | None:
    """Write a text that no other file has, to be folded back. Return it; None if another program has locked the file.

    It stands on a page of its own. So from then on it is in the file and not in the log, until it is written again:
    a file with another one was put there by another program.
    """
    made = secrets.token_hex(8)
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS mark (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        connection.execute("INSERT OR REPLACE INTO mark (id, text) VALUES (0, ?)", (made,))
    except sqlite3.Error:
        return None
    return made


def marked(connection: sqlite3.Connection) -> str | None:
    """Return what `mark` wrote last into the file that is there now; None if it has none."""
    if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'mark'").fetchone() == (0,):
        return None
    found = connection.execute("SELECT text FROM mark").fetchone()
    return None if found is None else str(found[0])


def fold(connection: sqlite3.Connection, *, truncate: bool = False) -> None:
    """Write the log back into the file, as far as no reader of another program needs it. `truncate`: and empty it.

    An error is ignored: the log stays, and nothing is lost.
    """
    with contextlib.suppress(sqlite3.Error):
        connection.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if truncate else 'PASSIVE'})").fetchone()


def sizes(path: Path) -> Sizes | None:
    """Return the sizes of the file and its log; None if the file is gone."""
    try:
        state = path.stat().st_size
    except OSError:
        return None
    try:
        return Sizes(state, beside(path, "-wal").stat().st_size)
    except OSError:
        return Sizes(state, 0)
