"""Keep the series of one collector: their totals, and the numbers that records and failures name them by. No SQL here.

All are read once, changed in memory, and written by the caller.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache

from exporter.model.accounting import Rules
from exporter.model.record import Key
from exporter.model.totals import Cause, CounterState, HistogramState, Observations, Sums
from exporter.state import spread as spreads
from exporter.state.pending import PendingChanges
from exporter.state.rows import Rows, SeriesRow


class Series:
    """The series of one collector. One object serves one poll."""

    def __init__(self, rows: Rows, rules: Rules) -> None:
        self._stored = rows
        self._rules = rules
        self._rows: dict[int, SeriesRow] = {}
        """The rows of the series, by number."""
        self._keys: dict[int, Key] = {}
        self._numbers: dict[Key, int] = {}
        self._loaded = False
        self._next_number = self._next_place = 1
        self._changed: set[int] = set()
        self._dropped: list[int] = []

    def add(self, moved: PendingChanges) -> None:
        """Add changes to gauges, to counters with their causes, and to histograms."""
        for key, amount in moved.gauges.items():
            if amount:
                row = self._row(key)
                self._set(row._replace(total=row.total + amount))
        self._count(moved.events)
        for key, cause in moved.causes.items():
            self._set(self._row(key)._replace(cause=json.dumps([cause.record_id, cause.amount, cause.at])))
        for key, observed in moved.observed.items():
            self._observe(key, observed)

    def empty_gauges(self) -> None:
        """Set all gauges to 0, because there are no records. Counters stay."""
        for row in [row for row in self._all().values() if row.total]:
            self._set(row._replace(total=0))

    def publish(self, keys: Iterable[Key]) -> None:
        """Note that everything that these series have counted is published."""
        for key in keys:
            row = self._known(key)
            self._set(row._replace(published=row.events, published_spread=row.spread))

    def sums(self) -> Sums:
        """Return the totals, without the oldest record in flight."""
        gauges: dict[Key, int] = {}
        counters: dict[Key, CounterState] = {}
        histograms: dict[Key, HistogramState] = {}
        rows = self._all().values()
        keys = self._keys
        for number, _, total, events, published, cause, spread, shown, rose in sorted(rows, key=_place):
            if spread is not None:
                key = keys[number]
                observed = self._observations(key, spread)
                before = observed if shown == spread else None if shown is None else self._observations(key, shown)
                histograms[key] = HistogramState(observed, before)
            elif events or rose:
                counters[keys[number]] = CounterState(
                    events, published, None if cause is None else Cause(*json.loads(cause))
                )
            elif total:
                gauges[keys[number]] = total
        return Sums(gauges, counters, histograms)

    def move_waiting(self, relabeled: Mapping[Key, Key]) -> None:
        """Move counts that are not published yet from one series to another."""
        for key, into in relabeled.items():
            row = self._known(key)
            if key != into and row.events > row.published:
                self._count({into: row.events - row.published})
                self._set(self._row(into)._replace(cause=row.cause))
                self._set(self._known(key)._replace(events=row.published))

    def all_keys(self) -> Sequence[Key]:
        """Return all series, whatever their labels."""
        self._all()
        return list(self._numbers)

    def unused(self) -> int:
        """Return how many series are unused. Records may still name them."""
        return sum(map(_is_unused, self._all().values()))

    def drop(self, named: Set[int], folded: Mapping[Key, Key]) -> None:
        """Delete unused series. Those that are `folded` first add their count to the series that shows them.

        `named` has the numbers of series that records and failures name, which stay.
        """
        self._all()
        merged = [
            self._numbers[key]
            for key, into in folded.items()
            if key in self._numbers and self._numbers[key] not in named and self._merge(key, into)
        ]
        unused = [number for number, row in self._rows.items() if number not in named and _is_unused(row)]
        for number in dict.fromkeys([*unused, *merged]):
            del self._rows[number], self._numbers[self._keys.pop(number)]
            self._changed.discard(number)
            self._dropped.append(number)

    def encode(self, amounts: Mapping[Key, int]) -> str:
        """Return amounts by series as text. A new series gets its number."""
        return " ".join([f"{self._number(key)}:{amount}" for key, amount in amounts.items()])

    @staticmethod
    def numbers(amounts: str) -> Iterator[int]:
        """Return the numbers of the series in what `encode` returned."""
        return (int(amount.partition(":")[0]) for amount in amounts.split())

    def decode(self, amounts: str) -> Mapping[Key, int]:
        """Return the amounts that `encode` was given."""
        self._all()
        pairs = (amount.split(":") for amount in amounts.split())
        return {self._keys[int(number)]: int(amount) for number, amount in pairs}

    def take_changes(self) -> tuple[Sequence[SeriesRow], Sequence[int]]:
        """Return the rows that changed since the last call, and the numbers of those that were dropped."""
        changed, dropped = [self._rows[number] for number in sorted(self._changed)], self._dropped
        self._changed, self._dropped = set(), []
        return changed, dropped

    def reload(self) -> None:
        """Drop what is in memory, because it was not written."""
        self._rows, self._keys, self._numbers, self._loaded = {}, {}, {}, False
        self._changed, self._dropped = set(), []

    def _all(self) -> Mapping[int, SeriesRow]:
        if not self._loaded:
            self._rows = {row.number: row for row in self._stored.series()}
            self._keys = {number: _key(row.key) for number, row in self._rows.items()}
            self._numbers = {key: number for number, key in self._keys.items()}
            self._next_number = 1 + max(self._rows, default=0)
            self._next_place = 1 + max(map(_place, self._rows.values()), default=0)
            self._loaded = True
        return self._rows

    def _number(self, key: Key) -> int:
        self._all()
        number = self._numbers.get(key)
        if number is None:
            number, self._next_number = self._next_number, self._next_number + 1
            self._keys[number], self._numbers[key] = key, number
            self._set(SeriesRow(number, json.dumps(key)))
        return number

    def _row(self, key: Key) -> SeriesRow:
        """Return the row of a series, a new one if there is none."""
        number = self._number(key)
        return self._rows[number]

    def _known(self, key: Key) -> SeriesRow:
        return self._all()[self._numbers[key]]

    def _set(self, row: SeriesRow) -> None:
        self._rows[row.number] = row
        self._changed.add(row.number)

    def _rise(self, row: SeriesRow) -> SeriesRow:
        """Return the row with its place in the order in which series first rose: after all others, if it has none."""
        if row.rose is not None:
            return row
        place, self._next_place = self._next_place, self._next_place + 1
        return row._replace(rose=place)

    def _count(self, events: Mapping[Key, int]) -> None:
        # A series may be known long before its first event: earlier records may not have been new events.
        for key, amount in events.items():
            row = self._rise(self._row(key))
            self._set(row._replace(events=row.events + amount))

    def _observe(self, key: Key, observed: Sequence[tuple[int, float]]) -> None:
        row = self._rise(self._row(key))
        before = None if row.spread is None else self._observations(key, row.spread)
        after = spreads.observed(before, observed, self._rules.histograms[key[0]])
        self._set(row._replace(spread=spreads.encoded(after, self._own_bounds(key))))

    def _observations(self, key: Key, spread: str) -> Observations:
        return spreads.decoded(spread, self._own_bounds(key))

    def _own_bounds(self, key: Key) -> tuple[float, ...]:
        """Return the bounds that the texts of a histogram leave out."""
        return self._rules.own_bounds.get(key[0], self._rules.histograms.get(key[0], ()))

    def _added(self, key: Key, spread: str, other: str | None) -> str:
        """Return the observations of two histograms of a family together; None stands for no observation."""
        if other is None:
            return spread
        together = self._observations(key, spread).plus(self._observations(key, other))
        return spreads.encoded(together, self._own_bounds(key))

    def _merge(self, key: Key, into: Key) -> bool:
        """Add the count of a series to another series, once all of it is published. Return whether it was."""
        row = self._known(key)
        if key == into or row.total or row.events != row.published or row.spread != row.published_spread:
            return False
        other = self._rise(self._row(into))
        other = other._replace(events=other.events + row.events, published=other.published + row.events)
        if row.cause is not None:
            other = other._replace(cause=row.cause)
        if row.spread is not None:
            spread = self._added(key, row.spread, other.spread)
            shown = self._added(key, row.spread, other.published_spread)
            other = other._replace(spread=spread, published_spread=shown)
        self._set(other)
        return True


def _place(row: SeriesRow) -> int:
    """Return where a series stands in the order in which series first rose; before all others if it never did."""
    return row.rose or 0


def _is_unused(row: SeriesRow) -> bool:
    """Return whether no record contributes to a series, and it never counted. One that did keeps its place in order."""
    return row.total == 0 and row.events == 0 and row.spread is None and row.rose is None


@lru_cache(maxsize=10_000)
def _key(text: str) -> Key:
    """Return the series whose JSON this is: the same object for all collectors, whose series are mostly alike."""
    return tuple(json.loads(text))
