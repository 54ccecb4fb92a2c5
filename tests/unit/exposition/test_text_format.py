"""The lines of each family, held to what the client library writes for the same samples."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest as encode_text
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics_library
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as LibraryExemplar
from prometheus_client.utils import floatToGoString

from exporter.exposition.text_format import Exemplar, HistogramSample, Sample, header, render
from exporter.model.family import Family

parse_openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families
GAUGE = Family("inkit_batches", "gauge", "Batches.", ("account", "kind"))
COUNTER = Family(
    "inkit_batches_finished_total", "counter", "Finished.", ("account", "kind", "workflow"), optional=("workflow",)
)
HISTOGRAM = Family("inkit_seconds", "histogram", "Durations.", ("account", "zone"), buckets=(0.5, 60.0, 1e6))
BARE = Family("batch_exporter_up", "gauge", "Up.")

VALUES = st.floats() | st.integers(-(10**18), 10**18)
LABEL = st.text(st.characters(exclude_categories=["Cs"]))
HELP = st.text(st.characters(exclude_categories=["Cs"]))
EXEMPLARS = st.builds(
    Exemplar,
    st.dictionaries(
        st.sampled_from(["record_id", "a"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
    ).map(lambda labels: tuple(labels.items())),
    VALUES,
    st.floats(0, 4e9),
)


go_string: Callable[[float], str] = floatToGoString
encode_openmetrics: Callable[[Collector], bytes] = openmetrics_library.generate_latest


class One(Collector):
    """A collector of one family, for the library's encoders."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric


def library(metric: Metric) -> tuple[bytes, bytes]:
    return encode_text(One(metric)), encode_openmetrics(One(metric)).removesuffix(b"# EOF\n")


def ours(family: Family, samples: list[Sample] | list[HistogramSample]) -> tuple[bytes, bytes]:
    block = render(family, samples)
    return header(family, openmetrics=False) + block.text, header(family, openmetrics=True) + block.openmetrics


def theirs(exemplar: Exemplar | None) -> LibraryExemplar | None:
    if exemplar is None:
        return None
    return LibraryExemplar(dict(exemplar.labels), exemplar.value, exemplar.timestamp)


@given(HELP, st.lists(st.builds(Sample, st.tuples(LABEL, LABEL), VALUES)))
def test_gauges_are_byte_for_byte_those_of_the_client_library(text: str, samples: list[Sample]) -> None:
    family = Family(GAUGE.name, "gauge", text, GAUGE.labels)
    metric = GaugeMetricFamily(family.name, text, labels=family.labels)
    for sample in samples:
        metric.add_metric(sample.labels, sample.value)
    assert ours(family, samples) == library(metric)


@given(
    st.lists(st.builds(Sample, st.tuples(LABEL, LABEL) | st.tuples(LABEL, LABEL, LABEL), VALUES, st.none() | EXEMPLARS))
)
def test_counters_with_exemplars_are_byte_for_byte_those_of_the_client_library(samples: list[Sample]) -> None:
    metric = CounterMetricFamily(COUNTER.name, COUNTER.help, labels=COUNTER.labels)
    for sample in samples:
        metric.add_metric(sample.labels, sample.value, exemplar=theirs(sample.exemplar))
    assert ours(COUNTER, samples) == library(metric)


@given(
    st.lists(
        st.builds(
            HistogramSample,
            st.tuples(LABEL, LABEL),
            st.tuples(*[st.integers(0, 10**9)] * 4),
            VALUES,
            st.just(()) | st.tuples(*[st.none() | EXEMPLARS] * 4),
        )
    )
)
def test_histograms_are_byte_for_byte_those_of_the_client_library(samples: list[HistogramSample]) -> None:
    metric = HistogramMetricFamily(HISTOGRAM.name, HISTOGRAM.help, labels=HISTOGRAM.labels)
    bounds = [go_string(bound) for bound in (*HISTOGRAM.buckets, math.inf)]
    for sample in samples:
        exemplars = map(theirs, sample.exemplars or [None] * 4)
        buckets = [
            (bound, count, exemplar) if exemplar else (bound, count)
            for bound, count, exemplar in zip(bounds, sample.counts, exemplars, strict=True)
        ]
        metric.add_metric(sample.labels, buckets, sample.sum)
    assert ours(HISTOGRAM, samples) == library(metric)


def test_a_line_reads_as_an_operator_expects() -> None:
    family = Family("inkit_batches", "gauge", "Batches.", ("kind", "account"))
    block = render(family, [Sample(("document", 'pro"d\\u\nction'), 3)])
    assert block.text == b'inkit_batches{account="pro\\"d\\\\u\\nction",kind="document"} 3.0\n'


def test_a_family_without_labels_has_no_braces() -> None:
    assert render(BARE, [Sample((), 1)]).text == b"batch_exporter_up 1.0\n"


def test_a_block_without_exemplars_is_kept_once_for_both_formats() -> None:
    block = render(GAUGE, [Sample(("a", "b"), 1.5)])
    assert block.text is block.openmetrics


# The parser does not read each exemplar that the library writes.
SIMPLE = st.just(Exemplar((("record_id", "rb_1"),), 1.0, 5.0))


@given(
    st.lists(
        st.builds(Sample, st.tuples(LABEL, LABEL), st.integers(0, 10**9), st.none() | SIMPLE, st.floats(0, 2e9)),
        unique_by=lambda sample: sample.labels,
    ),
    st.lists(
        st.builds(
            HistogramSample,
            st.tuples(LABEL, LABEL),
            st.tuples(*[st.integers(0, 10**9)] * 4).map(lambda counts: tuple(sorted(counts))),
            st.floats(0, 1e9),
            st.just(()) | st.tuples(*[st.none() | SIMPLE] * 4),
            st.none() | st.floats(0, 2e9),
        ),
        unique_by=lambda sample: sample.labels,
    ),
)
def test_starts_are_lines_of_openmetrics_that_a_parser_reads_and_the_text_format_is_as_without_them(
    counters: list[Sample], histograms: list[HistogramSample]
) -> None:
    for family, samples in ((COUNTER, counters), (HISTOGRAM, histograms)):
        block = render(family, samples)
        assert block.text == render(family, [replace(sample, created=None) for sample in samples]).text
        text = (header(family, openmetrics=True) + block.openmetrics + b"# EOF\n").decode()
        (read,) = parse_openmetrics(text)
        starts = [sample for sample in read.samples if sample.name == family.name.removesuffix("_total") + "_created"]
        told = [sample for sample in samples if sample.created is not None]
        labels = [dict(zip(family.labels, sample.labels, strict=False)) for sample in told]
        assert [sample.labels for sample in starts] == labels
        assert [sample.value for sample in starts] == [pytest.approx(sample.created, abs=0.001) for sample in told]


def test_a_gauge_has_no_start() -> None:
    with pytest.raises(ValueError, match="inkit_batches is a gauge: it has no start"):
        render(GAUGE, [Sample(("a", "b"), 1, created=1.0)])


def test_exemplars_are_in_the_openmetrics_format_only() -> None:
    exemplar = Exemplar((("record_id", "rb_1"),), 1, 1700000000.5)
    block = render(COUNTER, [Sample(("a", "b"), 2, exemplar)])
    assert b"rb_1" not in block.text
    assert block.openmetrics.endswith(b'} 2.0 # {record_id="rb_1"} 1.0 1700000000.5\n')


@pytest.mark.parametrize(("length", "kept"), [(128, True), (129, False)])
def test_an_exemplar_that_openmetrics_calls_too_long_is_left_out(length: int, kept: bool) -> None:
    exemplar = Exemplar((("id", "x" * (length - 2)),), 1, 1.0)
    block = render(COUNTER, [Sample(("a", "b"), 2, exemplar)])
    assert (b"xxx" in block.openmetrics) is kept


def test_a_trailing_optional_label_may_be_left_out() -> None:
    lines = render(COUNTER, [Sample(("a", "b"), 1), Sample(("a", "b", "c"), 1)]).text.splitlines()
    assert lines == [
        b'inkit_batches_finished_total{account="a",kind="b"} 1.0',
        b'inkit_batches_finished_total{account="a",kind="b",workflow="c"} 1.0',
    ]


@pytest.mark.parametrize("labels", [("a",), ("a", "b", "c", "d")])
def test_any_other_number_of_label_values_is_an_error_that_names_the_family(labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"inkit_batches_finished_total has the labels account, kind, workflow"):
        render(COUNTER, [Sample(labels, 1)])


@pytest.mark.parametrize(
    ("family", "sample"),
    [
        (HISTOGRAM, HistogramSample(("a", "b"), (1, 2, 3), 1.0)),
        (HISTOGRAM, HistogramSample(("a", "b"), (1, 2, 3, 4), 1.0, (None,))),
        (HISTOGRAM, Sample(("a", "b"), 1.0)),
        (GAUGE, HistogramSample(("a", "b"), (1,), 1.0)),
        (GAUGE, Sample(("a", "b"), 1.0, Exemplar((), 1.0, 1.0))),
    ],
)
def test_a_sample_that_does_not_fit_its_family_is_an_error(family: Family, sample: Sample | HistogramSample) -> None:
    with pytest.raises(ValueError, match=family.name):
        render(family, [sample])


def test_half_a_surrogate_pair_does_not_break_a_scrape() -> None:
    assert render(GAUGE, [Sample(("a\ud800b", "k"), 1)]).text == b'inkit_batches{account="a?b",kind="k"} 1.0\n'


def test_a_counter_is_named_without_total_in_openmetrics_and_with_it_in_text() -> None:
    assert header(COUNTER, openmetrics=False).splitlines()[1] == b"# TYPE inkit_batches_finished_total counter"
    assert header(COUNTER, openmetrics=True).splitlines()[1] == b"# TYPE inkit_batches_finished counter"
