"""The families that change between polls, as objects of the client library, with its metrics about the process.

What they are called and labelled is in the catalogue. They are rendered for scrapes, by others.
"""

import platform
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import prometheus_client
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.exposition.catalog import (
    BUILD_INFO,
    FOLDED,
    RELOAD_SUCCESS_TIME,
    RELOAD_SUCCESSFUL,
    REQUEST_SECONDS,
    REQUESTS,
    THROTTLED,
)
from exporter.exposition.snapshot import SnapshotStore
from exporter.model.family import Family

EXPECTED_CODES = ("200", "429", "error")
"""The values of `code` that rules and dashboards name: exposed at 0 from the start."""

AccountId = tuple[str, str]
"""The account's name and its system."""


class AccountMeter:
    """Counts the requests of one account (a `client.RequestMeter`).

    Its series are its own and no children of shared ones: they leave with it, and what a request counts that ends
    after its account has left is seen by nobody.
    """

    def __init__(self, account: str, system: str, seconds: prometheus_client.Histogram) -> None:
        self._account = account
        self._system = system
        self._seconds = seconds
        self.requests = prometheus_client.Counter(*_declared(REQUESTS), registry=None)
        self.throttles = prometheus_client.Counter(*_declared(THROTTLED), registry=None)
        self._waited = self.throttles.labels(account, system)

    def expect(self, endpoints: Iterable[str]) -> None:
        """Expose what requests to these may come to at 0, so that the first one is a rise."""
        for endpoint in endpoints:
            for code in EXPECTED_CODES:
                self.requests.labels(self._account, self._system, endpoint, code)

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        self.requests.labels(self._account, self._system, endpoint, code).inc()
        self._seconds.labels(self._system, endpoint).observe(seconds)

    def throttled(self, seconds: float) -> None:
        self._waited.inc(seconds)


class SelfMetrics:
    """The live families."""

    def __init__(self, version: str, revision: str, board: SnapshotStore) -> None:
        """As of a program that has just read its configuration."""
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry(auto_describe=True)
        prometheus_client.ProcessCollector(registry=registry)
        prometheus_client.PlatformCollector(registry=registry)
        prometheus_client.GCCollector(registry=registry)
        self.registry = registry
        self._board = board
        self._metered = _Metered()
        registry.register(self._metered)
        self._seconds = prometheus_client.Histogram(
            *_declared(REQUEST_SECONDS), buckets=REQUEST_SECONDS.buckets, registry=registry
        )
        registry.register(_Folded(board))
        self._successful = prometheus_client.Gauge(*_declared(RELOAD_SUCCESSFUL), registry=registry)
        self._succeeded_at = prometheus_client.Gauge(*_declared(RELOAD_SUCCESS_TIME), registry=registry)
        build = prometheus_client.Gauge(*_declared(BUILD_INFO), registry=registry)
        build.labels(version, revision, platform.python_version()).set(1)
        self.loaded(successful=True)

    def loaded(self, *, successful: bool) -> None:
        """Note how the last reload ended."""
        self._successful.set(successful)
        if successful:
            self._succeeded_at.set_to_current_time()
        self._board.renew()

    def meter(self, account: str, system: str) -> AccountMeter:
        """Where the requests of one account are counted: always the same, as long as the account stays."""
        meters = self._metered.meters
        found = meters.get((account, system)) or AccountMeter(account, system, self._seconds)
        self._metered.meters = {**meters, (account, system): found}
        return found

    def keep(self, accounts: Collection[AccountId]) -> None:
        """Let the series of all other accounts leave."""
        self._metered.meters = {name: meter for name, meter in self._metered.meters.items() if name in accounts}


class _Metered(Collector):
    """The families of the accounts' requests, put together from their meters."""

    def __init__(self) -> None:
        self.meters: Mapping[AccountId, AccountMeter] = {}
        """Only ever replaced as a whole: a scrape may be reading it."""

    def collect(self) -> Iterator[Metric]:
        meters = self.meters.values()
        yield _joined(REQUESTS, (meter.requests for meter in meters))
        yield _joined(THROTTLED, (meter.throttles for meter in meters))


class _Folded(Collector):
    """The folded series of each family and account, added up: several collectors may feed a family."""

    def __init__(self, board: SnapshotStore) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        folded: dict[tuple[str, str], int] = {}
        for collector in self._board.snapshot.collectors:
            for family, count in collector.folded.items():
                key = collector.account, family
                folded[key] = folded.get(key, 0) + count
        made = GaugeMetricFamily(FOLDED.name, FOLDED.help, labels=FOLDED.labels)
        for key, count in folded.items():
            if count:
                made.add_metric(key, count)
        yield made


def _joined(family: Family, parts: Iterable[prometheus_client.Counter]) -> Metric:
    made = CounterMetricFamily(family.name, family.help, labels=family.labels)
    for part in parts:
        for metric in part.collect():
            made.samples.extend(metric.samples)
    return made


def _declared(family: Family) -> tuple[str, str, Sequence[str]]:
    return family.name, family.help, family.labels
