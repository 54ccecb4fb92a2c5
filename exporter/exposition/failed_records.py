"""Describe failed records by the counters that they raised: where and how they failed. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.exposition.snapshot import Failure
from exporter.model.family import Family
from exporter.model.record import Key
from exporter.model.totals import Failed

_MOST_KNOWN = 1000
"""Workflow names may be among the labels, so sets of counters may be many."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The description of a failed record, given the counters that it raised."""

    places: tuple[str, ...]
    statuses: tuple[str, ...]
    alert: str


class FailedRecords:
    """Describe the failed records of one collector. Descriptions are cached by the counters that were raised."""

    def __init__(self, families: Sequence[Family]) -> None:
        """`families` are in the order of the catalog: the first raised counter determines the alert of a record."""
        self._families = families
        self._known: dict[frozenset[Key], _Meaning] = {}

    def describe(self, failed: Iterable[Failed]) -> tuple[Failure, ...]:
        """Describe the failed records in their order, each with the alert about the widest part of it that failed."""
        return tuple(self._failure(record) for record in failed)

    def _failure(self, failed: Failed) -> Failure:
        raised = frozenset(failed.amounts)
        known = self._known.get(raised)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[raised] = self._meaning(raised)
        return Failure(
            failed.record_id,
            failed.at,
            failed.created_at,
            known.places,
            known.statuses,
            known.alert,
            failed.workflow,
        )

    def _meaning(self, keys: Iterable[Key]) -> _Meaning:
        outcomes = {family.name: (family, family.outcome) for family in self._families if family.outcome is not None}
        order = {name: place for place, name in enumerate(outcomes)}
        raised = sorted((key for key in keys if key[0] in order), key=lambda key: (order[key[0]], key))
        labeled = [(outcomes[key[0]][1], _labels(key, outcomes[key[0]][0])) for key in raised]
        failing = [(outcome, labels) for outcome, labels in labeled if labels.get(outcome.label) in outcome.failures]
        places = (labels[outcome.place] for outcome, labels in failing if outcome.place in labels)
        return _Meaning(
            tuple(dict.fromkeys(places)),
            tuple(dict.fromkeys(labels[outcome.label] for outcome, labels in failing)),
            failing[0][0].alert if failing else "",
        )


def _labels(key: Key, family: Family) -> Mapping[str, str]:
    """Return the labels of a series but `account`, and but optional ones that the account does not have."""
    return dict(zip(family.labels[1:], key[1:], strict=False))
