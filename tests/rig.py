"""What tests put together: a stand-in with a client, or with pollers, and a meter that remembers."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.client import Client
from exporter.client.budget import Budget
from exporter.client.client import Access
from exporter.client.transport import Tls, Transport
from exporter.demo.server import StandIn
from exporter.demo.world import World
from exporter.facts import Facts
from exporter.poll import Collector
from exporter.poller import Pace, Poller
from exporter.records import Key
from exporter.snapshot import Board
from exporter.sources import sources
from exporter.sources.listing import Options
from exporter.state import State

NOW = 1_700_000_000.0
DAY = 86_400.0
TOKEN = "demo-token"


class Meter:
    """Remembers what requests cost."""

    def __init__(self) -> None:
        self.codes: list[tuple[str, str]] = []
        self.waited = 0.0

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        assert seconds >= 0
        self.codes.append((endpoint, code))

    def throttled(self, seconds: float) -> None:
        self.waited += seconds


class Pauses:
    """A `wait` that remembers how long it was to be, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.stopping = threading.Event()

    def __call__(self, seconds: float) -> bool:
        if seconds > 0:
            self.seconds.append(seconds)
        return self.stopping.is_set()


def client(
    url: str,
    *,
    token: Callable[[], str] = lambda: TOKEN,
    deadline: float = 5.0,
    tls: Tls | None = None,
    proxy_url: str | None = None,
    at_once: int = 4,
    meter: Meter | None = None,
    wait: Callable[[float], bool] | None = None,
) -> Client:
    return Client(
        Access(url, "X-Inkit-API-Token", token, deadline),
        Transport(tls or Tls(), proxy_url, at_once),
        Budget(1000, at_once, time.monotonic),
        meter or Meter(),
        wait or Pauses(),
        clock=lambda: NOW,
    )


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Rig:
    """A world, its stand-in, and what polls it; the clock stands still unless a test moves it."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    account: str = "prod"

    def __post_init__(self) -> None:
        self.world = World(random.Random(7), self.clock)
        self.stand_in = StandIn(self.world, TOKEN)
        self.board = Board()
        self.state = State(self.folder / "state.db")
        self.state.prepare()
        self.meter = Meter()

    def poller(self, collector: str, *, page_size: int = 100, lookback: float = 7 * DAY, **options: object) -> Poller:
        """A poller of the stand-in, with a client of its own."""
        source = sources()["inkit"]
        asked = Options(**options)  # type: ignore[arg-type]
        return Poller(
            Collector(source.listing(collector, asked), source.families, lookback, page_size),
            client(self.stand_in.url, meter=self.meter, deadline=5.0),
            self.state,
            self.board,
            Facts(self.account, "inkit", collector),
            Pace(60.0, 600.0),
            asked.workflow_label,
            self.clock,
        )

    def totals(self, collector: str) -> Mapping[Key, int]:
        """What the state says the gauges are."""
        with self.state.records(self.account, collector) as records:
            return records.totals()
