"""The kinds of state that a soak has, and what may happen to each."""

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from tests.support import postgres
from tests.support.soak.worlds import SECRET
from tests.support.state_file import other_program
from tests.support.walk import Actions

_SETTINGS = ("synchronous_commit=on", "autovacuum_naptime=5s")
_CONTENT = """
SELECT query_to_xml('TABLE ' || quote_ident(tablename), true, false, '')::text
FROM pg_tables WHERE schemaname = 'public'
"""

Pause = Callable[[float], None]


class Store(Protocol):
    """Where the state is."""

    settings: Mapping[str, Any]
    """Of the configuration."""

    def sizes(self) -> tuple[float, float]:
        """Return the bytes of the state, and of its write-ahead log."""

    def content(self) -> bytes:
        """Return all that the state holds."""

    def actions(self, rng: random.Random, pause: Pause) -> Actions:
        """Return what may happen to it; `pause` lets time pass meanwhile."""


class SqliteFile:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "soak.db"
        self._log = folder / "soak.db-wal"
        self.settings: Mapping[str, Any] = {"path": str(self._path)}

    def sizes(self) -> tuple[float, float]:
        return _size(self._path), _size(self._log)

    def content(self) -> bytes:
        return b"".join(path.read_bytes() for path in (self._path, self._log) if path.exists())

    def actions(self, rng: random.Random, pause: Pause) -> Actions:
        def read() -> None:
            if self._path.exists():
                with other_program(self._path, "BEGIN", "SELECT count(*) FROM records"):
                    pause(rng.uniform(0.5, 3.0))

        return {"another reader of the state": (1, read)}


class PostgresDatabase:
    """A database of a server that no one else uses. Its own log of writes is not the program's, and not measured."""

    def __init__(self, server: postgres.Server) -> None:
        self._server = server
        self._database = server.database()
        url = server.url(self._database, password=SECRET)
        self.settings: Mapping[str, Any] = {"url": url}

    def sizes(self) -> tuple[float, float]:
        with self._server.admin() as connection:
            found = connection.execute("SELECT pg_database_size(%s)", (self._database,)).fetchone()
        assert found is not None
        return float(found[0]), 0.0

    def content(self) -> bytes:
        with self._server.admin(self._database) as connection:
            found = connection.execute(_CONTENT).fetchall()
        return "\n".join(text for (text,) in found).encode()

    def actions(self, rng: random.Random, pause: Pause) -> Actions:
        def restart() -> None:
            self._server.stop()
            try:
                pause(rng.choice([0.0, rng.uniform(0.5, 3.0)]))
            finally:
                self._server.start(*_SETTINGS)

        def cut() -> None:
            self._server.cut_connections(self._database)

        return {"cut connections": (1, cut), "restart of the database": (1, restart)}


@contextlib.contextmanager
def _in_file(folder: Path) -> Iterator[Store]:
    yield SqliteFile(folder)


@contextlib.contextmanager
def _in_database(folder: Path) -> Iterator[Store]:
    with postgres.running(*_SETTINGS) as server:
        yield PostgresDatabase(server)


STORES: Mapping[str, Callable[[Path], AbstractContextManager[Store]]] = {"sqlite": _in_file, "postgres": _in_database}
"""By their names: opens a new state of this folder."""


def _size(path: Path) -> float:
    try:
        return float(path.stat().st_size)
    except FileNotFoundError:
        return 0.0
