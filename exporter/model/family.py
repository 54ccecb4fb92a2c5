"""What a metric family is: the type of a row of the catalogue. The rows are in exposition/catalog.py and systems/."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from exporter.model.record import Key

Kind = Literal["gauge", "counter", "histogram"]
Known = Mapping[str, tuple[str, ...]]
"""The known values of some labels of a family."""

NONE = "none"
"""The label value where the API says nothing."""

UNKNOWN = "unknown"
"""The label value where the API says something that is no word."""

FAILURES = frozenset({"failed", "timed_out", "expired", "error"})
"""Statuses that mean failure."""

STATUS_LABELS = ("status", "outcome")
"""Where counters have their statuses. Other labels may have any text: a workflow may be named "error"."""


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the catalogue.

    `zeros` says, for each collector that feeds the family, which values of which labels are known beforehand:
    their combinations are exposed at 0. A label that is not named there is open (a workflow's name, say): the
    combinations are then made for each of its values that has been seen.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    zeros: Mapping[str, Known] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()
    oldest_in_flight: bool = False
    """The family is no sum: it says when the oldest record in flight was created, and is absent where none is."""
    optional: tuple[str, ...] = ()
    """Labels that only some accounts have, at the end of `labels` (their value is then left out elsewhere)."""
    named: Known = field(default_factory=dict)
    """The values that the vendor's pages name of labels whose combinations are too many to be exposed at 0."""
    place: str = ""
    """Of a counter: the label that says where something failed."""
    alert: str = ""
    """Of a counter: the alert about its failures, whose runbook tells what to do."""

    def known(self, collector: str) -> Known:
        """The values that are no surprise. The collector is one that feeds the family."""
        return {**self.named, **self.zeros[collector]}


def unknown_labels(families: Iterable[Family], collector: str, key: Key) -> Iterable[tuple[str, str]]:
    """The labels of a series, and their values, that should be known and are not."""
    for family in families:
        if family.name == key[0] and collector in family.zeros:
            known = family.known(collector)
            for label, value in zip(family.labels[1:], key[1:], strict=False):
                if label in known and value not in (*known[label], NONE):
                    yield label, value
