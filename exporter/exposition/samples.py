"""Make samples of totals and status by the catalog: zero series, the cap, and the values. Pure."""

import itertools
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from exporter.exposition.catalog import OWN_COUNTERS, STATUS, Feeds, StatusValues
from exporter.exposition.snapshot import Block, Blocks
from exporter.exposition.status import CollectorStatus
from exporter.exposition.text_format import Exemplar, HistogramSample, Sample, render
from exporter.model.family import Family
from exporter.model.record import Key
from exporter.model.totals import CounterState, HistogramState, Sums

SERIES_CAP = 2000
"""The most series of a family for an account; later ones are folded, so that no API can flood a Prometheus."""

OTHER = "__other__"

_LINES_BESIDE_BUCKETS = 3
"""The lines of a histogram beside its finite buckets: +Inf, count and sum."""

_SERIES: weakref.WeakValueDictionary[int, frozenset[Key]] = weakref.WeakValueDictionary()
"""The sets of series that collectors expose, by hash. Collectors without open labels have one of a few."""

_Labels = tuple[str, ...]
_State = TypeVar("_State")
_Row = tuple[Family, Sequence[Sample | HistogramSample]]


def status_blocks(
    status: CollectorStatus, before: CollectorStatus | None = None, shown: Blocks | None = None
) -> Blocks:
    """Render the rows about a collector's polling that are always shown.

    `shown` is what this returned for the status `before`: rows whose values are the same are not rendered again.
    """
    blocks: dict[str, Block] = {}
    for row in STATUS:
        if row.while_fresh:
            continue
        name, values = row.family.name, row.values(status)
        if before is not None and shown is not None and values == row.values(before):
            if values:
                blocks[name] = shown[name]
        elif values:
            blocks[name] = render(row.family, _status_samples(status, values))
    return blocks


def fresh_blocks(status: CollectorStatus) -> Blocks:
    """Render the rows about a collector's polling that are dropped with the gauges about its records."""
    return _blocks(_fresh_rows(status))


def fresh_values(status: CollectorStatus) -> Sequence[StatusValues]:
    """Return what `fresh_blocks` renders."""
    return [row.values(status) for row in STATUS if row.while_fresh]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the samples of one collector depend on besides its totals."""

    feeds: Feeds
    optional: bool = False
    """Whether the account has the optional labels."""
    cap: int = SERIES_CAP

    def labels(self, family: Family) -> _Labels:
        """Return the labels of a family without `account`."""
        return tuple(label for label in family.labels[1:] if self.optional or label not in family.optional)

    def room(self, family: Family) -> int:
        """Return how many label sets this collector may expose: collectors of an account share the cap of a family."""
        # Not the bounds that the account chose: with others, series would leave `__other__`, which would then fall. So
        # with many bounds a histogram may have four times as many lines.
        lines = len(family.buckets) + _LINES_BESIDE_BUCKETS if family.kind == "histogram" else 1
        return max(1, self.cap // lines // len(family.zeros))

    def zeros(self, family: Family, met: Iterable[Mapping[str, str]]) -> Iterable[_Labels]:
        """Return the label values to expose at 0."""
        return zero_labels(family, self.feeds.collector, self.labels(family), met)


@dataclass(frozen=True, slots=True)
class Gauges:
    """The gauges about a collector's records, rendered."""

    blocks: Blocks
    folded: Mapping[str, int]
    """Number of folded series, by family that has any."""


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters and histograms of a collector, rendered with their published values."""

    blocks: Blocks
    series: frozenset[Key]
    """All exposed series."""
    shown_as: Mapping[Key, Key]
    """For each series beyond the cap, the series that it is folded into."""
    folded: Mapping[str, int]


def gauges(shape: Shape, status: CollectorStatus, totals: Sums) -> Gauges:
    """Render the gauges about a collector's records."""
    rows: list[_Row] = [*_fresh_rows(status)]
    folded: dict[str, int] = {}
    met = list(_met(shape, totals))
    for family in shape.feeds.families:
        if family.oldest_in_flight:
            oldest = totals.oldest_in_flight
            rows.append((family, [] if oldest is None else [Sample((status.account, status.collector), oldest)]))
        elif family.kind == "gauge":
            series, shown_as = _fill(family, shape, totals.gauges, shape.zeros(family, met))
            values = {key: float(sum(amounts)) for key, amounts in series.items()}
            rows.append((family, [Sample((status.account, *key), value) for key, value in sorted(values.items())]))
            folded |= _number(family, shown_as)
    return Gauges(_blocks(rows), folded)


def counters(
    shape: Shape,
    status: CollectorStatus,
    totals: Sums,
    before: Collection[Key] = (),
    created: Callable[[Key], float | None] | None = None,
) -> Counters:
    """Render the counters and histograms of a collector, those about its polling included.

    The series in `before` are already exposed: they stay exposed, if need be at 0, as far as the cap has room.
    `created` returns when an exposed series began to count, epoch seconds, or None; without it no start is shown.
    """
    rows: list[_Row] = []
    exposed: set[Key] = set()
    folds: dict[Key, Key] = {}
    folded: dict[str, int] = {}
    met = list(_met(shape, totals))
    kept: dict[str, list[_Labels]] = {}
    for key in before:
        kept.setdefault(key[0], []).append(key[1:])
    for family in shape.feeds.families:
        if family.kind == "gauge":
            continue
        zeros = itertools.chain(shape.zeros(family, met), kept.get(family.name, ()))
        names, samples, shown_as = (_counters if family.kind == "counter" else _histograms)(
            family, shape, status.account, totals, zeros
        )
        rows.append((family, samples if created is None else _with_starts(family, samples, created)))
        exposed.update((family.name, *key) for key in names)
        folds.update(shown_as)
        folded |= _number(family, shown_as)
    for own in OWN_COUNTERS:
        known = {key[1:]: float(state.published) for key, state in totals.counters.items() if key[0] == own.family.name}
        values = {**dict.fromkeys(own.zeros(shape.feeds), 0.0), **known}
        labels = (status.account, status.system, status.collector)
        starts = {} if created is None else {key: created((own.family.name, *key)) for key in values}
        samples = [Sample((*labels, *key), value, None, starts.get(key)) for key, value in sorted(values.items())]
        rows.append((own.family, samples))
        exposed.update((own.family.name, *key) for key in values)
    return Counters(_blocks(rows), _shared(frozenset(exposed)), folds, folded)


def _shared(series: frozenset[Key]) -> frozenset[Key]:
    """Return an equal set, the same one for all collectors that expose the same series: each would hold as much."""
    known = _SERIES.get(hash(series))
    if known == series:
        return known
    _SERIES[hash(series)] = series
    return series


_Made = tuple[Iterable[_Labels], Sequence[Sample | HistogramSample], Mapping[Key, Key]]


def _number(family: Family, shown_as: Mapping[Key, Key]) -> Mapping[str, int]:
    return {family.name: len(shown_as)} if shown_as else {}


def _counters(family: Family, shape: Shape, account: str, totals: Sums, zeros: Iterable[_Labels]) -> _Made:
    series, shown_as = _fill(family, shape, totals.counters, zeros)
    return series, [_counter((account, *key), states) for key, states in sorted(series.items())], shown_as


def _histograms(family: Family, shape: Shape, account: str, totals: Sums, zeros: Iterable[_Labels]) -> _Made:
    series, shown_as = _fill(family, shape, totals.histograms, zeros)
    samples = [_histogram((account, *key), states, family.bounds) for key, states in sorted(series.items())]
    return series, samples, shown_as


def _with_starts(
    family: Family, samples: Sequence[Sample | HistogramSample], created: Callable[[Key], float | None]
) -> Sequence[Sample | HistogramSample]:
    """Return the samples of an account's family with when each began to count."""
    starts = [created((family.name, *sample.labels[1:])) for sample in samples]
    return [
        sample if start is None else replace(sample, created=start)
        for sample, start in zip(samples, starts, strict=True)
    ]


def _counter(labels: _Labels, states: Sequence[CounterState]) -> Sample:
    """Make a sample; its exemplar is the last event, once the increase by that event is published."""
    value = float(sum(state.published for state in states))
    causes = [state.cause for state in states if state.cause is not None and not state.rising]
    if not causes:
        return Sample(labels, value)
    cause = causes[-1]
    return Sample(labels, value, Exemplar((("record_id", cause.record_id),), float(cause.amount), cause.at))


def _histogram(labels: _Labels, states: Sequence[HistogramState], bounds: tuple[float, ...]) -> HistogramSample:
    published = [state.published.within(bounds) for state in states if state.published is not None]
    columns = zip(*(observed.counts for observed in published), strict=True)
    counts = [sum(column) for column in columns] or [0] * (len(bounds) + 1)
    return HistogramSample(labels, tuple(itertools.accumulate(counts)), sum(observed.total for observed in published))


def _fill(
    family: Family, shape: Shape, states: Mapping[Key, _State], zeros: Iterable[_Labels]
) -> tuple[dict[_Labels, list[_State]], dict[Key, Key]]:
    """Return the series of a family, each with the states that it sums, and which series were folded into which.

    Series that appeared first are kept; those beyond the cap have `__other__` for values that are not exposed at 0.
    The states may still hold series from when the account had other labels.
    """
    room, labels = shape.room(family), shape.labels(family)
    known = family.zeros[shape.feeds.collector]
    series: dict[_Labels, list[_State]] = {}
    shown_as: dict[Key, Key] = {}
    own = [key for key in states if key[0] == family.name and len(key) - 1 == len(labels)]
    for place, key in enumerate(own):
        name = key[1:]
        if place >= room:
            values = zip(labels, name, strict=True)
            name = tuple(value if value in known.get(label, ()) else OTHER for label, value in values)
            shown_as[key] = (family.name, *name)
        series.setdefault(name, []).append(states[key])
    # Zeros count too: with many values of an open label they are most of the series.
    left = max(0, room - len(series))
    missing = dict.fromkeys(zero for zero in zeros if zero not in series)
    series.update((zero, []) for zero in itertools.islice(missing, left))
    return series, shown_as


def _met(shape: Shape, totals: Sums) -> Iterator[Mapping[str, str]]:
    """Yield the labels of all series of all families: a status seen in a gauge may later appear in a counter."""
    labels_of = {family.name: shape.labels(family) for family in shape.feeds.families}
    for key in itertools.chain(totals.gauges, totals.counters, totals.histograms):
        labels = labels_of.get(key[0], ())
        if labels and len(labels) == len(key) - 1:
            yield dict(zip(labels, key[1:], strict=True))


def zero_labels(
    family: Family, collector: str, labels: Sequence[str], met: Iterable[Mapping[str, str]]
) -> Iterable[tuple[str, ...]]:
    """Yield the label values to expose at 0: all known ones, with each seen combination of the open labels."""
    known = family.zeros[collector]
    open_labels = [label for label in labels if label not in known]
    complete = (seen for seen in met if all(label in seen for label in open_labels))
    combinations = (
        dict.fromkeys(tuple(seen[label] for label in open_labels) for seen in complete) if open_labels else [()]
    )
    for combination in combinations:
        given = dict(zip(open_labels, combination, strict=True))
        yield from itertools.product(*((given[label],) if label in given else known[label] for label in labels))


def _fresh_rows(status: CollectorStatus) -> Iterator[_Row]:
    for row in STATUS:
        if row.while_fresh:
            yield row.family, _status_samples(status, row.values(status))


def _status_samples(status: CollectorStatus, values: StatusValues) -> Sequence[Sample]:
    own = (status.account, status.system, status.collector)
    return [Sample((*own, *labels), float(number)) for labels, number in values]


def _blocks(rows: Iterable[_Row]) -> Mapping[str, Block]:
    return {family.name: render(family, samples) for family, samples in rows if samples}
