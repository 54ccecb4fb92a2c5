"""Read and write the rows of one collector in the SQLite file."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence

from exporter.state.rows import DELETED, IN_FLIGHT, FailureRow, RecordRow, SeriesRow, Write

_IDS_AT_ONCE = 500
"""SQLite limits the number of parameters in a statement."""

_RECORD = "SELECT id, created_at, state, adds, part_of FROM records WHERE collector = ?"

_SERIES = """
    INSERT INTO series (collector, number, key, total, events, published, cause, spread, published_spread, rose)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (collector, number) DO UPDATE SET key = excluded.key, total = excluded.total, events = excluded.events,
    published = excluded.published, cause = excluded.cause, spread = excluded.spread,
    published_spread = excluded.published_spread, rose = excluded.rose"""

_RECORDS = """
    INSERT INTO records (collector, id, created_at, state, adds, part_of) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (collector, id) DO UPDATE SET created_at = excluded.created_at,
    state = excluded.state, adds = excluded.adds, part_of = excluded.part_of"""

_FAILURES = """
    INSERT INTO failures (collector, id, turn, created_at, at, amounts, workflow) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (collector, id) DO UPDATE SET turn = excluded.turn, created_at = excluded.created_at,
    at = excluded.at, amounts = excluded.amounts, workflow = excluded.workflow"""


class SqliteRows:
    """The rows of one collector; see `Rows`. Errors are those of sqlite3."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        account: str,
        collector: str,
        writing: Callable[[], None] = lambda: None,
        written: Callable[[], None] = lambda: None,
    ) -> None:
        """Find the collector, and make its row if there is none.

        `writing` is called before each transaction, and `written` after it.
        """
        self._db = connection
        self._account = account
        self._writing, self._written = writing, written
        self._collector, self._marks = self._row(collector)

    def marks(self) -> str:
        """Return the checkpoint as it was when this object was made, as JSON."""
        return self._marks

    def series(self) -> Sequence[SeriesRow]:
        query = """SELECT number, key, total, events, published, cause, spread, published_spread, rose FROM series
                   WHERE collector = ? ORDER BY number"""
        return list(map(SeriesRow._make, self._db.execute(query, (self._collector,))))

    def failures(self) -> Sequence[FailureRow]:
        query = "SELECT id, turn, created_at, at, amounts, workflow FROM failures WHERE collector = ?"
        return list(map(FailureRow._make, self._db.execute(query, (self._collector,))))

    def get(self, ids: Sequence[str]) -> Iterator[RecordRow]:
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            yield from self._records(f"id IN ({','.join('?' * len(some))})", *some)

    def following(self, record_id: str, limit: int) -> Iterator[RecordRow]:
        return self._records("id > ? ORDER BY id LIMIT ?", record_id, limit)

    def finished_before(self, moment: float, limit: int) -> Iterator[RecordRow]:
        return self._records("created_at < ? AND state != 1 LIMIT ?", moment, limit)

    def stuck_before(self, moment: float) -> Iterator[RecordRow]:
        return self._records("created_at < ? AND state = 1", moment)

    def newest(self) -> float | None:
        newest = self._value("SELECT max(created_at) FROM records WHERE collector = ?")
        return None if newest is None else float(newest)

    def oldest_in_flight(self) -> float | None:
        oldest = self._value("SELECT min(created_at) FROM records WHERE collector = ? AND state = 1")
        return None if oldest is None else float(oldest)

    def between(self, low: float, high: float) -> Sequence[tuple[str, float]]:
        query = """SELECT id, created_at FROM records WHERE collector = ? AND created_at > ? AND created_at <= ?
                   AND state != ? ORDER BY created_at DESC, id"""
        return list(self._db.execute(query, (self._collector, low, high, DELETED)))

    def count_between(self, low: float, high: float) -> int:
        query = "SELECT count(*) FROM records WHERE collector = ? AND created_at > ? AND created_at <= ?"
        return int(self._value(query, low, high) or 0)

    def in_flight(self, since: float, before: float) -> Sequence[tuple[str, float]]:
        query = """SELECT id, created_at FROM records WHERE collector = ? AND state = 1
                   AND created_at >= ? AND created_at < ? ORDER BY created_at DESC"""
        return list(self._db.execute(query, (self._collector, since, before)))

    def count_in_flight(self, before: float) -> int:
        query = "SELECT count(*) FROM records WHERE collector = ? AND state = 1 AND created_at < ?"
        return int(self._value(query, before) or 0)

    def batch_ids(self, collector: str, since: float) -> Sequence[str]:
        query = """SELECT DISTINCT part_of FROM records WHERE collector = ? AND created_at >= ?
                   AND part_of IS NOT NULL AND state != ?"""
        return [batch_id for (batch_id,) in self._db.execute(query, (self._row(collector)[0], since, DELETED))]

    def amounts_in_use(self) -> Iterator[str]:
        query = "SELECT adds FROM records WHERE collector = ? UNION SELECT amounts FROM failures WHERE collector = ?"
        return (amounts for (amounts,) in self._db.execute(query, (self._collector, self._collector)))

    def write(self, write: Write) -> None:
        self._writing()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._write(write)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._written()

    def _write(self, write: Write) -> None:
        if write.start_over is not None:
            query = "UPDATE records SET state = ? WHERE collector = ? AND NOT (state = ? AND created_at < ?)"
            self._db.execute(query, (DELETED, self._collector, IN_FLIGHT, write.start_over))
        self._each(_SERIES, write.series)
        self._each("DELETE FROM series WHERE collector = ? AND number = ?", zip(write.dropped_series, strict=True))
        self._each(_RECORDS, write.records)
        self._each("DELETE FROM records WHERE collector = ? AND id = ?", zip(write.forgotten, strict=True))
        self._each(_FAILURES, write.failures)
        self._each("DELETE FROM failures WHERE collector = ? AND id = ?", zip(write.dropped_failures, strict=True))
        if write.marks is not None:
            self._db.execute("UPDATE collectors SET marks = ? WHERE id = ?", (write.marks, self._collector))

    def _each(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Execute a statement with each row's values, after the collector's number."""
        parameters = [(self._collector, *row) for row in rows]
        if parameters:
            self._db.executemany(query, parameters)

    def _row(self, collector: str) -> tuple[int, str]:
        row = (self._account, collector)
        query = "SELECT id, marks FROM collectors WHERE account = ? AND collector = ?"
        found = self._db.execute(query, row).fetchone()
        if found is None:
            self._db.execute("INSERT INTO collectors (account, collector) VALUES (?, ?) ON CONFLICT DO NOTHING", row)
            found = self._db.execute(query, row).fetchone()
        number, marks = found
        return int(number), str(marks)

    def _records(self, condition: str, *parameters: object) -> Iterator[RecordRow]:
        return map(RecordRow._make, self._db.execute(f"{_RECORD} AND {condition}", (self._collector, *parameters)))

    def _value(self, query: str, *parameters: object) -> float | None:
        value: float | None
        (value,) = self._db.execute(query, (self._collector, *parameters)).fetchone()
        return value
