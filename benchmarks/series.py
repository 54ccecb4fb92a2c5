"""Made-up series, as the exporter keeps them and as the client library does. Nothing is timed or served here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Exemplar as LibraryExemplar
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import CollectorSnapshot, SnapshotStore
from exporter.exposition.text_format import Exemplar, HistogramSample, Sample, render
from exporter.model.family import Family
from exporter.systems import sources

Samples = Mapping[str, Sequence[Sample | HistogramSample]]
"""By the family's name."""

ACCOUNT_SERIES = 1000
"""An account with fifty workflows, four destinations and their statuses has about as many."""
_WORKFLOWS = 50
_DESTINATIONS = ("docusign", "inkit_storage", "salesforce", "sepire")
_ENDPOINTS = ("invoke", "batch", "invoke_batch")
_GAUGE = "inkit_invocation_generations"
_COUNTER = "inkit_invocation_generations_finished_total"
_HISTOGRAM = "inkit_invocation_duration_seconds"
_FOREVER = 1e12


def families() -> list[Family]:
    """Return the families that have series: a gauge, a counter with exemplars, a histogram."""
    wanted = (_GAUGE, _COUNTER, _HISTOGRAM)
    return [family for family in sources()["inkit"].families if family.name in wanted]


def accounts(series: int) -> Iterator[tuple[str, Samples]]:
    """Yield accounts, each with its samples, that have about so many series together."""
    [histogram] = [family for family in families() if family.kind == "histogram"]
    for number in range(max(1, series // ACCOUNT_SERIES)):
        account = f"account-{number}"
        yield (
            account,
            {
                _GAUGE: [Sample(labels, place) for place, labels in enumerate(_labels(account, "in_progress"))],
                _COUNTER: [_counted(labels, place) for place, labels in enumerate(_labels(account))],
                _HISTOGRAM: [HistogramSample((account,), tuple(range(len(histogram.buckets) + 1)), 123.5)],
            },
        )


def snapshots(series: int) -> Iterator[CollectorSnapshot]:
    """Yield the accounts' snapshots as they stand in the store."""
    for account, samples in accounts(series):
        blocks = {family.name: render(family, samples[family.name]) for family in families()}
        yield CollectorSnapshot(account, "inkit", "invocations", blocks, _FOREVER)


def live(series: int, store: SnapshotStore) -> SelfMetrics:
    """Return the live metrics of a program that has sent requests to every endpoint of each account."""
    made = SelfMetrics("0", "", store)
    for account, _ in accounts(series):
        meter = made.meter(account, "inkit")
        for endpoint in _ENDPOINTS:
            meter.answered(endpoint, "200", 0.1)
    return made


class Library(Collector):
    """The same series as the client library keeps them, and a registry behind them."""

    def __init__(self, series: int, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._metrics = _metrics([samples for _, samples in accounts(series)])

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics
        yield from self._registry.collect()


def _labels(account: str, *more: str) -> Iterator[tuple[str, ...]]:
    for workflow in range(_WORKFLOWS):
        for destination in _DESTINATIONS:
            for status in ("completed", "failed", *more):
                yield account, destination, status, f"Workflow number {workflow}"


def _counted(labels: tuple[str, ...], count: int) -> Sample:
    failed = labels[2] == "failed"
    return Sample(labels, count, Exemplar((("record_id", f"rend_{count}"),), 1.0, 1.7e9) if failed else None)


def _metrics(of_accounts: Iterable[Samples]) -> list[Metric]:
    made = []
    for family in families():
        samples = [sample for each in of_accounts for sample in each[family.name]]
        made.append(_metric(family, samples))
    return made


def _metric(family: Family, samples: Iterable[Sample | HistogramSample]) -> Metric:
    gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
    histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for sample in samples:
        if isinstance(sample, HistogramSample):
            bounds = [*map(floatToGoString, family.buckets), "+Inf"]
            histogram.add_metric(sample.labels, list(zip(bounds, sample.counts, strict=True)), sample.sum)
        elif sample.exemplar is None:
            (counter if family.kind == "counter" else gauge).add_metric(sample.labels, sample.value)
        else:
            cause = LibraryExemplar(dict(sample.exemplar.labels), sample.exemplar.value, sample.exemplar.timestamp)
            counter.add_metric(sample.labels, sample.value, exemplar=cause)
    return {"gauge": gauge, "counter": counter, "histogram": histogram}[family.kind]
