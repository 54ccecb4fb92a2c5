"""Count the requests of accounts, and render each account's lines only when they have changed."""

import threading
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample as LibrarySample

from exporter.exposition.catalog import REQUESTS, THROTTLED
from exporter.exposition.snapshot import Block
from exporter.exposition.text_format import Sample, header, render
from exporter.model.family import Family

EXPECTED_CODES = ("200", "429", "error")
"""The values of `code` that rules and dashboards use: exposed at 0 from the start."""


class AccountMeter:
    """Count the requests of one account (a `client.RequestMeter`). Any thread may call it.

    Its series are dropped with it, and a request that ends after its account was removed does not bring them back.
    The library's counters would take a kilobyte for each series, and be rendered at each scrape.
    """

    def __init__(self, account: str, system: str, seconds: Histogram) -> None:
        self._account = account
        self._system = system
        self._seconds = seconds
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str], int] = {}
        """By endpoint and code."""
        self._throttled = 0.0
        self._blocks: Mapping[str, Block] | None = None
        """The lines by family, as long as they are right."""

    def expect(self, endpoints: Iterable[str]) -> None:
        """Expose requests to these endpoints at 0, so that the first one is an increase."""
        with self._lock:
            for endpoint in endpoints:
                for code in EXPECTED_CODES:
                    self._requests.setdefault((endpoint, code), 0)
            self._blocks = None

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        with self._lock:
            self._requests[endpoint, code] = self._requests.get((endpoint, code), 0) + 1
            self._blocks = None
        self._seconds.labels(self._system, endpoint).observe(seconds)

    def throttled(self, seconds: float) -> None:
        if seconds:
            with self._lock:
                self._throttled += seconds
                self._blocks = None

    def samples(self, family: Family) -> Sequence[Sample]:
        """Return the samples of REQUESTS or THROTTLED."""
        with self._lock:
            return self._samples(family)

    def block(self, family: Family) -> Block:
        """Return the lines of REQUESTS or THROTTLED."""
        with self._lock:
            if self._blocks is None:
                self._blocks = {each.name: render(each, self._samples(each)) for each in (REQUESTS, THROTTLED)}
            return self._blocks[family.name]

    def _samples(self, family: Family) -> Sequence[Sample]:
        own = (self._account, self._system)
        if family is THROTTLED:
            return [Sample(own, self._throttled)]
        return [Sample((*own, *labels), count) for labels, count in self._requests.items()]


class RenderedMetric(Metric):
    """A family of the accounts' meters whose lines are rendered already. The library may read it like any other."""

    def __init__(self, family: Family, meters: Iterable[AccountMeter]) -> None:
        self._family = family
        self._meters = list(meters)
        super().__init__(family.name.removesuffix("_total"), family.help, family.kind)

    @property
    def samples(self) -> list[LibrarySample]:
        """Return the samples of all accounts."""
        family = self._family
        return [
            LibrarySample(family.name, dict(zip(family.labels, sample.labels, strict=True)), sample.value)
            for meter in self._meters
            for sample in meter.samples(family)
        ]

    @samples.setter
    def samples(self, _: list[LibrarySample]) -> None:
        """Ignore the list that the library begins with."""

    def rendered(self, *, openmetrics: bool) -> bytes:
        """Return the family with HELP and TYPE."""
        blocks = [meter.block(self._family) for meter in self._meters]
        lines = [block.openmetrics if openmetrics else block.text for block in blocks]
        return b"".join((header(self._family, openmetrics=openmetrics), *lines))
