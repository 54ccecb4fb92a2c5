"""A PostgreSQL that writes as in production, and what it has done so far."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.postgres import Server, running

_AS_IN_PRODUCTION = ("fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=128MB")
_PASSWORD = "superuser-password"  # noqa: S105 (of a server that listens on the loopback interface, and forgets all)
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_STATEMENTS_OF_A_TICK = 2
_COUNTERS = """
SELECT (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()),
  coalesce((SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'replicas'), 0),
  pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,
  pg_database_size(current_database())
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What the server has done so far for one database. Sizes are in bytes."""

    statements: int
    """Each is a transaction of its own, and so a round trip."""
    ticks: int
    """Heartbeats of all replicas."""
    wal: int
    size: int
    cpu: float
    """Seconds of all processes of the server."""

    def poll_statements(self, before: "Done | None" = None) -> int:
        """Return how many statements were no part of a tick, since another moment or the beginning."""
        statements, ticks = (0, 0) if before is None else (before.statements, before.ticks)
        return max(0, self.statements - statements - _STATEMENTS_OF_A_TICK * (self.ticks - ticks))


class Database:
    """An empty database of its own on the server."""

    def __init__(self, server: Server, connection: "psycopg.Connection[tuple[Any, ...]]", name: str) -> None:
        self.port = server.port
        self._server = server
        self._connection = connection
        self._name = name

    def url(self, port: int | None = None) -> str:
        """Return its URL on the loopback interface, by another port than the server's if one is given."""
        return f"postgresql://postgres:{_PASSWORD}@127.0.0.1:{port or self.port}/{self._name}"

    def done(self) -> Done:
        statements, ticks, wal, size = self._one(_COUNTERS)
        return Done(statements, ticks, wal, size, self.cpu())

    def cpu(self) -> float:
        """Return the CPU seconds of all processes of the server, those that have ended included."""
        postmaster = int((self._server.folder / "data" / "postmaster.pid").read_text().split()[0])
        while True:
            # Its own ticks, and those of its children that have ended.
            own = _stat(postmaster)[11:15]
            fields = (_stat(int(path.name)) for path in Path("/proc").glob("[0-9]*"))
            ticks = sum(int(each[11]) + int(each[12]) for each in fields if each and int(each[1]) == postmaster)
            if _stat(postmaster)[13:15] == own[2:]:
                return (ticks + sum(map(int, own))) / _TICKS_A_SECOND
            # A child has ended meanwhile: it counts twice or not at all.

    def owners(self) -> Mapping[str, int]:
        """Return how many accounts each replica owns."""
        if not self._one("SELECT to_regclass('leases') IS NOT NULL")[0]:
            return {}
        query = "SELECT holder, count(*) FROM leases WHERE holder IS NOT NULL GROUP BY holder"
        return dict(self._connection.execute(query).fetchall())

    def _one(self, query: str) -> tuple[Any, ...]:
        found = self._connection.execute(query.encode()).fetchone()
        assert found is not None
        return found


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Run a server until the end."""
    with running(*_AS_IN_PRODUCTION) as server:
        yield server


@contextlib.contextmanager
def database(server: Server) -> Iterator[Database]:
    """Make an empty database, and drop it at the end."""
    name = server.database()
    try:
        with server.admin(name) as connection:
            yield Database(server, connection, name)
    finally:
        server.drop(name)


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; none if there is no such process any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
