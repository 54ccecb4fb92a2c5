"""The records of one collector, the sums over them and the marks of its polls.

It decides nothing: the ledger does. A page's records, what they move and the marks are written in one transaction.
"""

import bisect
import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from exporter import ledger
from exporter.ledger import Rules
from exporter.records import Key, Record
from exporter.sums import Cause, Count, Spread, Sums

_FINISHED, _IN_FLIGHT, _GONE = 0, 1, 2
_IDS_AT_ONCE = 500
"""SQLite takes a bounded number of parameters in a statement."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a collector's polls have got to. Times are epoch seconds; what is created is dated by the vendor."""

    scope: str = ""
    """What is asked for. Another scope begins anew."""
    lookback: float = 0.0
    """How far back the window reached, in seconds."""
    complete: bool = False
    """The window has been read completely."""
    named: bool = False
    """It was read by ids alone, for want of a list."""
    horizon: float | None = None
    """A record that was created before and never met is no news: it was only not looked at until now."""
    backfilled_to: float | None = None
    """All of the window that was created since is read: where a backfill goes on after a restart."""
    newest: float | None = None
    """When the newest record was created."""
    polled_at: float | None = None
    """When the last successful poll began."""
    reconciled_at: float | None = None
    """When the whole window had last been read again."""
    reconciled_to: float | None = None
    """How far a reconciliation that is under way has come; None between two."""
    reconciled_page: int = 1
    """The page on which that was."""


@dataclass(frozen=True, slots=True)
class Sight:
    """When records were seen, and since when one that was never met before is news (None: never)."""

    at: float
    news_since: float | None = None


@dataclass(slots=True)
class _Moved:
    """What a transaction adds to the series."""

    gauges: Counter[Key] = field(default_factory=Counter)
    events: Counter[Key] = field(default_factory=Counter)
    causes: dict[Key, Cause] = field(default_factory=dict)
    observed: dict[Key, list[tuple[int, float]]] = field(default_factory=dict)
    new: dict[tuple[object, ...], ledger.Change] = field(default_factory=dict)
    """What comes of records that were never met, by all that it depends on: on a page, many of them are alike."""


class Records:
    """The records of one collector, for the length of one poll."""

    def __init__(self, connection: sqlite3.Connection, account: str, collector: str, rules: Rules) -> None:
        self._db = connection
        self._rules = rules
        self._account = account
        self._collector, marks = self._row(collector)
        self.marks = Marks(**json.loads(marks))
        rows = self._db.execute("SELECT id, key FROM series WHERE collector = ?", (self._collector,))
        self._keys: dict[int, Key] = {number: tuple(json.loads(key)) for number, key in rows}
        self._numbers: dict[Key, int] = {key: number for number, key in self._keys.items()}
        self.exposed: frozenset[Key] = frozenset()
        """Counter series that stand in the last scrape at 0, though nothing is known of them here."""

    def apply(
        self,
        seen: Iterable[Record],
        sight: Sight,
        gone: Iterable[str] = (),
        marks: Marks | None = None,
        known: Mapping[str, Record] | None = None,
    ) -> int:
        """Take records in as they were seen, and note which ids are gone: all of it or, on an error, nothing.

        `known`: what `get` says of all of them, if the caller has just asked. Returns how many were not as they had
        been.
        """
        latest = {record.id: record for record in seen}
        if known is None:
            known = self.get([*latest, *gone])
        for one in gone:
            if one in known and one not in latest:
                latest[one] = replace(known[one], gone=True, in_flight=False)
        changed = [(known.get(one), record) for one, record in latest.items() if known.get(one) != record]
        if not changed and marks in (None, self.marks):
            return 0
        moved = _Moved()
        for before, after in changed:
            self._move(moved, before, after, sight)
        with self._transaction():
            self._add(moved)
            self._write([after for _, after in changed])
            self._mark(marks)
        return len(changed)

    def mark(self, marks: Marks) -> None:
        """Write the marks alone."""
        with self._transaction():
            self._mark(marks)

    def forget(self, records: Sequence[Record], marks: Marks | None = None) -> None:
        """Drop records. What they counted stays counted."""
        gauges: Counter[Key] = Counter()
        for record in records:
            gauges.update(ledger.change(record, None, self._rules, news=False).gauges)
        with self._transaction():
            self._add(_Moved(gauges=gauges))
            query = "DELETE FROM records WHERE collector = ? AND id = ?"
            self._db.executemany(query, [(self._collector, record.id) for record in records])
            self._mark(marks)

    def begin_anew(self, scope: str) -> None:
        """Drop all records and marks: something else is asked for from now on. Counters stay."""
        with self._transaction():
            self._db.execute("DELETE FROM records WHERE collector = ?", (self._collector,))
            self._db.execute("UPDATE series SET total = 0 WHERE collector = ?", (self._collector,))
            self._mark(Marks(scope=scope))

    def were_shown(self, keys: Iterable[Key]) -> None:
        """Note that these series of counters have been exposed at 0."""
        numbers = [(self._numbers[key],) for key in keys if key in self._numbers]
        if numbers:
            with self._transaction():
                self._db.executemany("UPDATE series SET shown = 1 WHERE id = ?", numbers)

    def get(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """Those of the records that are known, gone ones too."""
        found: dict[str, Record] = {}
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            for record in self._select(f"id IN ({','.join('?' * len(some))})", *some):
                found[record.id] = record
        return found

    def newest(self) -> float | None:
        """When the newest record was created."""
        query = "SELECT max(created_at) FROM records WHERE collector = ?"
        newest: float | None = self._db.execute(query, (self._collector,)).fetchone()[0]
        return newest

    def between(self, low: float, high: float) -> Sequence[tuple[str, float]]:
        """Ids and times of creation of records, not gone, created after `low` and not after `high`, newest first."""
        query = """SELECT id, created_at FROM records WHERE collector = ? AND created_at > ? AND created_at <= ?
                   AND state != ? ORDER BY created_at DESC"""
        return list(self._db.execute(query, (self._collector, low, high, _GONE)))

    def count_between(self, low: float, high: float) -> int:
        """How many records, gone ones too, were created after `low` and not after `high`."""
        query = "SELECT count(*) FROM records WHERE collector = ? AND created_at > ? AND created_at <= ?"
        return int(self._db.execute(query, (self._collector, low, high)).fetchone()[0])

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

    def batches_named_by(self, collector: str, since: float) -> Sequence[str]:
        """The batches that another collector's records, created since, say they are part of."""
        query = """SELECT DISTINCT part_of FROM records WHERE collector = ? AND created_at >= ?
                   AND part_of IS NOT NULL AND state != ?"""
        return [one for (one,) in self._db.execute(query, (self._row(collector)[0], since, _GONE))]

    def sums(self) -> Sums:
        """What the records come to."""
        gauges: dict[Key, int] = {}
        counters: dict[Key, Count] = {}
        histograms: dict[Key, Spread] = {}
        query = "SELECT id, total, events, shown, cause, spread FROM series WHERE collector = ? ORDER BY rose, id"
        for number, total, events, shown, cause, spread in self._db.execute(query, (self._collector,)):
            key = self._keys[number]
            if spread is not None:
                counts, of_all = json.loads(spread)
                histograms[key] = Spread(tuple(counts), of_all)
            elif events:
                counters[key] = Count(events, bool(shown), None if cause is None else Cause(*json.loads(cause)))
            elif total:
                gauges[key] = total
        query = "SELECT min(created_at) FROM records WHERE collector = ? AND state = 1"
        (oldest,) = self._db.execute(query, (self._collector,)).fetchone()
        return Sums(gauges, counters, histograms, oldest)

    def _row(self, collector: str) -> tuple[int, str]:
        row = (self._account, collector)
        query = "SELECT id, marks FROM collectors WHERE account = ? AND collector = ?"
        found = self._db.execute(query, row).fetchone()
        if found is None:
            self._db.execute("INSERT INTO collectors (account, collector) VALUES (?, ?) ON CONFLICT DO NOTHING", row)
            found = self._db.execute(query, row).fetchone()
        return int(found[0]), str(found[1])

    def _select(self, condition: str, *parameters: object) -> Iterator[Record]:
        query = f"SELECT id, created_at, state, adds, part_of FROM records WHERE collector = ? AND {condition}"  # noqa: S608
        decoded: dict[str, Mapping[Key, int]] = {}
        for one, created_at, state, adds, part_of in self._db.execute(query, (self._collector, *parameters)):
            if adds not in decoded:
                decoded[adds] = self._decode(adds)
            yield Record(one, created_at, state == _IN_FLIGHT, decoded[adds], part_of, state == _GONE)

    def _move(self, moved: _Moved, before: Record | None, after: Record, sight: Sight) -> None:
        news = sight.news_since is not None and after.created_at >= sight.news_since
        change = self._change(moved, before, after, news)
        for key, amount in change.gauges.items():
            moved.gauges[key] += amount
        for key, amount in change.events.items():
            if key[0] in self._rules.histograms:
                took = max(0.0, (after.finished_at or sight.at) - after.created_at)
                moved.observed.setdefault(key, []).append((amount, took))
                continue
            moved.events[key] += amount
            if ledger.names_failure(key):
                moved.causes[key] = Cause(after.id, amount, sight.at)

    def _change(self, moved: _Moved, before: Record | None, after: Record, news: bool) -> ledger.Change:
        if before is not None:
            return ledger.change(before, after, self._rules, news)
        alike = (news, after.in_flight, after.gone, *after.adds.items())
        if alike not in moved.new:
            moved.new[alike] = ledger.change(None, after, self._rules, news)
        return moved.new[alike]

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

    def _add(self, moved: _Moved) -> None:
        update = "UPDATE series SET total = total + ? WHERE id = ?"
        self._db.executemany(update, [(amount, self._number(key)) for key, amount in moved.gauges.items() if amount])
        self._count(moved.events)
        update = "UPDATE series SET cause = ? WHERE id = ?"
        causes = [(json.dumps([*_fields(cause)]), self._number(key)) for key, cause in moved.causes.items()]
        self._db.executemany(update, causes)
        for key, observed in moved.observed.items():
            self._observe(key, observed)

    def _count(self, events: Mapping[Key, int]) -> None:
        if events:
            query = "SELECT coalesce(max(rose), 0) + 1 FROM series WHERE collector = ?"
            (place,) = self._db.execute(query, (self._collector,)).fetchone()
            # A series may be known long before its first event, from records that were no news.
            update = """UPDATE series SET events = events + ?, rose = coalesce(rose, ?),
                        shown = CASE events WHEN 0 THEN max(shown, ?) ELSE shown END WHERE id = ?"""
            counted = [
                (amount, order, key in self.exposed, self._number(key))
                for order, (key, amount) in enumerate(events.items(), int(place))
            ]
            self._db.executemany(update, counted)

    def _observe(self, key: Key, observed: Sequence[tuple[int, float]]) -> None:
        number = self._number(key)
        bounds = self._rules.histograms[key[0]]
        (kept,) = self._db.execute("SELECT spread FROM series WHERE id = ?", (number,)).fetchone()
        counts, total = json.loads(kept) if kept else ([0] * (len(bounds) + 1), 0.0)
        for times, seconds in observed:
            counts[bisect.bisect_left(bounds, seconds)] += times
            total += times * seconds
        self._db.execute("UPDATE series SET spread = ? WHERE id = ?", (json.dumps([counts, total]), number))

    def _number(self, key: Key) -> int:
        number = self._numbers.get(key)
        if number is None:
            query = "INSERT INTO series (collector, key, shown) VALUES (?, ?, ?)"
            cursor = self._db.execute(query, (self._collector, json.dumps(key), key in self.exposed))
            number = int(cursor.lastrowid or 0)
            self._keys[number] = key
            self._numbers[key] = number
        return number

    def _write(self, records: Sequence[Record]) -> None:
        query = """
            INSERT INTO records (collector, id, created_at, state, adds, part_of) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (collector, id) DO UPDATE SET created_at = excluded.created_at,
            state = excluded.state, adds = excluded.adds, part_of = excluded.part_of"""
        encoded: dict[tuple[tuple[Key, int], ...], str] = {}
        rows = []
        for record in records:
            adds = tuple(record.adds.items())
            if adds not in encoded:
                encoded[adds] = self._encode(record.adds)
            rows.append((self._collector, record.id, record.created_at, _state(record), encoded[adds], record.part_of))
        self._db.executemany(query, rows)

    def _mark(self, marks: Marks | None) -> None:
        if marks is not None and marks != self.marks:
            query = "UPDATE collectors SET marks = ? WHERE id = ?"
            self._db.execute(query, (json.dumps(asdict(marks)), self._collector))
            self.marks = marks

    def _encode(self, adds: Mapping[Key, int]) -> str:
        return " ".join([f"{self._number(key)}:{amount}" for key, amount in adds.items()])

    def _decode(self, adds: str) -> Mapping[Key, int]:
        pairs = (one.split(":") for one in adds.split())
        return {self._keys[int(number)]: int(amount) for number, amount in pairs}


def _state(record: Record) -> int:
    return _GONE if record.gone else _IN_FLIGHT if record.in_flight else _FINISHED


def _fields(cause: Cause) -> tuple[str, int, float]:
    return cause.record_id, cause.amount, cause.at
