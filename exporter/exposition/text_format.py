"""Render samples as lines of the text and the OpenMetrics format. Pure."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.utils import floatToGoString

from exporter.exposition.shared_lines import encoded, escaped, shared
from exporter.exposition.snapshot import Block
from exporter.model.family import Family

EXEMPLAR_LENGTH = 128
"""The maximum number of characters of an exemplar's label names and values (OpenMetrics 1.0, "Exemplars")."""


_MOST_COMMON = 1_000_000
"""More than most settings, in seconds; less than a point in time."""

_number: Callable[[float], str] = floatToGoString

_Pairs = Sequence[tuple[str, str]]
_Line = tuple[str, str]
"""A line without its newline, and what OpenMetrics appends to it."""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One event that a counter or a bucket has counted."""

    labels: tuple[tuple[str, str], ...]
    value: float
    timestamp: float
    """Epoch seconds."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of a gauge or a counter."""

    labels: tuple[str, ...]
    """The values in the order of the family's labels, without optional ones that the account does not have."""
    value: float
    exemplar: Exemplar | None = None
    created: float | None = None
    """The start of a counter, at which it was 0, epoch seconds; None if it is not exposed."""


@dataclass(frozen=True, slots=True)
class HistogramSample:
    """One histogram: all series that share its labels."""

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    """Cumulative: one for each of the family's bounds, then that of +Inf, which is the number of observations."""
    sum: float
    exemplars: tuple[Exemplar | None, ...] = ()
    """Empty, or one entry for each of `counts`."""
    created: float | None = None
    """When it was empty and began to count, epoch seconds; None if that is not shown."""


def render(family: Family, samples: Sequence[Sample | HistogramSample]) -> Block:
    """Render one family in the order of `samples`.

    Raises ValueError if a sample doesn't fit its family: the wrong number of label values or of buckets, the wrong
    kind, an exemplar on a gauge. (prometheus_client silently drops surplus values.)
    """
    lines = [line for sample in samples for line in _lines(family, sample)]
    if not any(extra for _, extra in lines):
        text = encoded("".join([f"{line}\n" for line, _ in lines]))
        return Block(shared(text, samples[0].labels[0]) if _is_common(family, samples) else text)
    rendered, exemplars = bytearray(), []
    for line, extra in lines:
        rendered += encoded(line)
        if extra:
            exemplars.append((len(rendered), len(rendered) + len(encoded(extra))))
            rendered += encoded(extra)
        rendered += b"\n"
    return Block(bytes(rendered), tuple(exemplars))


def _is_common(family: Family, samples: Sequence[Sample | HistogramSample]) -> bool:
    """Return whether other accounts probably show the same: nothing but 0, or one small whole number."""
    if family.labels[:1] != ("account",) or len({sample.labels[0] for sample in samples}) != 1:
        return False
    values: list[float] = []
    for sample in samples:
        values += [sample.counts[-1], sample.sum] if isinstance(sample, HistogramSample) else [sample.value]
    return not any(values) or (len(values) == 1 and 0 < values[0] < _MOST_COMMON and float(values[0]).is_integer())


def header(family: Family, *, openmetrics: bool) -> bytes:
    """Return HELP and TYPE. In OpenMetrics a counter's family has no `_total` in its name."""
    name, text = family.name, family.help.replace("\\", r"\\").replace("\n", r"\n")
    if openmetrics:
        text = text.replace('"', r"\"")
        name = name.removesuffix("_total") if family.kind == "counter" else name
    return encoded(f"# HELP {name} {text}\n# TYPE {name} {family.kind}\n")


def line_start(family: Family, labels: tuple[str, ...]) -> bytes:
    """Return a line of a gauge or counter up to its number. Raises ValueError if labels are missing or too many."""
    return encoded(_line_start(family.name, _pairs(family, labels)))


def rendered_number(value: float) -> bytes:
    """Return a number as it stands at the end of a line. It has no space."""
    return _number(value).encode()


def _lines(family: Family, sample: Sample | HistogramSample) -> Iterator[_Line]:
    pairs = _pairs(family, sample.labels)
    if isinstance(sample, HistogramSample):
        if family.kind != "histogram":
            raise ValueError(f"{family.name} is a {family.kind}: it takes no histogram")
        yield from _histogram_lines(family, pairs, sample)
        return
    if family.kind == "histogram":
        raise ValueError(f"{family.name} is a histogram: it takes no single value")
    if sample.exemplar is not None and family.kind == "gauge":
        raise ValueError(f"{family.name} is a gauge: it takes no exemplar")
    if sample.created is not None and family.kind == "gauge":
        raise ValueError(f"{family.name} is a gauge: it has no start")
    extra = _exemplar(sample.exemplar) + _created(family.name.removesuffix("_total"), pairs, sample.created)
    yield _line(family.name, pairs, sample.value), extra


def _histogram_lines(family: Family, pairs: _Pairs, sample: HistogramSample) -> Iterator[_Line]:
    bounds = (*family.bounds, math.inf)
    exemplars = sample.exemplars or (None,) * len(bounds)
    if not len(bounds) == len(sample.counts) == len(exemplars):
        raise ValueError(f"{family.name} has {len(bounds)} buckets with +Inf, not {len(sample.counts)}")
    for bound, count, exemplar in zip(bounds, sample.counts, exemplars, strict=True):
        labels = [*pairs, ("le", _number(bound))]
        yield _line(f"{family.name}_bucket", labels, count), _exemplar(exemplar)
    yield _line(f"{family.name}_count", pairs, sample.counts[-1]), ""
    yield _line(f"{family.name}_sum", pairs, sample.sum), _created(family.name, pairs, sample.created)


def _pairs(family: Family, values: tuple[str, ...]) -> _Pairs:
    most = len(family.labels)
    if not most - len(family.optional) <= len(values) <= most:
        raise ValueError(f"{family.name} has the labels {', '.join(family.labels)}, not {len(values)} values")
    return list(zip(family.labels, values, strict=False))


def _line(name: str, pairs: _Pairs, value: float) -> str:
    return _line_start(name, pairs) + _number(value)


def _line_start(name: str, pairs: _Pairs) -> str:
    return f"{name}{_label_set(pairs) if pairs else ''} "


def _label_set(pairs: _Pairs) -> str:
    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in sorted(pairs)) + "}"


def _exemplar(exemplar: Exemplar | None) -> str:
    """Render an exemplar; empty if it is too long, because Prometheus would log an error at each scrape."""
    if exemplar is None or sum(len(name) + len(value) for name, value in exemplar.labels) > EXEMPLAR_LENGTH:
        return ""
    return f" # {_label_set(exemplar.labels)} {_number(exemplar.value)} {exemplar.timestamp}"


def _created(name: str, pairs: _Pairs, created: float | None) -> str:
    """Render the line about the start of a series, to append to its last line: only OpenMetrics has it."""
    return "" if created is None else f"\n{_line(f'{name}_created', pairs, round(created, 3))}"
