"""Describe failed records by the counters that they raised: where and how they failed. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from exporter.exposition.snapshot import Failure
from exporter.model.family import Family, Outcome
from exporter.model.record import Key
from exporter.model.totals import Failed


def failures(failed: Iterable[Failed], families: Sequence[Family]) -> tuple[Failure, ...]:
    """Describe the failed records in their order, each with the alert about the widest part of it that failed.

    The widest part is the counter that comes first in the catalog.
    """
    outcomes = {family.name: (family, family.outcome) for family in families if family.outcome is not None}
    order = {name: index for index, name in enumerate(outcomes)}
    return tuple(_failure(record, outcomes, order) for record in failed)


def _failure(failed: Failed, outcomes: Mapping[str, tuple[Family, Outcome]], order: Mapping[str, int]) -> Failure:
    raised = sorted((key for key in failed.amounts if key[0] in order), key=lambda key: (order[key[0]], key))
    labeled = [(outcomes[key[0]][1], _labels(key, outcomes[key[0]][0])) for key in raised]
    failing = [(outcome, labels) for outcome, labels in labeled if labels.get(outcome.label) in outcome.failures]
    places = (labels[outcome.place] for outcome, labels in failing if outcome.place in labels)
    return Failure(
        failed.record_id,
        failed.at,
        failed.created_at,
        tuple(dict.fromkeys(places)),
        tuple(dict.fromkeys(labels[outcome.label] for outcome, labels in failing)),
        failing[0][0].alert if failing else "",
        failed.workflow,
    )


def _labels(key: Key, family: Family) -> Mapping[str, str]:
    """Return the labels of a series but `account`, and but optional ones that the account does not have."""
    return dict(zip(family.labels[1:], key[1:], strict=False))
