"""Read and write all rows of a database that no replica uses."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

import psycopg
from psycopg.sql import SQL, Identifier

from exporter.model.record import StateError
from exporter.state.postgres.connection import connector
from exporter.state.postgres.errors import NO_STATE, state_error, unavailable, understood
from exporter.state.postgres.pool import Connection
from exporter.state.postgres.schema import inspect, prepare
from exporter.state.tables import COLLECTORS, TABLES, Row, Table

_ROWS_AT_ONCE = 5000
_LOCK_WAIT = "3s"
_LOCKED = SQL(", ").join(Identifier(name) for name in ("replicas", *(table.name for table in TABLES)))


class PostgresTables:
    """All rows of the database; see `Tables`."""

    def __init__(self, place: str, connection: Connection) -> None:
        self.name = f"state database {place}"
        self._place = place
        self._connection = connection
        self._cursors = itertools.count(1)

    def count(self, table: Table) -> int:
        with understanding(self._place):
            query = SQL("SELECT count(*) FROM {}").format(Identifier(table.name))
            (count,) = self._connection.execute(query).fetchall()[0]
            return int(count)

    def rows(self, table: Table) -> Iterator[Row]:
        fields = SQL(", ").join(Identifier("t", field) for field in table.fields)
        query = SQL("SELECT account, collector, {} FROM collectors t").format(fields)
        if table is not COLLECTORS:
            query = SQL("SELECT c.account, c.collector, {} FROM {} t JOIN collectors c ON c.id = t.collector").format(
                fields, Identifier(table.name)
            )
        # A cursor in the server: the table may be larger than the memory.
        with understanding(self._place):
            cursor = self._connection.cursor(f"copy_{next(self._cursors)}", binary=True)
            cursor.execute(query)
        while True:
            with understanding(self._place):
                some = cursor.fetchmany(_ROWS_AT_ONCE)
            if not some:
                break
            yield from some
        with understanding(self._place):
            cursor.close()

    def write(self, table: Table, rows: Iterable[Row]) -> None:
        names = ("account", "collector") if table is COLLECTORS else ("collector",)
        columns = SQL(", ").join(map(Identifier, (*names, *table.fields)))
        query = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), columns)
        with understanding(self._place):
            numbers = self._numbers()
            with self._connection.cursor() as cursor, cursor.copy(query) as copy:
                for row in self._storable(table, rows):
                    copy.write_row(row if table is COLLECTORS else (numbers[row[:2]], *row[2:]))

    def _numbers(self) -> Mapping[tuple[str, str], int]:
        found = self._connection.execute("SELECT account, collector, id FROM collectors")
        return {(account, collector): number for account, collector, number in found}

    def _storable(self, table: Table, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows. Raises StateError for text that SQLite keeps and PostgreSQL can't."""
        for row in rows:
            if any(isinstance(value, str) and "\0" in value for value in row):
                raise state_error(
                    self._place,
                    f"it can't keep a text in {table.name} that holds the character NUL: nothing was copied",
                )
            yield row


@contextlib.contextmanager
def source(url: Callable[[], str], place: str) -> Iterator[PostgresTables]:
    """Open a database to copy from, which no live replica uses. Nobody can write before the block ends."""
    with opened(unpooled(url), place) as connection:
        with understanding(place):
            if inspect(place)(connection) == 0:
                raise state_error(place, NO_STATE)
            # Of an older version, its tables are migrated as the next exporter would.
            prepare(place)(connection)
        with _alone(connection, place, "SHARE"):
            yield PostgresTables(place, connection)


@contextlib.contextmanager
def target(url: Callable[[], str], place: str) -> Iterator[PostgresTables]:
    """Open a database to copy to, which has to be empty. What is written is kept if the block succeeds."""
    with opened(unpooled(url), place) as connection:
        with understanding(place):
            prepare(place)(connection)
        with _alone(connection, place, "SHARE ROW EXCLUSIVE"):
            tables = PostgresTables(place, connection)
            for table in TABLES:
                if tables.count(table):
                    raise state_error(
                        place, "it is not empty: copy to another database, or drop the exporter's tables in it"
                    )
            yield tables


def unpooled(url: Callable[[], str]) -> Callable[[], Connection]:
    """Return a function that opens a connection for a command, which a pooler takes too."""
    return connector(url, prepared_statements=False)


@contextlib.contextmanager
def opened(connect: Callable[[], Connection], place: str) -> Iterator[Connection]:
    """Open one connection in autocommit. Raises StateError."""
    try:
        connection = connect()
    except psycopg.Error as error:
        raise unavailable(place, error) or error from error
    with contextlib.closing(connection):
        yield connection


@contextlib.contextmanager
def understanding(place: str) -> Iterator[None]:
    """Raise StateError instead of the errors of psycopg."""
    try:
        yield
    except psycopg.Error as error:
        meant = understood(place, error)
        if meant is None:
            raise
        raise meant from error


@contextlib.contextmanager
def _alone(connection: Connection, place: str, mode: str) -> Iterator[None]:
    """Hold a transaction that locks out all replicas: their heartbeats wait, and no account changes its owner.

    Raises StateError, which is passing, if a replica is live.
    """
    with understanding(place):
        connection.execute("BEGIN")
    try:
        with understanding(place):
            connection.execute(SQL("SET LOCAL lock_timeout = {}").format(_LOCK_WAIT))
            connection.execute(SQL("LOCK TABLE {} IN {} MODE").format(_LOCKED, SQL(mode)))
            query = "SELECT holder FROM replicas WHERE expires_at > clock_timestamp() ORDER BY holder"
            live = [holder for (holder,) in connection.execute(query)]
        if live:
            raise _used(place, live)
        yield
        with understanding(place):
            connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            connection.execute("ROLLBACK")
        raise


def _used(place: str, live: list[str]) -> StateError:
    return state_error(
        place, f"replicas are live on it: stop them, or wait until they expire ({', '.join(live)})", passing=True
    )
