"""A disk that is full, read-only, slow or failing, under the state file."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

Happens = Callable[[str], None]
"""Called with each statement before it is executed. It may raise an error of SQLite."""

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "COMMIT", "CREATE")


class Disk:
    """What happens at the statements of all connections."""

    def __init__(self) -> None:
        self.before: Happens | None = None
        self.after: Happens | None = None

    @contextmanager
    def under_all(self) -> Iterator[None]:
        """Put this disk under all state files that are opened meanwhile."""
        disk, connect = self, sqlite3.connect

        class Connection(sqlite3.Connection):
            def execute(self, *arguments: Any) -> sqlite3.Cursor:
                return disk.execute(arguments[0], lambda: super(Connection, self).execute(*arguments))

            def executemany(self, *arguments: Any) -> sqlite3.Cursor:
                return disk.execute(arguments[0], lambda: super(Connection, self).executemany(*arguments))

        with mock.patch("sqlite3.connect", lambda *given, **named: connect(*given, factory=Connection, **named)):
            yield

    def execute(self, statement: str, execute: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        if self.before is not None:
            self.before(statement)
        done = execute()
        if self.after is not None:
            self.after(statement)
        return done


def error(code: int) -> sqlite3.OperationalError:
    """Return an error as SQLite raises it."""
    made = sqlite3.OperationalError("as SQLite says it")
    made.sqlite_errorcode = code
    return made


def at_writes(code: int) -> Happens:
    def happen(statement: str) -> None:
        if statement.lstrip().upper().startswith(_WRITES):
            raise error(code)

    return happen


def at_commits(code: int) -> Happens:
    def happen(statement: str) -> None:
        if statement.lstrip().upper().startswith("COMMIT"):
            raise error(code)

    return happen


def at_all(code: int) -> Happens:
    def happen(statement: str) -> None:
        if not statement.startswith("PRAGMA"):
            raise error(code)

    return happen
