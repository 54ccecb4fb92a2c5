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

METERED = (REQUESTS, THROTTLED)


class AccountMeter:
    """Count the requests of one account (a `client.RequestMeter`). Any thread may call it.

    Its series are dropped with it, and a request that ends after its account was removed does not bring them back.
    The library's counters would take a kilobyte for each series, and be rendered at each scrape.
    """

    def __init__(self, account: str, system: str, seconds: Histogram, lock: threading.Lock) -> None:
        """Observe durations in `seconds`, which all accounts share. `lock` is that of the snapshot store."""
        self._account = account
        self._system = system
        self._seconds = seconds
        self._lock = lock
        self._requests: dict[tuple[str, str], int] = {}
        """By endpoint and code."""
        self._throttled = 0.0
        self._changes = 0
        self._rendered: tuple[int, Mapping[str, Block]] = -1, {}
        """The lines by family, and how many changes they show."""

    def expect(self, endpoints: Iterable[str]) -> None:
        """Expose requests to these endpoints at 0, so that the first one is an increase."""
        with self._lock:
            for endpoint in endpoints:
                for code in EXPECTED_CODES:
                    self._requests.setdefault((endpoint, code), 0)
            self._changes += 1

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        with self._lock:
            self._requests[endpoint, code] = self._requests.get((endpoint, code), 0) + 1
            self._changes += 1
        self._seconds.labels(self._system, endpoint).observe(seconds)

    def throttled(self, seconds: float) -> None:
        if seconds:
            with self._lock:
                self._throttled += seconds
                self._changes += 1

    def samples(self) -> Mapping[str, Sequence[Sample]]:
        """Return the samples of REQUESTS and THROTTLED, by name."""
        return self._samples()[1]

    def blocks(self) -> Mapping[str, Block]:
        """Return the lines of REQUESTS and THROTTLED, by name."""
        if self._rendered[0] != self._changes:
            changes, samples = self._samples()
            self._rendered = changes, {family.name: render(family, samples[family.name]) for family in METERED}
        return self._rendered[1]

    def _samples(self) -> tuple[int, Mapping[str, Sequence[Sample]]]:
        """Return the samples, and how many changes they show."""
        with self._lock:
            changes, requests, throttled = self._changes, list(self._requests.items()), self._throttled
        own = (self._account, self._system)
        counted = [Sample((*own, *labels), count) for labels, count in requests]
        return changes, {REQUESTS.name: counted, THROTTLED.name: [Sample(own, throttled)]}


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
            for sample in meter.samples()[family.name]
        ]

    @samples.setter
    def samples(self, _: list[LibrarySample]) -> None:
        """Ignore the list that the library begins with."""

    def rendered(self, *, openmetrics: bool) -> bytes:
        """Return the family with HELP and TYPE."""
        blocks = [meter.blocks()[self._family.name] for meter in self._meters]
        lines = [block.openmetrics if openmetrics else block.text for block in blocks]
        return b"".join((header(self._family, openmetrics=openmetrics), *lines))
