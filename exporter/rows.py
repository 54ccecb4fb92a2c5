"""Rows made from sums and facts by the catalogue: zero series, the cap, and the values. Pure."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.facts import Facts
from exporter.families import Family, Known
from exporter.metrics import STATUS
from exporter.records import Key
from exporter.rendering import Exemplar, HistogramSample, Sample, render
from exporter.snapshot import Block, Blocks, Health
from exporter.sources.reading import NONE
from exporter.sums import Count, Spread, Sums

SERIES_CAP = 2000
"""Series a family may have for an account; what comes later is folded, so that no vendor can flood a Prometheus."""

OTHER = "__other__"


def status_blocks(facts: Facts) -> Blocks:
    """The rows about a collector's polling, rendered."""
    own = (facts.account, facts.system, facts.collector)
    return _blocks(
        (row.family, [Sample((*own, *labels), float(number)) for labels, number in row.values(facts)]) for row in STATUS
    )


def health(facts: Facts) -> Health:
    """What an operator wants to know of it at a glance."""
    return Health(
        facts.up,
        not facts.backfilling,
        facts.last_success,
        facts.finished,
        facts.in_flight,
        facts.error,
        facts.reason,
        facts.oldest_in_flight,
    )


@dataclass(frozen=True, slots=True)
class Data:
    """The rows about a collector's records."""

    blocks: Blocks
    counters: frozenset[Key]
    """The series of counters among them."""
    folded: Mapping[str, int]
    """By family: how many series were folded."""


def data(families: Iterable[Family], facts: Facts, sums: Sums, optional: bool, cap: int = SERIES_CAP) -> Data:
    """The rows about a collector's records, rendered; `optional`: does the account have the optional labels."""
    rows: list[tuple[Family, list[Sample | HistogramSample]]] = []
    counters: set[Key] = set()
    folded: dict[str, int] = {}
    fed = [family for family in families if facts.collector in family.zeros]
    labels_of = {
        family.name: tuple(one for one in family.labels[1:] if optional or one not in family.optional) for family in fed
    }
    for family in fed:
        labels = labels_of[family.name]
        zeros = list(itertools.islice(zero_labels(family, facts.collector, labels, _met(labels_of, sums)), cap))
        if family.kind == "histogram":
            rows.append((family, _spreads(family, facts, sums, zeros)))
            continue
        values, folds = _values(family, facts.collector, labels, sums, cap, zeros)
        rows.append((family, [Sample((facts.account, *key), *value) for key, value in sorted(values.items())]))
        if family.kind == "counter":
            counters.update((family.name, *key) for key in values)
        folded[family.name] = folds
    return Data(_blocks(rows), frozenset(counters), folded)


_Value = tuple[float, Exemplar | None]


def _values(
    family: Family, collector: str, labels: Sequence[str], sums: Sums, cap: int, zeros: Sequence[tuple[str, ...]]
) -> tuple[Mapping[tuple[str, ...], _Value], int]:
    """The series of a gauge or counter with their values, and how many were folded."""
    if family.oldest_in_flight:
        return ({} if sums.oldest_in_flight is None else {(collector,): (sums.oldest_in_flight, None)}), 0
    seen: dict[tuple[str, ...], _Value] = {}
    if family.kind == "counter":
        seen = {key[1:]: _count(count) for key, count in sums.counters.items() if key[0] == family.name}
    else:
        seen = {key[1:]: (float(total), None) for key, total in sums.gauges.items() if key[0] == family.name}
    # The state may still hold counters from when the account had other labels.
    seen = {key: value for key, value in seen.items() if len(key) == len(labels)}
    kept, folds = _fold(seen, family.known(collector), labels, cap)
    # Zeros count too: with many values of an open label they are most of the series.
    room = max(0, cap - len(kept))
    missing = (one for one in zeros if one not in kept)
    return {**dict.fromkeys(itertools.islice(missing, room), (0.0, None)), **kept}, folds


def _count(count: Count) -> _Value:
    if not count.shown:
        return 0.0, None
    cause = count.cause
    if cause is None:
        return float(count.value), None
    return float(count.value), Exemplar((("record_id", cause.record_id),), float(cause.amount), cause.at)


def _fold(
    seen: Mapping[tuple[str, ...], _Value], known: Known, labels: Sequence[str], cap: int
) -> tuple[dict[tuple[str, ...], _Value], int]:
    """Series as they first appeared; those beyond the cap have `__other__` for what is not known beforehand."""
    kept = dict(itertools.islice(seen.items(), cap))
    for key, (value, exemplar) in itertools.islice(seen.items(), cap, None):
        other = tuple(one if one in known.get(label, ()) else OTHER for label, one in zip(labels, key, strict=True))
        before, kept_exemplar = kept.get(other, (0.0, None))
        kept[other] = before + value, exemplar or kept_exemplar
    return kept, max(0, len(seen) - cap)


def _spreads(
    family: Family, facts: Facts, sums: Sums, zeros: Sequence[tuple[str, ...]]
) -> list[Sample | HistogramSample]:
    found = {key[1:]: spread for key, spread in sums.histograms.items() if key[0] == family.name}
    nothing = Spread((0,) * (len(family.buckets) + 1), 0.0)
    return [
        HistogramSample((facts.account, *key), tuple(itertools.accumulate(spread.counts)), spread.total)
        for key, spread in sorted({**dict.fromkeys(zeros, nothing), **found}.items())
    ]


def _met(labels_of: Mapping[str, tuple[str, ...]], sums: Sums) -> Iterable[Mapping[str, str]]:
    """The labels of every series there is, in any family: a status that was met in a gauge may come to a counter."""
    for key in itertools.chain(sums.gauges, sums.counters, sums.histograms):
        labels = labels_of.get(key[0], ())
        if len(labels) == len(key) - 1:
            yield dict(zip(labels, key[1:], strict=True))


def zero_labels(
    family: Family, collector: str, labels: Sequence[str], met: Iterable[Mapping[str, str]]
) -> Iterable[tuple[str, ...]]:
    """The label values to expose at 0: all known ones, with each combination of the open labels that was met."""
    known = family.zeros[collector]
    open_labels = [label for label in labels if label not in known]
    whole = (one for one in met if all(label in one for label in open_labels))
    combinations = dict.fromkeys(tuple(one[label] for label in open_labels) for one in whole) if open_labels else [()]
    for combination in combinations:
        given = dict(zip(open_labels, combination, strict=True))
        yield from itertools.product(*((given[label],) if label in given else known[label] for label in labels))


def unknown_labels(families: Iterable[Family], collector: str, key: Key) -> Iterable[tuple[str, str]]:
    """The labels of a series, and their values, that should be known and are not."""
    for family in families:
        if family.name == key[0] and collector in family.zeros:
            known = family.known(collector)
            for label, value in zip(family.labels[1:], key[1:], strict=False):
                if label in known and value not in (*known[label], NONE):
                    yield label, value


def _blocks(rows: Iterable[tuple[Family, Sequence[Sample | HistogramSample]]]) -> Mapping[str, Block]:
    return {family.name: render(family, samples) for family, samples in rows if samples}
