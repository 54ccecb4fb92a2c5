"""Failed records as they are shown: what the counters that they raised say of where and how they failed. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from exporter.exposition.snapshot import Failure
from exporter.model.family import FAILURES, STATUS_LABELS, Family
from exporter.model.record import Key
from exporter.model.totals import Failed


def failures(failed: Iterable[Failed], families: Sequence[Family]) -> tuple[Failure, ...]:
    """The failed records in their order, each with the alert about the widest part of it that failed."""
    order = {family.name: (place, family) for place, family in enumerate(families)}
    return tuple(_failure(one, order) for one in failed)


def _failure(failed: Failed, order: Mapping[str, tuple[int, Family]]) -> Failure:
    raised = sorted((key for key in failed.amounts if key[0] in order), key=lambda key: (order[key[0]][0], key))
    labeled = [(order[key[0]][1], _labels(key, order[key[0]][1])) for key in raised]
    families = [(family, labels) for family, labels in labeled if any(_statuses(labels))]
    places = (labels[family.place] for family, labels in families if family.place in labels)
    return Failure(
        failed.record_id,
        failed.at,
        failed.created_at,
        tuple(dict.fromkeys(places)),
        tuple(dict.fromkeys(one for _, labels in families for one in _statuses(labels))),
        families[0][0].alert if families else "",
        failed.workflow,
    )


def _statuses(labels: Mapping[str, str]) -> Iterator[str]:
    return (labels[one] for one in STATUS_LABELS if labels.get(one) in FAILURES)


def _labels(key: Key, family: Family) -> Mapping[str, str]:
    """The account's name is not among them; nor are labels that only some accounts have, where this one hasn't."""
    return dict(zip(family.labels[1:], key[1:], strict=False))
