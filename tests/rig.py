"""What tests put together: a stand-in with a client, or with pollers, and a meter that remembers."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.client import Client
from exporter.client.budget import Budget
from exporter.client.client import Access
from exporter.client.transport import Tls, Transport
from exporter.demo.server import StandIn
from exporter.demo.world import World
from exporter.engine import Collector, Limits
from exporter.facts import Facts
from exporter.ledger import Rules
from exporter.poller import Pace, Poller
from exporter.snapshot import Board
from exporter.sources import sources
from exporter.sources.listing import Options
from exporter.state import State
from exporter.sums import Sums

NOW = 1_700_000_000.0
DAY = 86_400.0
HOUR = 3_600.0
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

    state: State
    clock: Clock = field(default_factory=Clock)
    account: str = "prod"

    def __post_init__(self) -> None:
        self.world = World(random.Random(7), self.clock)
        self.stand_in = StandIn(self.world, TOKEN)
        self.board = Board()
        self.meter = Meter()
        self.folded: Counter[str] = Counter()

    def poller(self, collector: str, *, scope: str = "", **changed: Any) -> Poller:
        """A poller of the stand-in, as if the program had just started; `changed` are of Limits or Options."""
        source = sources()["inkit"]
        limits = Limits(7 * DAY, HOUR, 30 * DAY, page_size=100, allowance=30)
        ours = {name: value for name, value in changed.items() if hasattr(limits, name)}
        options = Options(**{name: value for name, value in changed.items() if name not in ours})
        return Poller(
            Collector(source.listing(collector, options), source.families, replace(limits, **ours), scope),
            client(self.stand_in.url, meter=self.meter, deadline=5.0),
            self.state,
            self.board,
            Facts(self.account, "inkit", collector),
            Pace(60.0, 600.0),
            lambda account, family, more: self.folded.update({family: more}),
            options.workflow_label,
            self.clock,
        )

    def sums(self, collector: str) -> Sums:
        """What the state says the series are."""
        rules = Rules.of(sources()["inkit"].families)
        with self.state.records(self.account, collector, rules) as records:
            return records.sums()

    def cost(self, poller: Poller) -> int:
        """How many requests a poll makes."""
        self.stand_in.requests.clear()
        assert poller.poll()
        return len(self.stand_in.requests)
