"""The records of one collector, the sums over them and the marks of its polls.

It decides nothing: the ledger does. A page's records, what they move and the marks are written in one transaction.
"""

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

from exporter.model import accounting
from exporter.model.accounting import Rules
from exporter.model.record import Key, Record
from exporter.model.totals import Sums
from exporter.state.checkpoint import Checkpoint
from exporter.state.failed_records import Failures
from exporter.state.pending import Observation, PendingChanges
from exporter.state.series import Series

_FINISHED, _IN_FLIGHT, _GONE = 0, 1, 2
_MANY_UNUSED = 1000
"""Series that stand for nothing cost each poll a row to load: fewer are not worth the search for those in use."""
_IDS_AT_ONCE = 500
"""SQLite takes a bounded number of parameters in a statement."""


class Records:
    """The records of one collector, for the length of one poll."""

    def __init__(self, connection: sqlite3.Connection, account: str, collector: str, rules: Rules) -> None:
        self._db = connection
        self._rules = rules
        self._account = account
        self._collector, marks = self._row(collector)
        self.marks = Checkpoint(**json.loads(marks))
        self.series = Series(connection, self._collector)
        self.failures = Failures(connection, self._collector, self.series)
        self.scraped_at: float | None = None
        """When the last scrape began, epoch seconds: written whenever marks are."""

    def apply(
        self,
        seen: Iterable[Record],
        sight: Observation,
        deleted: Iterable[str] = (),
        marks: Checkpoint | None = None,
        known: Mapping[str, Record] | None = None,
    ) -> int:
        """Take records in as they were seen, and note which ids are gone: all of it or, on an error, nothing.

        `known`: what `get` says of all of them, if the caller has just asked. Returns how many were not as they had
        been.
        """
        latest = {record.id: record for record in seen}
        if known is None:
            known = self.get([*latest, *deleted])
        for one in deleted:
            if one in known and one not in latest:
                latest[one] = replace(known[one], deleted=True)
        changed = [
            (before, kept)
            for one, seen in latest.items()
            if (before := known.get(one)) != seen
            and (kept := accounting.remembered(before, seen, self._rules)) != before
        ]
        if not changed and marks in (None, self.marks):
            return 0
        moved = PendingChanges(self._rules)
        for before, after in changed:
            moved.take(before, after, sight)
        with self._transaction():
            self.series.add(moved)
            self.failures.add(moved.failed)
            self._write([after for _, after in changed])
            self._mark(marks)
        return len(changed)

    def kept(self, before: Record | None, seen: Record) -> Record:
        """Return the record as `apply` would keep it."""
        return accounting.remembered(before, seen, self._rules)

    def mark(self, marks: Checkpoint) -> None:
        """Write the marks alone."""
        with self._transaction():
            self._mark(marks)

    def forget(self, records: Sequence[Record], marks: Checkpoint | None = None) -> None:
        """Drop records. What they counted stays counted."""
        moved = PendingChanges(self._rules)
        for record in records:
            moved.gauges.subtract(accounting.weight(record, self._rules))
        with self._transaction():
            self.series.add(moved)
            query = "DELETE FROM records WHERE collector = ? AND id = ?"
            self._db.executemany(query, [(self._collector, record.id) for record in records])
            self._mark(marks)

    def drop_unused_series(self, folded: Mapping[Key, Key]) -> None:
        """Delete series that neither a record nor a counter needs, where they are many.

        `folded`: series beyond the cap, and which one shows them: it takes over what they have counted.
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
        """Count records with other labels than before: what they add to gauges moves, and no counter does."""
        moved, after = PendingChanges(self._rules), []
        for before, now in pairs:
            moved.gauges.subtract(accounting.weight(before, self._rules))
            moved.gauges.update(accounting.weight(now, self._rules))
            after.append(now)
        with self._transaction():
            self.series.add(moved)
            self._write(after)

    def relabel_waiting(self, relabeled: Mapping[Key, Key]) -> None:
        """Let what is counted and not published yet rise in the series with the labels that there are now."""
        with self._transaction():
            self.series.move_waiting(relabeled)

    def begin_anew(self, marks: Checkpoint, keep_before: float = float("-inf")) -> None:
        """Something else is asked for from now on: no record is there any more, but what they counted is known.

        Should one be met again, only what has come of it since is an event. Counters and failures stay, and so do
        records in flight that were created before `keep_before`.
        """
        kept = self.stuck_before(keep_before)
        moved = PendingChanges(self._rules)
        for record in kept:
            moved.gauges.update(accounting.weight(record, self._rules))
        with self._transaction():
            query = "UPDATE records SET state = ? WHERE collector = ? AND NOT (state = 1 AND created_at < ?)"
            self._db.execute(query, (_GONE, self._collector, keep_before))
            self.series.empty_gauges()
            self.series.add(moved)
            self._mark(marks)

    def count(self, events: Mapping[Key, int]) -> None:
        """Count events that are of no record."""
        if events:
            moved = PendingChanges(self._rules, events=Counter(events))
            with self._transaction():
                self.series.add(moved)

    def publish(self, keys: Sequence[Key], at: float) -> None:
        """Write down that all that these series have counted is published, before it is."""
        if keys:
            with self._transaction():
                self.series.publish(keys)
                self._mark(replace(self.marks, published_at=at))

    def get(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """Those of the records that are known, gone ones too."""
        found: dict[str, Record] = {}
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            for record in self._select(f"id IN ({','.join('?' * len(some))})", *some):
                found[record.id] = record
        return found

    def following(self, record_id: str, limit: int) -> Sequence[Record]:
        """Some records, gone ones too, with the ids after this one."""
        return list(self._select("id > ? ORDER BY id LIMIT ?", record_id, limit))

    def newest(self) -> float | None:
        """When the newest record was created."""
        query = "SELECT max(created_at) FROM records WHERE collector = ?"
        (newest,) = self._db.execute(query, (self._collector,)).fetchone()
        return None if newest is None else float(newest)

    def between(self, low: float, high: float) -> Sequence[tuple[str, float]]:
        """Ids and times of creation of records, not gone, created after `low` and not after `high`, newest first."""
        query = """SELECT id, created_at FROM records WHERE collector = ? AND created_at > ? AND created_at <= ?
                   AND state != ? ORDER BY created_at DESC, id"""
        return list(self._db.execute(query, (self._collector, low, high, _GONE)))

    def count_between(self, low: float, high: float) -> int:
        """How many records, gone ones too, were created after `low` and not after `high`."""
        query = "SELECT count(*) FROM records WHERE collector = ? AND created_at > ? AND created_at <= ?"
        (count,) = self._db.execute(query, (self._collector, low, high)).fetchone()
        return int(count)

    def in_flight(self, since: float, before: float = float("inf")) -> Sequence[tuple[str, float]]:
        """Ids and times of creation of records in flight, newest first."""
        query = """SELECT id, created_at FROM records WHERE collector = ? AND state = 1
                   AND created_at >= ? AND created_at < ? ORDER BY created_at DESC"""
        return list(self._db.execute(query, (self._collector, since, before)))

    def finished_before(self, moment: float, limit: int) -> Sequence[Record]:
        """Some records, finished or gone, that were created before."""
        return list(self._select("created_at < ? AND state != 1 LIMIT ?", moment, limit))

    def stuck_before(self, moment: float) -> Sequence[Record]:
        """Records in flight that were created before."""
        return list(self._select("created_at < ? AND state = 1", moment))

    def count_in_flight(self, before: float) -> int:
        """How many records in flight were created before."""
        query = "SELECT count(*) FROM records WHERE collector = ? AND state = 1 AND created_at < ?"
        (count,) = self._db.execute(query, (self._collector, before)).fetchone()
        return int(count)

    def batches_named_by(self, collector: str, since: float) -> Sequence[str]:
        """The batches that another collector's records, created since, say they are part of."""
        query = """SELECT DISTINCT part_of FROM records WHERE collector = ? AND created_at >= ?
                   AND part_of IS NOT NULL AND state != ?"""
        number, _ = self._row(collector)
        return [one for (one,) in self._db.execute(query, (number, since, _GONE))]

    def sums(self) -> Sums:
        """What the records come to."""
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
        for one, created_at, state, contributions, batch_id in self._db.execute(query, (self._collector, *parameters)):
            if contributions not in decoded:
                decoded[contributions] = self.series.decode(contributions)
            yield Record(one, created_at, state == _IN_FLIGHT, decoded[contributions], batch_id, state == _GONE)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing. After an error this object is of no more use: the poll has failed."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

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
            self._db.execute(query, (json.dumps(asdict(marks)), self._collector))
            self.marks = marks


def _state(record: Record) -> int:
    return _GONE if record.deleted else _IN_FLIGHT if record.in_flight else _FINISHED
