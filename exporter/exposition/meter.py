"""Count the requests of accounts, and render a line of theirs only when its number has changed."""

import functools
import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Mapping

from prometheus_client import Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample as LibrarySample

from exporter.exposition.boot_clock import ticks as boot_ticks
from exporter.exposition.rate_limits import StatedRateLimit
from exporter.exposition.request_families import REQUESTS, THROTTLED
from exporter.exposition.text_format import header, line_start, rendered_number
from exporter.model.family import Family

EXPECTED_CODES = ("200", "429", "error")
"""The values of `code` that rules and dashboards use: exposed at 0 from the start."""

COUNTED = (REQUESTS, THROTTLED)
"""What the exporter counts itself: exposed also without samples, as the library does."""

_Labels = tuple[str, ...]


class _Series:
    """The series of one family and account, in the order in which they appeared.

    There may be tens of thousands: they are known by the values of the labels that the account's series differ in.
    """

    __slots__ = ("_changed", "_family", "_lock", "_own", "_rendered", "_values")

    def __init__(self, family: Family, own: _Labels, lock: threading.Lock) -> None:
        """`own` is the values of the labels that come first and are the same for all of them."""
        self._family = family
        self._own = own
        self._lock = lock
        self._values: dict[_Labels, float] = {}
        self._changed: dict[_Labels, None] = {}
        """The series whose lines have an old number, or that have no line yet."""
        self._rendered = b""

    def add(self, labels: _Labels, amount: float) -> None:
        with self._lock:
            self._values[labels] = self._values.get(labels, 0.0) + amount
            self._changed[labels] = None

    def values(self, _: Family) -> Mapping[_Labels, float]:
        with self._lock:
            return {(*self._own, *labels): value for labels, value in self._values.items()}

    def rendered(self, _: Family) -> bytes:
        """Return all lines. Only those whose numbers have changed are rendered: a microsecond for each."""
        if self._changed:
            with self._lock:
                before = self._rendered.split(b"\n")[:-1]
                lines = [
                    self._line(labels, line) if line is None or labels in self._changed else line
                    for labels, line in itertools.zip_longest(self._values, before)
                ]
                self._rendered = b"".join([line + b"\n" for line in lines])
                # Last: others take what is rendered without the lock when nothing has changed.
                self._changed.clear()
        return self._rendered

    def _line(self, labels: _Labels, before: bytes | None) -> bytes:
        """Return the line of a series; `before` is the one with its old number."""
        start = line_start(self._family, (*self._own, *labels)) if before is None else before[: before.rindex(b" ") + 1]
        return start + rendered_number(self._values[labels])


@functools.lru_cache(maxsize=1024)
def _shared(*labels: str) -> _Labels:
    """Return the labels, the same object for all accounts."""
    return labels


class AccountMeter:
    """Count the requests of one account (a `client.RequestMeter`). Any thread may call it.

    Its series are dropped with it, and a request that ends after its account was removed does not bring them back.
    The library's counters would take a kilobyte for each series, and be rendered at each scrape.
    """

    def __init__(
        self,
        account: str,
        system: str,
        seconds: Histogram,
        lock: threading.Lock,
        ticks: Callable[[], float] = boot_ticks,
    ) -> None:
        """Observe durations in `seconds`, which all accounts share. `lock` is that of the snapshot store."""
        self._system = system
        self._seconds = seconds
        self._durations: dict[str, Histogram] = {}
        """Histograms by endpoint: a look-up in the library takes longer than an observation."""
        self._series = {family.name: _Series(family, (account, system), lock) for family in COUNTED}
        self._requests = self._series[REQUESTS.name]
        self._throttled = self._series[THROTTLED.name]
        self.stated_limit = StatedRateLimit(account, system, ticks)
        """What the account's API states of its own rate limit."""
        self._throttled.add((), 0.0)

    def expect(self, endpoints: Iterable[str]) -> None:
        """Expose requests to these endpoints at 0, so that the first one is an increase."""
        for endpoint in endpoints:
            for code in EXPECTED_CODES:
                self._requests.add(_shared(endpoint, code), 0.0)

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        self._requests.add(_shared(endpoint, code), 1.0)
        duration = self._durations.get(endpoint)
        if duration is None:
            duration = self._durations[endpoint] = self._seconds.labels(self._system, endpoint)
        duration.observe(seconds)

    def throttled(self, seconds: float) -> None:
        if seconds:
            self._throttled.add((), seconds)

    def rate_limit(self, limit: float | None, remaining: float | None, reset_in: float | None) -> None:
        self.stated_limit.note(limit, remaining, reset_in)

    def values(self, family: Family) -> Mapping[tuple[str, ...], float]:
        """Return the values of one of COUNTED or OF_LIMITS by those of its labels."""
        return self._of(family).values(family)

    def rendered(self, family: Family) -> bytes:
        """Return the lines of one of COUNTED or OF_LIMITS. They are the same in both formats."""
        return self._of(family).rendered(family)

    def _of(self, family: Family) -> "_Series | StatedRateLimit":
        return self._series.get(family.name) or self.stated_limit


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
            LibrarySample(family.name, dict(zip(family.labels, labels, strict=True)), value)
            for meter in self._meters
            for labels, value in meter.values(family).items()
        ]

    @samples.setter
    def samples(self, _: list[LibrarySample]) -> None:
        """Ignore the list that the library begins with."""

    def has_samples(self, names: Collection[str]) -> bool:
        """Return whether there are samples of one of these names, without making them."""
        return self._family.name in names and self.has_any

    @property
    def has_any(self) -> bool:
        """Whether there are samples."""
        return any(meter.rendered(self._family) for meter in self._meters)

    def rendered(self, *, openmetrics: bool) -> tuple[bytes, list[bytes]]:
        """Return HELP and TYPE, and the lines of each account: the same object until a number has changed."""
        lines = [meter.rendered(self._family) for meter in self._meters]
        return header(self._family, openmetrics=openmetrics), lines
