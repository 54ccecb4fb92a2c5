"""One cell of the matrix: a poller on clocks of the test's, the world that it polls, and all that is scraped of it."""

import contextlib
import functools
import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from prometheus_client import CollectorRegistry

from exporter.client import Client, Stopping
from exporter.client.client import Access
from exporter.client.rate_limit import RateLimiter
from exporter.client.transport import Transport
from exporter.config import Token, TokenError
from exporter.exposition.catalog import POLL_ERRORS, catalog
from exporter.exposition.scrape import Exposition
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.record import STATE_REASONS, FetchError, Key, Reason, StateError
from exporter.polling.collector import Collector, Limits
from exporter.polling.poller import Poller
from exporter.polling.publisher import Output, Pace
from exporter.state import State, prepared
from exporter.systems import sources
from tests.support.matrix.watched import ROWS, Life, Watched
from tests.support.matrix.wire import BASE, Inline, Wire
from tests.support.rig import DAY, HOUR, NOW, TOKEN, Meter

INTERVAL = 60.0
STALE_AFTER = 600.0
_SAMPLE = re.compile(r"^(\w+)\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_OURS = {"account", "system", "collector"}

Samples = dict[tuple[str, ...], float]
"""Values by the name and the label values, without those that are the same in all series of a collector."""


class Clocks:
    """The wall clock, which a fault may set, and the clock that nobody sets."""

    def __init__(self) -> None:
        self.true = NOW
        self.off = 0.0

    def wall(self) -> float:
        return self.true + self.off

    def ticks(self) -> float:
        return self.true


@dataclass
class Scene:
    """A poller of one list, from its first poll on. Raises AssertionError when a scrape breaks a promise."""

    watched: Watched
    account: str
    folder: Path
    shared: State | None
    """The state that it shares with other scenes; None: a file of its own, which each program opens."""

    def __post_init__(self) -> None:
        self.path = self.folder / f"{self.account}.db"
        self.token_file = self.folder / "token"
        self.clocks = Clocks()
        self.life = Life(self.watched, self.clocks.ticks)
        self.wire = Wire(self.life)
        self.meter = Meter()
        self.token_file.write_text(TOKEN)
        self.failed: Counter[Reason] = Counter()
        """The polls that failed, by reason. The state can't keep those that itself has failed."""
        self.succeeded_at: float | None = None
        self.last: Samples = {}
        """What was scraped last."""
        self.highest: Samples = {}
        """What was scraped of counters."""
        self.running = False
        self.source = sources()[self.watched.system]
        self.resources = ExitStack()
        self.start()

    def start(self) -> None:
        """Start a program, which ends at once if its state can't be used."""
        try:
            self.state = self.shared or self.resources.enter_context(prepared(self.path))
            self.store = SnapshotStore()
            families = catalog(self.source.families)
            self.exposition = Exposition(self.store, families, CollectorRegistry(), clock=self.clocks.ticks)
            # What the state can't keep starts over.
            self.failed = Counter({reason: n for reason, n in self.failed.items() if reason not in STATE_REASONS})
            self.highest = {key: value for key, value in self.highest.items() if key[-1] not in STATE_REASONS}
            self._begin(CollectorStatus(self.account, self.watched.system, self.watched.kind))
            self.poller.restore()
        except StateError:
            self.stop()
        else:
            self.running = True
            self.poller.publish()

    def close(self) -> None:
        """End what runs."""
        self.resources.close()

    def stop(self) -> None:
        """End the program."""
        self.running = False
        self.resources.close()

    def reload(self) -> None:
        """Poll with a new poller, as after a change of the account's settings."""
        self._begin(self.poller.status.going_on())
        with contextlib.suppress(StateError):
            self.poller.restore()
        self.poller.publish()

    def _begin(self, status: CollectorStatus) -> None:
        self.runner = Inline(self.pass_time)
        token = Token(self.token_file)

        def read_token() -> str:
            try:
                return token.read()
            except TokenError as error:
                raise FetchError(Reason.AUTH, str(error)) from None

        client = Client(
            Access(BASE, self.source.system.token_header, read_token, 30.0, self.source.refused, token_may_block=True),
            cast("Transport", self.wire),
            RateLimiter(1000, 4, self.clocks.ticks),
            self.meter,
            self.runner,
            self.clocks.wall,
        )
        store = self.store
        self.poller = Poller(
            Collector(
                self.source.listing(self.watched.kind, self.watched.options),
                self.source.families,
                Limits(7 * DAY, HOUR, 30 * DAY, ROWS, 40, STALE_AFTER),
                account=self.account,
            ),
            client,
            self.state,
            Output(store.publish, lambda: store.last_scrape),
            status,
            Pace(INTERVAL, STALE_AFTER, HOUR),
            clock=self.clocks.wall,
            ticks=self.clocks.ticks,
        )

    def pass_time(self, seconds: float) -> None:
        """Let time pass; scrapes go on if it is long."""
        self.clocks.true += seconds
        if seconds >= INTERVAL / 2 and self.running:
            self.scrape()

    def poll(self) -> bool:
        """Poll at the next turn, and scrape. Return whether the poll succeeded. A program that has ended is started."""
        self.clocks.true += INTERVAL
        if not self.running:
            self.start()
        if not self.running:
            return False
        good = self._note(self.poller.poll())
        self.scrape()
        return good

    def _note(self, good: bool) -> bool:
        if good:
            self.succeeded_at = self.clocks.true
        elif self.poller.status.reason is not None:
            self.failed[self.poller.status.reason] += 1
        return good

    def cut_off(self, at: int = 2) -> None:
        """Begin a poll that is cut off at one of its requests, as the end of the program cuts it off."""
        left = at

        def count(_: object) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                self.runner.stopping = True
                raise Stopping

        self.clocks.true += INTERVAL
        self.wire.before.append(count)
        try:
            with contextlib.suppress(Stopping):
                self._note(self.poller.poll())
        finally:
            self.wire.before.remove(count)

    def scrape(self) -> Samples:
        """Scrape, and hold what is exposed against what may be: no counter falls, and nothing stale is shown."""
        started = self.clocks.true
        page = b"".join(self.exposition.render().chunks).decode()
        found: Samples = {}
        for name, labels, value in _SAMPLE.findall(page):
            found[_series(name, labels)] = float(value)
        if any(key[0] == POLL_ERRORS.family.name for key in found):
            for key, value in self.highest.items():
                assert found.get(key, 0) >= value, f"{key} falls from {value} to {found.get(key)}"
            counters = ("_total", "_bucket", "_count", "_sum")
            self.highest = {key: value for key, value in found.items() if key[0].endswith(counters)}
        up = found.get(("batch_exporter_up",))
        assert up is None or bool(up) is self.poller.status.up, "up is that of the last poll"
        self.last = found
        self.store.scraped(started)
        return found

    def shows_gauges(self) -> bool:
        return any(key[0].startswith(f"{self.watched.system}_") and key[0] in _GAUGES for key in self.last)

    def gauges(self) -> Counter[Key]:
        """Return the system's gauges as last scraped, without those that are 0."""
        return self._figures(_GAUGES)

    def events(self) -> Counter[Key]:
        """Return the counters of the system's events as last scraped."""
        return self._figures(_EVENTS)

    def own(self, family: str) -> Counter[str]:
        """Return the values of a counter about polling by its label, "" where it has none, without those that are 0."""
        name = f"batch_exporter_{family}"
        return Counter(
            {key[-1] if len(key) > 1 else "": int(v) for key, v in self.last.items() if key[0] == name and v}
        )

    def value(self, family: str) -> float | None:
        return self.last.get((f"batch_exporter_{family}",))

    def let_counters_rise(self) -> None:
        """Let time pass until all that was counted is shown: each value stands for an interval, and is scraped."""
        for _ in range(3 if self.running else 0):
            self.clocks.true += INTERVAL
            self.poller.rise()
            self.scrape()

    def _figures(self, families: frozenset[str]) -> Counter[Key]:
        return Counter({key: int(value) for key, value in self.last.items() if value and key[0] in families})


@functools.lru_cache(maxsize=10_000)
def _series(name: str, labels: str) -> tuple[str, ...]:
    texts = dict(_LABEL.findall(labels))
    order = _LABELS.get(name) or [label for label in texts if label not in _OURS]
    return name, *(texts[label] for label in order if label in texts)


_FAMILIES = [family for source in sources().values() for family in source.families]
_GAUGES = frozenset(
    family.name for family in _FAMILIES if family.kind == "gauge" and not family.name.endswith("_seconds")
)
_LABELS = {family.name: family.labels[1:] for family in _FAMILIES}
_EVENTS = frozenset(family.name for family in _FAMILIES if family.kind == "counter")
