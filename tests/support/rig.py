"""What tests put together: a mock API with a client, or with pollers, and a meter that remembers."""

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.client import JSON, Client, ThreadRunner
from exporter.client.client import Access
from exporter.client.error_response import ApiErrorReader
from exporter.client.rate_limit import RateLimiter
from exporter.client.transport import RequestLimits, Transport
from exporter.demo.faults import ListFaults
from exporter.demo.items import Kind
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.server import MockApi
from exporter.demo.world import World
from exporter.exposition.catalog import ABANDONED, POLL_ERRORS, REJECTED, UNKNOWN_VALUES, VANISHED, OwnCounter
from exporter.exposition.snapshot import CollectorSnapshot, SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.accounting import Rules
from exporter.model.family import with_bounds
from exporter.model.record import Key, Reason
from exporter.model.tls import TLSConfig
from exporter.model.totals import Sums
from exporter.polling.collector import Collector, Limits
from exporter.polling.collector.list_end import ACCEPTED_AFTER
from exporter.polling.poller import Poller
from exporter.polling.publisher import Output, Pace
from exporter.state import SqliteState, State
from exporter.systems import sources
from exporter.systems.base import Options
from tests.support import counting, faults
from tests.support.patience import GENEROUS

NOW = 1_700_000_000.0
DAY = 86_400.0
HOUR = 3_600.0
TOKEN = "demo-token"


class Meter:
    """Remembers what requests cost."""

    def __init__(self) -> None:
        self.codes: list[tuple[str, str]] = []
        self.waited = 0.0
        self.limits: list[tuple[float | None, float | None, float | None]] = []

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        assert seconds >= 0
        self.codes.append((endpoint, code))

    def throttled(self, seconds: float) -> None:
        self.waited += seconds

    def rate_limit(self, limit: float | None, remaining: float | None, reset_in: float | None) -> None:
        self.limits.append((limit, remaining, reset_in))


class Pauses:
    """A `wait` that remembers how long it was to be, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.stopping = threading.Event()

    def __call__(self, seconds: float) -> bool:
        if seconds > 0:
            self.seconds.append(seconds)
        return self.stopping.is_set()


def as_it_is(answer: JSON) -> JSON:
    """Return the answer unchanged: a `read` for `Client.get_each`."""
    return answer


def client(
    url: str,
    *,
    token: Callable[[], str] = lambda: TOKEN,
    deadline: float = GENEROUS,
    tls: TLSConfig | None = None,
    proxy_url: str | None = None,
    at_once: int = 4,
    meter: Meter | None = None,
    wait: Callable[[float], bool] | None = None,
    system: str = "inkit",
    limits: RequestLimits | None = None,
    read_error: ApiErrorReader | None = None,
) -> Client:
    source = sources()[system]
    return Client(
        Access(url, source.system.token_header, token, deadline, read_error or source.refused),
        Transport(tls or TLSConfig(), proxy_url, limits=limits),
        RateLimiter(1000, at_once, time.monotonic),
        meter or Meter(),
        ThreadRunner(wait or Pauses()),
        clock=lambda: NOW,
    )


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Own:
    """Counters about the polling of one collector."""

    vanished: int
    abandoned: int
    rejected: Mapping[str, int]
    unknown_values: Mapping[str, int]
    poll_errors: Mapping[Reason, int]


def own_counters(state: State, account: str, collector: str) -> Own:
    """Return what the state has counted about the polling of one collector, without what is 0."""
    with state.records(account, collector, Rules()) as records:
        counted = {key: count.counted for key, count in records.sums().counters.items()}

    def by_label(counter: OwnCounter) -> dict[str, int]:
        return {key[1]: count for key, count in counted.items() if key[0] == counter.family.name}

    return Own(
        counted.get(VANISHED.key(), 0),
        counted.get(ABANDONED.key(), 0),
        by_label(REJECTED),
        by_label(UNKNOWN_VALUES),
        {Reason(reason): count for reason, count in by_label(POLL_ERRORS).items()},
    )


@dataclass
class Rig:
    """A world, its mock API, and what polls it; the clock stands still unless a test moves it."""

    state: SqliteState
    clock: Clock = field(default_factory=Clock)
    account: str = "prod"
    system: str = "inkit"
    ticks: Callable[[], float] | None = None
    """Tells how much time has passed, where that is not what the clock says."""

    def __post_init__(self) -> None:
        self.world = World(random.Random(7), self.clock)
        self.batches = Batches(random.Random(7), self.clock)
        self.packagex = PackagexApi(self.batches, TOKEN)
        self.mock_api = MockApi(self.world, TOKEN, apis=(self.packagex,))
        self.store = SnapshotStore()
        self.meter = Meter()

    def poller(
        self,
        collector: str,
        *,
        scope: str = "",
        labels: str = "",
        asking: Client | None = None,
        publish: Callable[[CollectorSnapshot], None] | None = None,
        bounds: tuple[float, ...] | None = None,
        created_timestamps: bool = False,
        token_stamp: Callable[[], object] | None = None,
        **changed: Any,
    ) -> Poller:
        """Return a poller of the mock API, as in a program that has just started; `changed` are of Limits or Options.

        `bounds` are those of the histograms, if they are not the system's.
        """
        source = sources()[self.system]
        limits = Limits(7 * DAY, HOUR, 30 * DAY, page_size=100, allowance=30)
        ours = {name: value for name, value in changed.items() if hasattr(limits, name)}
        options = Options(**{name: value for name, value in changed.items() if name not in ours})
        return Poller(
            Collector(
                source.listing(collector, options),
                with_bounds(source.families, bounds),
                replace(limits, **ours),
                scope,
                self.account,
                labels,
            ),
            asking or client(self.mock_api.url, meter=self.meter, system=self.system),
            self.state,
            Output(publish or self.store.publish, lambda: self.store.last_scrape, created_timestamps),
            CollectorStatus(self.account, self.system, collector),
            Pace(60.0, 600.0, HOUR),
            options.workflow_label,
            self.clock,
            self.ticks or self.clock,
            token_stamp,
        )

    def sums(self, collector: str) -> Sums:
        """Return the series as the state has them."""
        rules = Rules.of(sources()[self.system].families)
        with self.state.records(self.account, collector, rules) as records:
            return records.sums()

    def own(self, poller: Poller) -> "Own":
        """Return what the state has counted about the polling of a poller's collector."""
        return own_counters(self.state, *poller.id)

    def gauges(self, collector: str) -> Counter[Key]:
        """Return the vendor's gauges as the state has them, without the series that are 0."""
        found = self.sums(collector).gauges
        return Counter({key: total for key, total in found.items() if key[0].startswith(f"{self.system}_")})

    def truncated(self, collector: str) -> bool:
        """Return whether the state has found that the API does not return the whole window."""
        with self.state.records(self.account, collector, Rules()) as records:
            return records.checkpoint.broken_polls >= ACCEPTED_AFTER

    def events(self, collector: str) -> Counter[Key]:
        """Return what the state has counted."""
        counted = self.sums(collector).counters.items()
        return Counter({key: count.counted for key, count in counted if key[0].startswith(f"{self.system}_")})

    def exact(self, kind: Kind | counting.Batches, lookback: float = 7 * DAY) -> bool:
        """Return whether the gauges are those of the world's records in the window."""
        since = self.clock.now - lookback
        items = self.batches.items() if kind == "batches" else self.world.items(kind)
        expected = counting.gauges(kind, (item for item in items if counting.created_at(item) >= since))
        return self.gauges(kind) == expected

    def lines(self, poller: Poller, family: str, openmetrics: bool = False) -> list[str]:
        """Return the lines of a family in the snapshot."""
        shown = next(made for made in self.store.snapshot.collectors if made.collector == poller.status.collector)
        block = {**shown.gauges, **shown.counters}.get(family)
        return [] if block is None else (block.openmetrics if openmetrics else block.text).decode().splitlines()

    def series(self, poller: Poller, family: str) -> dict[tuple[str, ...], float]:
        """Return the values of a family in the snapshot, by their label values in the order of the labels."""
        found = {}
        for line in self.lines(poller, family):
            name, _, value = line.rpartition(" ")
            labels = dict(re.findall(r'(\w+)="([^"]*)"', name))
            found[tuple(labels[label] for label in _labels(family) if label in labels)] = float(value)
        return found

    def asked(self, name: str) -> list[str]:
        """Return the values of a parameter in the requests made, in their order; "" where it was not given."""
        return [request.params.get(name, "") for request in self.mock_api.requests]

    def fail_after(self, page: int) -> None:
        """Let all requests fail once this page of a list has been asked for."""

        def fail(kind: Kind, number: int) -> None:
            if number == page:
                self.mock_api.faults.add(faults.status(500))

        self.mock_api.faults.list_faults = ListFaults(before_page=fail)

    def reconcile(self, poller: Poller) -> None:
        """Poll until everything that stands in the list now has been read again."""
        self.clock.now += HOUR
        start = self.clock.now
        for _ in range(50):
            assert poller.poll()
            if (poller.status.last_reconcile or 0.0) >= start:
                return
            self.clock.now += 60
        raise AssertionError("the reconciliation does not end")

    def cost(self, poller: Poller) -> int:
        """Poll, and return how many requests that made."""
        self.mock_api.requests.clear()
        assert poller.poll()
        return len(self.mock_api.requests)


def _labels(family: str) -> tuple[str, ...]:
    """Return the labels of a family, without the account's name."""
    families = (declared for source in sources().values() for declared in source.families)
    return next(declared.labels[1:] for declared in families if declared.name == family)
