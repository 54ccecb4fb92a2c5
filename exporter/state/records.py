"""Keep the records of one collector, the totals over them, and the checkpoint of its polls.

`accounting` decides what a change counts. A page's records, the totals and the checkpoint are written in one
transaction.
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from exporter.model import accounting
from exporter.model.accounting import Rules
from exporter.model.record import Key, Record
from exporter.model.totals import Sums
from exporter.state.checkpoint import Checkpoint
from exporter.state.failed_records import Failures
from exporter.state.pending import Observation, PendingChanges
from exporter.state.series import Series

Changed = tuple[Record | None, Record]
"""A record as it was kept (None: never seen before), and as it was seen now."""

_FINISHED, _IN_FLIGHT, _DELETED = 0, 1, 2
_MANY_UNUSED = 1000
"""Each unused series costs each poll a row to load: fewer than this are not worth a search for those in use."""
_IDS_AT_ONCE = 500
"""SQLite limits the number of parameters in a statement."""


class Records:
    """The records of one collector. One object serves one poll."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        account: str,
        collector: str,
        rules: Rules,
        written: Callable[[], None] = lambda: None,
    ) -> None:
        """Read the checkpoint. `written` is called after each transaction."""
        self._db = connection
        self._written = written
        self._rules = rules
        self._account = account
        self._collector, marks = self._row(collector)
        self.marks = Checkpoint.decode(marks)
        self.series = Series(connection, self._collector)
        self.failures = Failures(connection, self._collector, self.series)
        self.scraped_at: float | None = None
        """When the last scrape began, epoch seconds. It is written with each checkpoint."""

    def apply(
        self,
        seen: Iterable[Record],
        observation: Observation,
        deleted: Iterable[str] = (),
        marks: Checkpoint | None = None,
        known: Mapping[str, Record] | None = None,
        count: Callable[[Sequence[Changed]], Mapping[Key, int]] = lambda _: {},
    ) -> Sequence[Changed]:
        """Write records as they were seen, and mark those with the IDs in `deleted` as deleted upstream.

        `known` is what `get` returns for all of them, if the caller has just called it. `count` gets the records that
        changed, one that was seen twice perhaps twice, and returns events of the polling itself that come with them.
        Everything is one transaction: on an error, nothing of it is written. Return the records that changed.
        """
        records = list(seen)
        latest = {record.id: record for record in records}
        if known is None:
            known = self.get([*latest, *deleted])
        for record_id in deleted:
            if record_id in known and record_id not in latest:
                latest[record_id] = replace(known[record_id], deleted=True, in_flight=False)
                records.append(latest[record_id])
        changed = [
            (before, record, after)
            for record in records
            if (before := known.get(record.id)) != record
            and (after := accounting.remembered(before, record, self._rules)) != before
        ]
        events = +Counter(count([(before, record) for before, record, _ in changed]))
        changed = [change for change in changed if change[1] is latest[change[1].id]]
        if not changed and not events and marks in (None, self.marks):
            return ()
        moved = PendingChanges(self._rules, events=events)
        for before, _, after in changed:
            moved.add(before, after, observation)
        with self._transaction():
            self.series.add(moved)
            self.failures.add(moved.failed)
            self._write([after for _, _, after in changed])
            self._mark(marks)
        return [(before, record) for before, record, _ in changed]

    def mark(self, marks: Checkpoint) -> None:
        """Write the checkpoint alone."""
        with self._transaction():
            self._mark(marks)

    def forget(self, records: Sequence[Record], events: Mapping[Key, int] | None = None) -> None:
        """Drop records, and count events of the polling itself that come with it. What they counted stays counted."""
        moved = PendingChanges(self._rules, events=Counter(events or {}))
        for record in records:
            moved.gauges.subtract(accounting.weight(record, self._rules))
        with self._transaction():
            self.series.add(moved)
            query = "DELETE FROM records WHERE collector = ? AND id = ?"
            self._db.executemany(query, [(self._collector, record.id) for record in records])

    def drop_unused_series(self, folded: Mapping[Key, Key]) -> None:
        """Delete series that no record or counter needs, if they are many.

        `folded` has the series beyond the cap, each with the series that shows it and takes over its count.
        """
        if not folded and self.series.unused() < _MANY_UNUSED:
            return
        named: set[int] = set()
        for table, column in (("records", "adds"), ("failures", "amounts")):
            query = f"SELECT DISTINCT {column} FROM {table} WHERE collector = ?"  # noqa: S608
            for (amounts,) in self._db.execute(query, (self._collector,)):
                named.update(self.series.numbers(amounts))
        with self._transaction():
            self.series.drop(named, folded)

    def relabel(self, pairs: Iterable[tuple[Record, Record]]) -> None:
        """Count records with other labels than before: gauges move, and no counter rises."""
        moved, after = PendingChanges(self._rules), []
        for before, now in pairs:
            moved.gauges.subtract(accounting.weight(before, self._rules))
            moved.gauges.update(accounting.weight(now, self._rules))
            after.append(now)
        with self._transaction():
            self.series.add(moved)
            self._write(after)

    def relabel_waiting(self, relabeled: Mapping[Key, Key]) -> None:
        """Move counts that are not published yet to the series with the present labels."""
        with self._transaction():
            self.series.move_waiting(relabeled)

    def start_over(self, marks: Checkpoint, keep_before: float = float("-inf")) -> None:
        """Mark all records as deleted, because something else is queried from now on. What they counted stays known.

        If a record is seen again, only later changes of it are events. Counters and failures stay, and so do records
        in flight that were created before `keep_before`.
        """
        kept = self.stuck_before(keep_before)
        moved = PendingChanges(self._rules)
        for record in kept:
            moved.gauges.update(accounting.weight(record, self._rules))
        with self._transaction():
            query = "UPDATE records SET state = ? WHERE collector = ? AND NOT (state = 1 AND created_at < ?)"
            self._db.execute(query, (_DELETED, self._collector, keep_before))
            self.series.empty_gauges()
            self.series.add(moved)
            self._mark(marks)

    def count(self, events: Mapping[Key, int]) -> None:
        """Count events that belong to no record."""
        if events:
            moved = PendingChanges(self._rules, events=Counter(events))
            with self._transaction():
                self.series.add(moved)

    def publish(self, keys: Sequence[Key], at: float) -> None:
        """Note that everything that these series have counted is published. Call it before publishing."""
        if keys:
            with self._transaction():
                self.series.publish(keys)
                self._mark(replace(self.marks, published_at=at))

    def get(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """Return the known ones of these records, deleted ones too, by ID."""
        found: dict[str, Record] = {}
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            for record in self._select(f"id IN ({','.join('?' * len(some))})", *some):
                found[record.id] = record
        return found

    def following(self, record_id: str, limit: int) -> Sequence[Record]:
        """Return up to `limit` records with IDs after this one, deleted ones too."""
        return list(self._select("id > ? ORDER BY id LIMIT ?", record_id, limit))

    def newest(self) -> float | None:
        """Return when the newest record was created."""
        query = "SELECT max(created_at) FROM records WHERE collector = ?"
        (newest,) = self._db.execute(query, (self._collector,)).fetchone()
        return None if newest is None else float(newest)

    def between(self, low: float, high: float) -> Sequence[tuple[str, float]]:
        """Return IDs and times of creation of records created in (low, high] and not deleted, newest first."""
        query = """SELECT id, created_at FROM records WHERE collector = ? AND created_at > ? AND created_at <= ?
                   AND state != ? ORDER BY created_at DESC, id"""
        return list(self._db.execute(query, (self._collector, low, high, _DELETED)))

    def count_between(self, low: float, high: float) -> int:
        """Return how many records were created in (low, high], deleted ones too."""
        query = "SELECT count(*) FROM records WHERE collector = ? AND created_at > ? AND created_at <= ?"
        (count,) = self._db.execute(query, (self._collector, low, high)).fetchone()
        return int(count)

    def in_flight(self, since: float, before: float = float("inf")) -> Sequence[tuple[str, float]]:
        """Return IDs and times of creation of records in flight created in [since, before), newest first."""
        query = """SELECT id, created_at FROM records WHERE collector = ? AND state = 1
                   AND created_at >= ? AND created_at < ? ORDER BY created_at DESC"""
        return list(self._db.execute(query, (self._collector, since, before)))

    def finished_before(self, moment: float, limit: int) -> Sequence[Record]:
        """Return up to `limit` records, finished or deleted, that were created before."""
        return list(self._select("created_at < ? AND state != 1 LIMIT ?", moment, limit))

    def stuck_before(self, moment: float) -> Sequence[Record]:
        """Return the records in flight that were created before."""
        return list(self._select("created_at < ? AND state = 1", moment))

    def count_in_flight(self, before: float) -> int:
        """Return how many records in flight were created before."""
        query = "SELECT count(*) FROM records WHERE collector = ? AND state = 1 AND created_at < ?"
        (count,) = self._db.execute(query, (self._collector, before)).fetchone()
        return int(count)

    def batches_named_by(self, collector: str, since: float) -> Sequence[str]:
        """Return the IDs of batches that another collector's records, created since, belong to."""
        query = """SELECT DISTINCT part_of FROM records WHERE collector = ? AND created_at >= ?
                   AND part_of IS NOT NULL AND state != ?"""
        return [batch_id for (batch_id,) in self._db.execute(query, (self._row(collector)[0], since, _DELETED))]

    def sums(self) -> Sums:
        """Return the totals over all records."""
        query = "SELECT min(created_at) FROM records WHERE collector = ? AND state = 1"
        (oldest,) = self._db.execute(query, (self._collector,)).fetchone()
        return replace(self.series.sums(), oldest_in_flight=oldest)

    def _row(self, collector: str) -> tuple[int, str]:
        row = (self._account, collector)
        query = "SELECT id, marks FROM collectors WHERE account = ? AND collector = ?"
        found = self._db.execute(query, row).fetchone()
        if found is None:
            self._db.execute("INSERT INTO collectors (account, collector) VALUES (?, ?) ON CONFLICT DO NOTHING", row)
            found = self._db.execute(query, row).fetchone()
        number, marks = found
        return int(number), str(marks)

    def _select(self, condition: str, *parameters: object) -> Iterator[Record]:
        query = f"SELECT id, created_at, state, adds, part_of FROM records WHERE collector = ? AND {condition}"  # noqa: S608
        decoded: dict[str, Mapping[Key, int]] = {}
        for record_id, created_at, state, contributions, batch_id in self._db.execute(
            query, (self._collector, *parameters)
        ):
            if contributions not in decoded:
                decoded[contributions] = self.series.decode(contributions)
            yield Record(
                record_id, created_at, state == _IN_FLIGHT, decoded[contributions], batch_id, state == _DELETED
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit everything or nothing. After an error, this object can't be used any more: the poll has failed."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._written()

    def _write(self, records: Sequence[Record]) -> None:
        query = """
            INSERT INTO records (collector, id, created_at, state, adds, part_of) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (collector, id) DO UPDATE SET created_at = excluded.created_at,
            state = excluded.state, adds = excluded.adds, part_of = excluded.part_of"""
        encoded: dict[tuple[tuple[Key, int], ...], str] = {}
        rows = []
        for record in records:
            contributions = tuple(record.contributions.items())
            if contributions not in encoded:
                encoded[contributions] = self.series.encode(record.contributions)
            rows.append(
                (self._collector, record.id, record.created_at, _state(record), encoded[contributions], record.batch_id)
            )
        self._db.executemany(query, rows)

    def _mark(self, marks: Checkpoint | None) -> None:
        if marks is not None and self.scraped_at is not None:
            marks = replace(marks, scraped_at=self.scraped_at)
        if marks is not None and marks != self.marks:
            query = "UPDATE collectors SET marks = ? WHERE id = ?"
            self._db.execute(query, (marks.encode(), self._collector))
            self.marks = marks


def _state(record: Record) -> int:
    return _DELETED if record.deleted else _IN_FLIGHT if record.in_flight else _FINISHED
