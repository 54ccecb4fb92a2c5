"""Metrics that change between polls, as objects of the client library, with its metrics of the process.

Their names, labels and help texts are in the catalog.
"""

import platform
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import prometheus_client
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as LibraryCollector
from prometheus_client.registry import CollectorRegistry

from exporter.exposition.catalog import (
    BUILD_INFO,
    FOLDED,
    POLLS_OVERDUE,
    RELOAD_SUCCESS_TIME,
    RELOAD_SUCCESSFUL,
    REQUEST_SECONDS,
    STATE_BYTES,
    STATE_LOG_BYTES,
    WORKERS,
    WORKERS_BUSY,
)
from exporter.exposition.meter import METERED, AccountMeter, RenderedMetric
from exporter.exposition.replica_families import REPLICAS
from exporter.exposition.snapshot import SnapshotStore
from exporter.model.family import Family

AccountId = tuple[str, str]
"""The account's name and its system."""


class SelfMetrics:
    """The metrics that change between polls, and the registry that renders them."""

    def __init__(self, version: str, revision: str, store: SnapshotStore) -> None:
        """Start with the values of a program that has just loaded its configuration."""
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry(auto_describe=True)
        prometheus_client.ProcessCollector(registry=registry)
        prometheus_client.PlatformCollector(registry=registry)
        prometheus_client.GCCollector(registry=registry)
        self.registry = registry
        self._store = store
        self._requests = _RequestMetrics()
        registry.register(self._requests)
        self._seconds = prometheus_client.Histogram(
            *_declared(REQUEST_SECONDS), buckets=REQUEST_SECONDS.buckets, registry=registry
        )
        registry.register(_Folded(store))
        self._successful = prometheus_client.Gauge(*_declared(RELOAD_SUCCESSFUL), registry=registry)
        self._succeeded_at = prometheus_client.Gauge(*_declared(RELOAD_SUCCESS_TIME), registry=registry)
        build = prometheus_client.Gauge(*_declared(BUILD_INFO), registry=registry)
        build.labels(version, revision, platform.python_version()).set(1)
        self.loaded(successful=True)

    def show_state(self, sizes: Callable[[], tuple[int, int] | None]) -> None:
        """Expose the sizes of the state file and its log. `sizes` returns them in bytes, without I/O."""
        self.registry.register(_StateSizes(sizes))

    def show_replicas(self, samples: Callable[[], Iterable[tuple[Family, Sequence[str], float]]]) -> None:
        """Expose what `samples` yields: the families about replicas, the labels and the values, without I/O."""
        self.registry.register(_Replicas(samples))

    def watch(self, workers: int, busy: Callable[[], int], overdue: Callable[[], int]) -> None:
        """Expose how many requests may be under way, how many are, and how many polls are overdue."""
        prometheus_client.Gauge(*_declared(WORKERS), registry=self.registry).set(workers)
        prometheus_client.Gauge(*_declared(WORKERS_BUSY), registry=self.registry).set_function(busy)
        prometheus_client.Gauge(*_declared(POLLS_OVERDUE), registry=self.registry).set_function(overdue)

    def loaded(self, *, successful: bool) -> None:
        """Record the result of the last reload."""
        self._successful.set(successful)
        if successful:
            self._succeeded_at.set_to_current_time()
        self._store.renew()

    def meter(self, account: str, system: str) -> AccountMeter:
        """Return the meter of one account; it is the same for as long as the account is configured."""
        meters = self._requests.meters
        found = meters.get((account, system)) or AccountMeter(account, system, self._seconds, self._store.lock)
        self._requests.meters = {**meters, (account, system): found}
        return found

    def keep(self, accounts: Collection[AccountId]) -> None:
        """Drop the series of all other accounts."""
        self._requests.meters = {name: meter for name, meter in self._requests.meters.items() if name in accounts}


class _RequestMetrics(LibraryCollector):
    """Collect the families of requests from the accounts' meters."""

    def __init__(self) -> None:
        self.meters: Mapping[AccountId, AccountMeter] = {}
        """Replaced as a whole, because a scrape may be reading it."""

    def collect(self) -> Iterator[Metric]:
        meters = self.meters.values()
        yield from (RenderedMetric(family, meters) for family in METERED)


class _Folded(LibraryCollector):
    """Sum the folded series of each family and account: several collectors may feed a family."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        folded: dict[tuple[str, str], int] = {}
        for collector in self._store.snapshot.collectors:
            for family, count in collector.folded.items():
                key = collector.account, family
                folded[key] = folded.get(key, 0) + count
        made = GaugeMetricFamily(FOLDED.name, FOLDED.help, labels=FOLDED.labels)
        for key, count in folded.items():
            if count:
                made.add_metric(key, count)
        yield made


class _Replicas(LibraryCollector):
    """Expose samples of the families about replicas, as they are at a scrape."""

    def __init__(self, samples: Callable[[], Iterable[tuple[Family, Sequence[str], float]]]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        kinds = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}
        made = {each.name: kinds[each.kind](each.name, each.help, labels=each.labels) for each in REPLICAS}
        for family, labels, value in self._samples():
            made[family.name].add_metric(labels, value)
        yield from made.values()


class _StateSizes(LibraryCollector):
    """Expose the sizes of the state file and its log, in bytes. While they are unknown, there is no sample."""

    def __init__(self, sizes: Callable[[], tuple[int, int] | None]) -> None:
        self._sizes = sizes

    def collect(self) -> Iterator[Metric]:
        for family, size in zip((STATE_BYTES, STATE_LOG_BYTES), self._sizes() or (None, None), strict=True):
            yield GaugeMetricFamily(family.name, family.help, value=size)


def _declared(family: Family) -> tuple[str, str, Sequence[str]]:
    return family.name, family.help, family.labels
