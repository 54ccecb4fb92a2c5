"""Types of the catalog's rows. The rows are in exposition/catalog.py and systems/."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from exporter.model.record import Key

Kind = Literal["gauge", "counter", "histogram"]
Known = Mapping[str, tuple[str, ...]]
"""The known values of some labels of a family."""

NONE = "none"
"""The label value where the API says nothing."""

UNKNOWN = "unknown"
"""The label value where the API's value has no letter or digit, or can't be read."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Which series of a counter are failures, where they happened, and which alert is about them."""

    label: str
    """The label that holds the outcome. No other label is searched: a workflow may be named "failed"."""
    failures: frozenset[str]
    """The values of `label` that mean failure."""
    alert: str
    """The alert about these failures, whose runbook says how to fix them."""
    place: str = ""
    """The label that says where something failed, such as a destination; empty where the family has none."""


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the catalog.

    `zeros` has the known label values for each collector that feeds the family; their combinations are exposed at 0.
    A label that is not named there is open, such as a workflow's name: its combinations are exposed for each value
    that was seen.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    zeros: Mapping[str, Known] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()
    """The upper bounds of a histogram's buckets, in rising order, without infinity."""
    chosen: tuple[float, ...] | None = None
    """The bounds that an account has instead of `buckets`; None if it chose none."""
    oldest_in_flight: bool = False
    """The value is not a sum but the creation time of the oldest record in flight; absent where none is."""
    optional: tuple[str, ...] = ()
    """Labels that only some accounts have, at the end of `labels`; the series of other accounts have no value there."""
    named: Known = field(default_factory=dict)
    """Documented values of labels whose combinations are too many to be exposed at 0."""
    describing: tuple[str, ...] = ()
    """The labels of a counter or histogram that describe the whole record. A change of them is not an event."""
    outcome: Outcome | None = None
    """The failures among the series of a counter; None if no series is one."""

    @property
    def bounds(self) -> tuple[float, ...]:
        """The upper bounds of the buckets that are exposed."""
        return self.buckets if self.chosen is None else self.chosen

    def known(self, collector: str) -> Known:
        """Return the documented values of each label for a collector that feeds the family."""
        return {**self.named, **self.zeros[collector]}


def unknown_labels(families: Iterable[Family], collector: str, key: Key) -> Iterable[tuple[str, str]]:
    """Yield each label of a series, with its value, that should have a documented value and has another one."""
    for family in families:
        if family.name == key[0] and collector in family.zeros:
            known = family.known(collector)
            for label, value in zip(family.labels[1:], key[1:], strict=False):
                if label in known and value not in (*known[label], NONE):
                    yield label, value


def with_bounds(families: Iterable[Family], bounds: tuple[float, ...] | None) -> tuple[Family, ...]:
    """Return the families with these bounds for all histograms; None leaves each its own."""
    return tuple(replace(family, chosen=bounds) if family.kind == "histogram" else family for family in families)


def chosen_bounds(families: Iterable[Family]) -> str:
    """Return a text that differs where histograms expose other bounds; empty if all have their own."""
    return ";".join(
        f"{family.name}:{','.join(map(repr, family.bounds))}"
        for family in families
        if family.kind == "histogram" and family.bounds != family.buckets
    )
