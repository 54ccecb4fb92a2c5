"""What a record's change does to gauges, counters and histograms. Pure: no clock, no file, no request.

All rules about what counts as an event are here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from exporter.families import Family
from exporter.records import Key, Record

RECORDS = "batch_exporter_records"
"""The family that counts the records themselves, kept by the same means as the vendors' gauges."""

FAILURES = frozenset({"failed", "timed_out", "expired", "error"})
"""Statuses that mean failure: a record that raises a counter of such is remembered."""

STATUS_LABELS = ("status", "outcome", "destination_status")
"""Where statuses stand. Other labels may have any text: a workflow may be named "error"."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which families are no gauges. What is not named here is one."""

    counters: frozenset[str] = frozenset()
    histograms: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """With the upper bounds of their buckets."""
    statuses: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By counter, the places in its keys where statuses stand."""

    @classmethod
    def of(cls, families: Iterable[Family]) -> "Rules":
        listed = list(families)
        return cls(
            frozenset(family.name for family in listed if family.kind == "counter"),
            {family.name: family.buckets for family in listed if family.kind == "histogram"},
            {family.name: _statuses(family) for family in listed if family.kind == "counter"},
        )

    def is_gauge(self, key: Key) -> bool:
        return key[0] not in self.counters and key[0] not in self.histograms


@dataclass(frozen=True, slots=True)
class Change:
    """What must be added where when a record changes; what is not named stays as it is."""

    gauges: Mapping[Key, int] = field(default_factory=dict)
    """Above or below 0."""
    events: Mapping[Key, int] = field(default_factory=dict)
    """For counters and, as the number of observations, for histograms: above 0."""


def weight(record: Record | None, rules: Rules) -> Mapping[Key, int]:
    """All that a record adds to any gauge: nothing if it is not there, or the API no longer has it."""
    if record is None or record.gone:
        return {}
    own = {key: amount for key, amount in record.adds.items() if rules.is_gauge(key)}
    own[RECORDS, "in_flight" if record.in_flight else "finished"] = 1
    return own


def change(before: Record | None, after: Record | None, rules: Rules, news: bool) -> Change:
    """What happens when a record goes from `before` (None: never met) to `after` (None: forgotten with the window).

    `news`: would a record that was never met before be news, or was it only not looked at until now? A record that
    was known is always news when it changes. What falls, as the failed generations of a batch that are tried again,
    is no event; when it rises again, it is one more.
    """
    gauges = Counter(weight(after, rules))
    gauges.subtract(weight(before, rules))
    events: Mapping[Key, int] = {}
    if after is not None and not after.gone and (before is not None or news):
        counted = {} if before is None else before.adds
        rises = {key: amount - counted.get(key, 0) for key, amount in after.adds.items() if not rules.is_gauge(key)}
        events = {key: rise for key, rise in rises.items() if rise > 0}
    return Change({key: amount for key, amount in gauges.items() if amount}, events)


def names_failure(key: Key, rules: Rules) -> bool:
    """Is this a series of failures."""
    return any(key[place] in FAILURES for place in rules.statuses.get(key[0], ()))


def _statuses(family: Family) -> tuple[int, ...]:
    # A key has no account: its family's name stands in that place.
    return tuple(place for place, label in enumerate(family.labels) if label in STATUS_LABELS)
