"""Keep the series of one collector: their totals, and the numbers that other tables name them by.

The caller opens and commits transactions.
"""

import bisect
import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property, lru_cache
from typing import cast

from exporter.model.record import Key
from exporter.model.totals import Cause, CounterState, HistogramState, Observations, Sums
from exporter.state.pending import PendingChanges

_NOTHING = "total = 0 AND events = 0 AND spread IS NULL AND rose IS NULL"
"""An unused row: no record contributes to it, and it never counted. A row that did keeps its place in the order."""


class Series:
    """The series of one collector. One object serves one poll."""

    def __init__(self, connection: sqlite3.Connection, collector: int) -> None:
        self._db = connection
        self._collector = collector
        self._places: Iterator[int] | None = None

    @cached_property
    def _keys(self) -> dict[int, Key]:
        """The series by number. A poll that finds nothing new does not need them."""
        rows = self._db.execute("SELECT id, key FROM series WHERE collector = ?", (self._collector,))
        return {number: _key(text) for number, text in rows}

    @cached_property
    def _numbers(self) -> dict[Key, int]:
        return {key: number for number, key in self._keys.items()}

    def add(self, moved: PendingChanges) -> None:
        """Add changes to gauges, to counters with their causes, and to histograms."""
        update = "UPDATE series SET total = total + ? WHERE id = ?"
        self._db.executemany(update, [(amount, self._number(key)) for key, amount in moved.gauges.items() if amount])
        self._count(moved.events)
        update = "UPDATE series SET cause = ? WHERE id = ?"
        causes = [(json.dumps([*_fields(cause)]), self._number(key)) for key, cause in moved.causes.items()]
        self._db.executemany(update, causes)
        for key, observed in moved.observed.items():
            self._observe(key, observed, moved.rules.histograms[key[0]])

    def empty_gauges(self) -> None:
        """Set all gauges to 0, because there are no records. Counters stay."""
        self._db.execute("UPDATE series SET total = 0 WHERE collector = ?", (self._collector,))

    def publish(self, keys: Iterable[Key]) -> None:
        """Note that everything that these series have counted is published."""
        numbers = [(self._numbers[key],) for key in keys]
        self._db.executemany("UPDATE series SET published = events, published_spread = spread WHERE id = ?", numbers)

    def sums(self) -> Sums:
        """Return the totals, without the oldest record in flight."""
        gauges: dict[Key, int] = {}
        counters: dict[Key, CounterState] = {}
        histograms: dict[Key, HistogramState] = {}
        query = """SELECT key, total, events, published, cause, spread, published_spread, rose FROM series
                   WHERE collector = ? ORDER BY rose, id"""
        for text, total, events, published, cause, spread, shown, rose in self._db.execute(query, (self._collector,)):
            key = _key(text)
            if spread is not None:
                observed = _observations(spread)
                histograms[key] = HistogramState(observed, None if shown is None else _observations(shown))
            elif events or rose:
                counters[key] = CounterState(events, published, None if cause is None else Cause(*json.loads(cause)))
            elif total:
                gauges[key] = total
        return Sums(gauges, counters, histograms)

    def move_waiting(self, relabeled: Mapping[Key, Key]) -> None:
        """Move counts that are not published yet from one series to another."""
        for key, into in relabeled.items():
            query = "SELECT events - published, cause FROM series WHERE id = ? AND events > published"
            for waiting, cause in self._db.execute(query, (self._numbers[key],)).fetchall():
                self._count({into: waiting})
                self._db.execute("UPDATE series SET cause = ? WHERE id = ?", (cause, self._number(into)))
                self._db.execute("UPDATE series SET events = published WHERE id = ?", (self._numbers[key],))

    def all_keys(self) -> Sequence[Key]:
        """Return all series, whatever their labels."""
        return list(self._numbers)

    def unused(self) -> int:
        """Return how many series are unused. Records may still name them."""
        query = f"SELECT count(*) FROM series WHERE collector = ? AND {_NOTHING}"  # noqa: S608
        (count,) = self._db.execute(query, (self._collector,)).fetchone()
        return int(count)

    def drop(self, named: Set[int], folded: Mapping[Key, Key]) -> None:
        """Delete unused series. Those that are `folded` first add their count to the series that shows them.

        `named` has the numbers of series that other tables name, which stay.
        """
        query = f"SELECT id FROM series WHERE collector = ? AND {_NOTHING}"  # noqa: S608
        unused = [number for (number,) in self._db.execute(query, (self._collector,)) if number not in named]
        left = {None, *named}
        merged = [key for key in folded if self._numbers.get(key) not in left and self._merge(key, folded[key])]
        deleted = [*unused, *(self._numbers[key] for key in merged)]
        for number in deleted:
            del self._numbers[self._keys.pop(number)]
        self._db.executemany("DELETE FROM series WHERE id = ?", [(number,) for number in deleted])

    def _merge(self, key: Key, into: Key) -> bool:
        """Add the count of a series to another series, once all of it is published. Return whether it was."""
        query = """SELECT events, cause, spread FROM series
                   WHERE id = ? AND total = 0 AND events = published AND spread IS published_spread"""
        found = self._db.execute(query, (self._numbers[key],)).fetchone()
        if found is None or key == into:
            return False
        events, cause, spread = found
        number = self._number(into)
        update = """UPDATE series SET events = events + ?, published = published + ?, cause = coalesce(?, cause),
                    rose = coalesce(rose, ?) WHERE id = ?"""
        self._db.execute(update, (events, events, cause, self._place(), number))
        if spread is not None:
            query = "SELECT spread, published_spread FROM series WHERE id = ?"
            sums = [_added(spread, other) for other in self._db.execute(query, (number,)).fetchone()]
            self._db.execute("UPDATE series SET spread = ?, published_spread = ? WHERE id = ?", (*sums, number))
        return True

    def encode(self, amounts: Mapping[Key, int]) -> str:
        """Return amounts by series as text. A new series gets its number."""
        return " ".join([f"{self._number(key)}:{amount}" for key, amount in amounts.items()])

    @staticmethod
    def numbers(amounts: str) -> Iterator[int]:
        """Return the numbers of the series in what `encode` returned."""
        return (int(amount.partition(":")[0]) for amount in amounts.split())

    def decode(self, amounts: str) -> Mapping[Key, int]:
        """Return the amounts that `encode` was given."""
        pairs = (amount.split(":") for amount in amounts.split())
        return {self._keys[int(number)]: int(amount) for number, amount in pairs}

    def _count(self, events: Mapping[Key, int]) -> None:
        if events:
            # A series may be known long before its first event, from records that were no new events.
            update = "UPDATE series SET events = events + ?, rose = coalesce(rose, ?) WHERE id = ?"
            counted = [(amount, self._place(), self._number(key)) for key, amount in events.items()]
            self._db.executemany(update, counted)

    def _place(self) -> int:
        """Return the next place in the order in which series first rose."""
        if self._places is None:
            query = "SELECT coalesce(max(rose), 0) + 1 FROM series WHERE collector = ?"
            (first,) = self._db.execute(query, (self._collector,)).fetchone()
            self._places = itertools.count(first)
        return next(self._places)

    def _observe(self, key: Key, observed: Sequence[tuple[int, float]], bounds: Sequence[float]) -> None:
        number = self._number(key)
        (kept,) = self._db.execute("SELECT spread FROM series WHERE id = ?", (number,)).fetchone()
        counts, total = json.loads(kept) if kept else ([0] * (len(bounds) + 1), 0.0)
        for times, seconds in observed:
            counts[bisect.bisect_left(bounds, seconds)] += times
            total += times * seconds
        update = "UPDATE series SET spread = ?, rose = coalesce(rose, ?) WHERE id = ?"
        self._db.execute(update, (json.dumps([counts, total]), self._place(), number))

    def _number(self, key: Key) -> int:
        number = self._numbers.get(key)
        if number is None:
            query = "INSERT INTO series (collector, key) VALUES (?, ?)"
            cursor = self._db.execute(query, (self._collector, json.dumps(key)))
            number = cast("int", cursor.lastrowid)
            self._keys[number] = key
            self._numbers[key] = number
        return number


@lru_cache(maxsize=10_000)
def _key(text: str) -> Key:
    """Return the series whose JSON this is: the same object for all collectors, whose series are mostly alike."""
    return tuple(json.loads(text))


def _observations(spread: str) -> Observations:
    counts, total = json.loads(spread)
    return Observations(tuple(counts), total)


def _added(spread: str, other: str | None) -> str:
    """Return the observations of two histograms together; None stands for no observation."""
    if other is None:
        return spread
    (counts, total), (others, more) = json.loads(spread), json.loads(other)
    return json.dumps([[sum(pair) for pair in zip(counts, others, strict=True)], total + more])


def _fields(cause: Cause) -> tuple[str, int, float]:
    return cause.record_id, cause.amount, cause.at
