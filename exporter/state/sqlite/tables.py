"""Read and write all rows of a state file that no other program uses."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from exporter.model.record import StateError
from exporter.state.sqlite.connection import connect
from exporter.state.sqlite.damage import understanding
from exporter.state.sqlite.database import prepared
from exporter.state.tables import COLLECTORS, TABLES, Row, Table

_COLUMNS: Mapping[str, str] = {"records.amounts": "adds", "records.batch_id": "part_of"}
"""Columns whose names are not those of the fields."""


class SqliteTables:
    """All rows of the file; see `Tables`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.name = f"state file {path}"
        self._path = path
        self._db = connection

    def count(self, table: Table) -> int:
        with understanding(self._path):
            (count,) = self._db.execute(f"SELECT count(*) FROM {table.name}").fetchone()  # noqa: S608 (our own name)
            return int(count)

    def rows(self, table: Table) -> Iterator[Row]:
        fields = ", ".join(f"t.{column}" for column in _columns(table))
        query = f"SELECT account, collector, {fields} FROM {table.name} t"  # noqa: S608 (our own names)
        if table is not COLLECTORS:
            query = (
                f"SELECT c.account, c.collector, {fields} FROM {table.name} t"  # noqa: S608 (our own names)
                " JOIN collectors c ON c.id = t.collector"
            )
        with understanding(self._path):
            cursor = self._db.execute(query)
        while True:
            with understanding(self._path):
                some = cursor.fetchmany(1000)
            if not some:
                return
            yield from some

    def write(self, table: Table, rows: Iterable[Row]) -> None:
        columns = _columns(table)
        query = (
            f"INSERT INTO {table.name} (collector, {', '.join(columns)})"  # noqa: S608 (our own names)
            f" VALUES (?, {', '.join('?' * len(columns))})"
        )
        with understanding(self._path):
            if table is COLLECTORS:
                query = "INSERT INTO collectors (account, collector, marks) VALUES (?, ?, ?)"
                self._db.executemany(query, rows)
                return
            found = self._db.execute("SELECT account, collector, id FROM collectors")
            numbers = {(account, collector): number for account, collector, number in found}
            self._db.executemany(query, ((numbers[row[:2]], *row[2:]) for row in rows))


@contextlib.contextmanager
def source(path: Path) -> Iterator[SqliteTables]:
    """Open a file to copy from. It is locked, and migrated if it is of an older version. Raises StateError."""
    if not path.exists():
        raise StateError(f"state file {path}: there is no such file")
    with _opened(path) as connection:
        yield SqliteTables(path, connection)


@contextlib.contextmanager
def target(path: Path) -> Iterator[SqliteTables]:
    """Open a file to copy to, which has to be empty or missing. What is written is kept if the block succeeds."""
    with _opened(path) as connection:
        with understanding(path):
            connection.execute("BEGIN IMMEDIATE")
        tables = SqliteTables(path, connection)
        try:
            for table in TABLES:
                if tables.count(table):
                    raise StateError(f"state file {path}: it is not empty: copy to a file that does not exist")
            yield tables
            with understanding(path):
                connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with prepared(path):
        with understanding(path):
            connection = connect(path)
        with contextlib.closing(connection):
            yield connection


def _columns(table: Table) -> list[str]:
    return [_COLUMNS.get(f"{table.name}.{field}", field) for field in table.fields]
