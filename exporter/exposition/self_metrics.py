"""Metrics that change between polls, as objects of the client library, with its metrics of the process.

Their names, labels and help texts are in the catalog.
"""

import platform
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import prometheus_client
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as LibraryCollector
from prometheus_client.registry import CollectorRegistry

from exporter.exposition.boot_clock import ticks
from exporter.exposition.catalog import (
    BUILD_INFO,
    FOLDED,
    POLLS_OVERDUE,
    RELOAD_SUCCESS_TIME,
    RELOAD_SUCCESSFUL,
    STATE_BYTES,
    STATE_LOG_BYTES,
    STATE_SECONDS,
    WORKERS,
    WORKERS_BUSY,
)
from exporter.exposition.meter import COUNTED, AccountMeter, RenderedMetric
from exporter.exposition.replica_metrics import ReplicaMetrics
from exporter.exposition.request_families import OF_LIMITS, REQUEST_SECONDS
from exporter.exposition.snapshot import Snapshot, SnapshotStore
from exporter.exposition.webhook_metrics import WebhookMetrics
from exporter.model.family import Family
from exporter.model.replica_status import ReplicaStatus

AccountId = tuple[str, str]
"""The account's name and its system."""


class SelfMetrics:
    """The metrics that change between polls, and the registry that renders them."""

    def __init__(
        self,
        version: str,
        revision: str,
        store: SnapshotStore,
        clock: Callable[[], float] = ticks,
        *,
        of_process: bool = True,
    ) -> None:
        """Start with the values of a program that has just loaded its configuration.

        `of_process` is whether the client library's metrics are among them: process_*, python_*.
        """
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry(auto_describe=True)
        if of_process:
            prometheus_client.ProcessCollector(registry=registry)
            prometheus_client.PlatformCollector(registry=registry)
            prometheus_client.GCCollector(registry=registry)
        self.registry = registry
        self._store = store
        self._clock = clock
        self._requests = _RequestMetrics(lambda: store.is_silent(clock()))
        registry.register(self._requests)
        self.webhooks = WebhookMetrics(store.lock)
        registry.register(self.webhooks)
        self._seconds = prometheus_client.Histogram(
            *_declared(REQUEST_SECONDS), buckets=REQUEST_SECONDS.buckets, registry=registry
        )
        registry.register(_Folded(lambda: store.exposed(clock())))
        self._successful = prometheus_client.Gauge(*_declared(RELOAD_SUCCESSFUL), registry=registry)
        self._succeeded_at = prometheus_client.Gauge(*_declared(RELOAD_SUCCESS_TIME), registry=registry)
        build = prometheus_client.Gauge(*_declared(BUILD_INFO), registry=registry)
        build.labels(version, revision, platform.python_version()).set(1)
        self.loaded(successful=True)

    def show_state(self, sizes: Callable[[], tuple[int, int] | None]) -> None:
        """Expose the sizes of the state file and its log. `sizes` returns them in bytes, without I/O."""
        self.registry.register(_StateSizes(sizes))

    def time_database(self, *operations: str) -> Sequence[Callable[[float], None]]:
        """Expose how long calls to the database take, by operation.

        Return for each operation what is called with the seconds of a call, in any thread.
        """
        seconds = prometheus_client.Histogram(
            *_declared(STATE_SECONDS), buckets=STATE_SECONDS.buckets, registry=self.registry
        )
        return [seconds.labels(operation).observe for operation in operations]

    def show_replica(self, status: Callable[[], ReplicaStatus]) -> None:
        """Expose the status of this replica. `status` returns it without I/O."""
        self.registry.register(ReplicaMetrics(status))

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
        new = AccountMeter(account, system, self._seconds, self._store.lock, self._clock)
        # Accounts begin in the engine, also while a reload drops others in its thread.
        with self._store.lock:
            meters = self._requests.meters
            found = meters.get((account, system)) or new
            self._requests.meters = {**meters, (account, system): found}
        return found

    def keep(self, accounts: Collection[AccountId]) -> None:
        """Drop the series of all other accounts."""
        with self._store.lock:
            self._requests.meters = {name: meter for name, meter in self._requests.meters.items() if name in accounts}


class _RequestMetrics(LibraryCollector):
    """Collect the families of requests from the accounts' meters."""

    def __init__(self, silent: Callable[[], bool]) -> None:
        """Expose no account while `silent` returns True."""
        self.meters: Mapping[AccountId, AccountMeter] = {}
        """Replaced as a whole, because a scrape may be reading it."""
        self._silent = silent

    def collect(self) -> Iterator[Metric]:
        meters = () if self._silent() else self.meters.values()
        yield from (RenderedMetric(family, meters) for family in COUNTED)
        # Most APIs state none: looking at thousands of accounts for each family takes milliseconds.
        if limited := [meter for meter in meters if meter.stated_limit.known]:
            metrics = (RenderedMetric(family, limited) for family in OF_LIMITS)
            yield from (metric for metric in metrics if metric.has_any)


class _Folded(LibraryCollector):
    """Sum the folded series of each family and account: several collectors may feed a family."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        folded: dict[tuple[str, str], int] = {}
        for collector in self._snapshot().collectors:
            for family, count in collector.folded.items():
                key = collector.account, family
                folded[key] = folded.get(key, 0) + count
        made = GaugeMetricFamily(FOLDED.name, FOLDED.help, labels=FOLDED.labels)
        for key, count in folded.items():
            if count:
                made.add_metric(key, count)
        yield made


class _StateSizes(LibraryCollector):
    """Expose the sizes of the state file and its log, in bytes. While they are unknown, there is no sample."""

    def __init__(self, sizes: Callable[[], tuple[int, int] | None]) -> None:
        self._sizes = sizes

    def collect(self) -> Iterator[Metric]:
        for family, size in zip((STATE_BYTES, STATE_LOG_BYTES), self._sizes() or (None, None), strict=True):
            yield GaugeMetricFamily(family.name, family.help, value=size)


def _declared(family: Family) -> tuple[str, str, Sequence[str]]:
    return family.name, family.help, family.labels
