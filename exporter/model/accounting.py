"""Decide what a record's change does to gauges, counters and histograms. Pure: no clock, no file, no request.

All rules about what counts as an event are here:

* An increase of a count is an event. The highest counts so far are kept for each record, so that a status that
  alternates is one event.
* A record that was never read before counts if it is new; if it is old and was only not read until now, it is stored
  without an event.
* Labels that say what a record is (`Family.describing`) may change. What was counted is not counted again under the new
  ones.
* A failure that no destination shows counts as `none`, minus the failures that are already counted. It is not counted
  again when a destination shows it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from exporter.model.family import NONE, Family
from exporter.model.record import Key, Record

RECORDS = "batch_exporter_records"
"""The family that counts the records themselves; it is kept like the systems' gauges."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What accounting needs to know of the families. A family that is neither counter nor histogram is a gauge."""

    counters: frozenset[str] = frozenset()
    histograms: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The upper bounds of the buckets that are exposed, by histogram."""
    outcomes: Mapping[str, tuple[int, frozenset[str]]] = field(default_factory=dict)
    """For each counter, the index in its keys of the label with the outcome, and its values that mean failure."""
    places: Mapping[str, int] = field(default_factory=dict)
    """For each counter, the index in its keys of the label with the place of a failure."""
    lengths: Mapping[str, int] = field(default_factory=dict)
    """For each family with optional labels, the length of its keys without them."""
    describing: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """For each family, the indexes in its keys of the labels that describe the whole record."""
    own_bounds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """For each histogram, the bounds for accounts that choose none."""

    @classmethod
    def of(cls, families: Iterable[Family]) -> "Rules":
        """Make the rules of the catalog's rows. A key has the family's name where the labels have `account`."""
        listed = list(families)
        outcomes = [(family, family.outcome) for family in listed if family.outcome is not None]
        return cls(
            frozenset(family.name for family in listed if family.kind == "counter"),
            {family.name: family.bounds for family in listed if family.kind == "histogram"},
            {family.name: (family.labels.index(outcome.label), outcome.failures) for family, outcome in outcomes},
            {family.name: family.labels.index(outcome.place) for family, outcome in outcomes if outcome.place},
            {family.name: len(family.labels) - len(family.optional) for family in listed if family.optional},
            {family.name: tuple(map(family.labels.index, family.describing)) for family in listed if family.describing},
            {family.name: family.buckets for family in listed if family.kind == "histogram"},
        )

    def is_gauge(self, key: Key) -> bool:
        return key[0] not in self.counters and key[0] not in self.histograms

    def optional(self, key: Key) -> Key:
        """Return the values of a series' optional labels; empty where it has none."""
        return key[self.lengths.get(key[0], len(key)) :]

    def with_optional(self, key: Key, values: Key) -> Key:
        """Return the series with these values of its optional labels, if its family has such labels."""
        return (*key[: self.lengths[key[0]]], *values) if key[0] in self.lengths else key


@dataclass(frozen=True, slots=True)
class Change:
    """The amounts to add when a record changes; series that are not named stay as they are."""

    gauges: Mapping[Key, int] = field(default_factory=dict)
    """Positive or negative."""
    events: Mapping[Key, int] = field(default_factory=dict)
    """Increases of counters, and numbers of new observations of histograms: above 0."""


def weight(record: Record | None, rules: Rules) -> Mapping[Key, int]:
    """Return what a record adds to gauges: nothing if there is no record, or it was deleted upstream."""
    if record is None or record.deleted:
        return {}
    own = {key: amount for key, amount in record.contributions.items() if rules.is_gauge(key)}
    own[RECORDS, "in_flight" if record.in_flight else "finished"] = 1
    return own


def remembered(before: Record | None, seen: Record, rules: Rules) -> Record:
    """Return the record to store: its gauges as seen, and in counters everything that it ever counted."""
    if before is None or seen.deleted:
        return seen
    gauges = {key: amount for key, amount in seen.contributions.items() if rules.is_gauge(key)}
    _, counted = _count(_counted(before, seen, rules), seen, rules)
    contributions = {**gauges, **counted}
    return seen if contributions == seen.contributions else replace(seen, contributions=contributions)


def change(before: Record | None, after: Record | None, rules: Rules, is_new: bool) -> Change:
    """Return what changes when a record goes from `before` (None: never met) to `after` (None: forgotten).

    A record is forgotten with the window. `after` may be as seen or as `remembered`. `is_new`: whether a record that
    was never met before counts as a new event, or was only not looked at until now. A record that was known always
    counts.
    """
    gauges = Counter(weight(after, rules))
    gauges.subtract(weight(before, rules))
    events: Mapping[Key, int] = {}
    if after is not None and not after.deleted and (before is not None or is_new):
        events, _ = _count({} if before is None else _counted(before, after, rules), after, rules)
    return Change({key: amount for key, amount in gauges.items() if amount}, events)


def is_failure_series(key: Key, rules: Rules) -> bool:
    """Return whether this is a series of failures."""
    if key[0] not in rules.outcomes:
        return False
    index, failures = rules.outcomes[key[0]]
    return key[index] in failures


def _count(counted: Mapping[Key, int], seen: Record, rules: Rules) -> tuple[Mapping[Key, int], Mapping[Key, int]]:
    """Return the events of a record that has counted `counted`, and what it has counted after them."""
    now = dict(counted)
    events: dict[Key, int] = {}
    unplaced = []
    for key, amount in seen.contributions.items():
        if rules.is_gauge(key):
            continue
        if _is_unplaced(key, rules):
            unplaced.append(key)
        elif amount > now.get(key, 0):
            events[key] = amount - now.get(key, 0)
            now[key] = amount
    _name_places(events, now, rules)
    for key in unplaced:
        already = sum(count for other, count in now.items() if _may_be_same_failure(other, key, rules))
        if seen.contributions[key] > already:
            events[key] = seen.contributions[key] - already
            now[key] = now.get(key, 0) + events[key]
    return events, {key: amount for key, amount in now.items() if amount}


def _name_places(events: dict[Key, int], now: dict[Key, int], rules: Rules) -> None:
    """Subtract from failures that now have a place those that were counted before without one."""
    for none in [key for key, count in now.items() if count and _is_unplaced(key, rules)]:
        for key in [key for key in events if _may_be_same_failure(key, none, rules)]:
            moved = min(now[none], events[key])
            now[none] -= moved
            events[key] -= moved
            if not events[key]:
                del events[key]


def _is_unplaced(key: Key, rules: Rules) -> bool:
    place = rules.places.get(key[0])
    return place is not None and key[place] == NONE and is_failure_series(key, rules)


def _may_be_same_failure(other: Key, unplaced: Key, rules: Rules) -> bool:
    """Return whether this may be the same failure: it differs in place or status at most."""
    if other[0] != unplaced[0] or not is_failure_series(other, rules):
        return False
    apart = {rules.places[unplaced[0]], rules.outcomes[unplaced[0]][0]}
    pairs = enumerate(zip(other, unplaced, strict=True))
    return all(value == unplaced_value for index, (value, unplaced_value) in pairs if index not in apart)


def _counted(before: Record, after: Record, rules: Rules) -> Mapping[Key, int]:
    """Return what a record has counted, under the labels that it has now.

    An account may have got or lost an optional label, and an API may describe a record in other words than before.
    """
    values = next((rules.optional(key) for key in after.contributions if key[0] in rules.lengths), None)
    described = {key[0]: key for key in after.contributions if key[0] in rules.describing}
    counted: Counter[Key] = Counter()
    for key, amount in before.contributions.items():
        if not rules.is_gauge(key):
            named = key if values is None else rules.with_optional(key, values)
            counted[_described(named, described.get(key[0]), rules)] += amount
    return counted


def _described(key: Key, as_in: Key | None, rules: Rules) -> Key:
    """Return a series with the labels that describe the record as in another series of the family."""
    if as_in is None:
        return key
    return tuple(as_in[at] if at in rules.describing[key[0]] else value for at, value in enumerate(key))
