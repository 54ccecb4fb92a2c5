"""What Prometheus sees of the counters: of every event one rise between two samples, whatever happens in between.

A program runs against a moving world on a clock of the test's: polls are slow, fail, or are killed in the middle of a
statement, programs end and begin. Meanwhile one or two scrapers sample what is exposed, each in its own step.
"""

import heapq
import itertools
import math
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.client import Client
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import invocation
from exporter.demo.world import World
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.record import FetchError, Reason
from exporter.polling.collector import Collector, Limits
from exporter.polling.poller import Poller
from exporter.polling.publisher import Output, Pace
from exporter.state import prepared
from exporter.systems import sources
from exporter.systems.base import Options
from tests.support.doubles import Killed, MemoryApi, MortalState
from tests.support.driving import drive
from tests.support.properties import examples
from tests.support.rig import DAY, HOUR, NOW, Clock
from tests.support.sampled import Scraper

INTERVAL = 60.0
LATENCIES = st.lists(st.sampled_from([0.0, 0.1, 2.0, 25.0, 58.0, 90.0]), min_size=1, max_size=5)
GENERATIONS = "inkit_invocation_generations_finished_total"


@dataclass(frozen=True)
class Plan:
    """What happens, each at so many seconds after the first poll."""

    scrapers: tuple[tuple[float, float], ...]
    failures: tuple[tuple[float, str, str], ...]
    """When an invocation fails: its workflow and its destination."""
    hung: tuple[tuple[float, float], ...]
    """When one begins that fails later, and how much later."""
    kills: tuple[tuple[float, float], ...]
    """When the program dies, and for how long it is down."""
    dying: tuple[tuple[float, int], ...]
    """When the program is given so many statements to live."""
    refused: tuple[tuple[float, float], ...]
    """From when, and for how long, the API refuses everything."""
    outages: tuple[tuple[float, float], ...]
    """From when, and for how long, no scrape is answered."""
    latencies: tuple[float, ...]


TIMES = st.floats(1, 700)
SPANS = st.sampled_from([1.0, 30.0, 100.0, 400.0, 1200.0])


def plans(*, outages: bool) -> st.SearchStrategy[Plan]:
    scraper = st.tuples(st.floats(5, INTERVAL - 1), st.floats(0, INTERVAL))
    few = st.lists(st.tuples(TIMES, SPANS), max_size=2)
    return st.builds(
        Plan,
        scrapers=st.lists(scraper, min_size=1, max_size=1 if outages else 2).map(tuple),
        failures=st.lists(st.tuples(TIMES, st.sampled_from("ABC"), st.sampled_from(["box", "sepire"]))).map(tuple),
        hung=st.lists(st.tuples(TIMES, st.floats(1, 500)), max_size=4).map(tuple),
        kills=few.map(tuple),
        dying=st.lists(st.tuples(TIMES, st.integers(0, 30)), max_size=2).map(tuple),
        refused=few.map(tuple),
        outages=few.map(tuple) if outages else st.just(()),
        latencies=LATENCIES.map(tuple),
    )


class Simulation:
    """Runs a plan. Time passes only while the program waits: for its next poll, or for the API."""

    def __init__(self, plan: Plan, folder: Path, created: bool = False) -> None:
        """Prepare a plan. `created`: the program exposes when counters began, and the scrapers use it."""
        self.plan = plan
        self.created = created
        self.clock = Clock()
        self.world = World(random.Random(0), self.clock)
        self.api = MemoryApi(InkitApi(self.world, ""))
        self.api.before = lambda _: self.request()
        self.state = MortalState(folder / "state.db")
        self.scrapers = [Scraper(period, phase, zeros=created) for period, phase in plan.scrapers]
        self.store: SnapshotStore | None = None
        self.due: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.latencies: Iterator[float] = itertools.cycle(plan.latencies)
        self.calm = True
        self.until = 0.0
        self.begin = math.inf
        self.restarts: list[float] = []
        self.truth: Counter[tuple[str, str]] = Counter()
        """Failures, by workflow and destination."""

    def at(self, moment: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.due, (moment, next(self.order), act))

    def advance(self, to: float) -> None:
        while self.due and self.due[0][0] <= to:
            moment, _, act = heapq.heappop(self.due)
            self.clock.now = max(self.clock.now, moment)
            act()
        self.clock.now = max(self.clock.now, to)

    def wait(self, seconds: float) -> bool:
        self.advance(self.clock.now + seconds)
        return self.clock.now >= self.until

    def request(self) -> None:
        self.advance(self.clock.now + (0.0 if self.calm else next(self.latencies)))
        if not self.calm and self.within(self.plan.refused):
            raise FetchError(Reason.SERVER_ERROR, "refused", 500)

    def within(self, spans: Sequence[tuple[float, float]]) -> bool:
        return any(start <= self.clock.now - self.begin < start + span for start, span in spans)

    def scrape(self, scraper: Scraper) -> None:
        """Scrape everything at one moment; get no answer while the program is down or scrapes have an outage."""
        if self.store is not None and not self.within(self.plan.outages):
            scraper.take(self.clock.now, self.store)
            self.store.scraped(self.clock.now)
        self.at(self.clock.now + scraper.period, lambda: self.scrape(scraper))

    def fail(self, number: int, workflow: str, destination: str) -> None:
        destinations = {destination: "Failed"}
        name = f"rend_{number}"
        item = invocation(name, self.clock.now, destinations=destinations, flow_name=workflow)
        self.world.add("invocations", item)
        self.truth[workflow, destination] += 1

    def hang(self, number: int, seconds: float) -> None:
        name, created = f"rend_hung_{number}", self.clock.now
        item = invocation(name, created, status="In Progress", destinations={"box": "In Progress"}, flow_name="A")
        self.world.add("invocations", item)

        def end() -> None:
            failed = invocation(name, created, destinations={"box": "Failed"}, flow_name="A")
            self.world.add("invocations", failed)
            self.truth["A", "box"] += 1

        self.at(self.clock.now + seconds, end)

    def kill(self) -> None:
        if not self.calm:
            raise Killed

    def give(self, statements: int) -> None:
        self.state.statements = statements

    def program(self) -> None:
        """Begin, and run until the time is up or it is killed."""
        source = sources()["inkit"]
        limits = Limits(7 * DAY, HOUR, 30 * DAY, page_size=100, allowance=30)
        listing = source.listing("invocations", Options(workflow_label=True))
        store = SnapshotStore()
        poller = Poller(
            Collector(listing, source.families, limits),
            cast("Client", self.api),
            self.state,
            Output(store.publish, lambda: store.last_scrape, self.created),
            CollectorStatus("prod", "inkit", "invocations"),
            Pace(INTERVAL, 600.0, HOUR),
            workflow_label=True,
            clock=self.clock,
            ticks=self.clock,
        )
        poller.restore()
        poller.publish()
        self.store = store
        drive(poller, self.wait, self.clock)

    def run_until(self, until: float) -> None:
        self.until = until
        downtimes = iter([span for _, span in sorted(self.plan.kills)])
        while self.clock.now < until:
            self.restarts.append(self.clock.now)
            try:
                self.program()
            except Killed:
                self.state.statements = None
                self.store = None
                self.calm_wait(next(downtimes, 1.0))
            self.store = None

    def restarted(self, after: float, until: float) -> bool:
        return any(after < moment <= until for moment in self.restarts)

    def calm_wait(self, seconds: float) -> None:
        """Let time pass while the program is down and can't be killed."""
        calm, self.calm = self.calm, True
        self.advance(self.clock.now + seconds)
        self.calm = calm

    def run(self) -> None:
        for scraper in self.scrapers:
            self.at(NOW + scraper.phase, lambda scraper=scraper: self.scrape(scraper))  # type: ignore[misc]
        self.run_until(NOW + 2 * INTERVAL)
        self.begin = begin = self.clock.now
        for number, (moment, workflow, destination) in enumerate(self.plan.failures):
            self.at(begin + moment, lambda n=number, w=workflow, d=destination: self.fail(n, w, d))  # type: ignore[misc]
        for number, (moment, seconds) in enumerate(self.plan.hung):
            self.at(begin + moment, lambda n=number, s=seconds: self.hang(n, s))  # type: ignore[misc]
        for moment, _ in self.plan.kills:
            self.at(begin + moment, self.kill)
        for moment, statements in self.plan.dying:
            self.at(begin + moment, lambda n=statements: self.give(n))  # type: ignore[misc]
        self.calm = False
        ends = [start + span for start, span in (*self.plan.refused, *self.plan.outages, *self.plan.kills)]
        self.run_until(begin + max([1200.0, *ends]))
        self.calm, self.state.statements = True, None
        self.run_until(self.clock.now + 5 * INTERVAL)


def seen(scraper: Scraper, simulation: Simulation) -> Counter[tuple[str, str]]:
    """Return what `increase()` adds up to, by workflow and destination. Each series is checked on the way."""
    rises: Counter[tuple[str, str]] = Counter()
    for series, samples in scraper.samples.items():
        assert samples[0][1] == 0.0, f"{series} began above 0"
        for (before, low), (after, high) in itertools.pairwise(samples):
            assert high >= low, f"{series} fell"
            # What a program published before it died may first be scraped from the next one.
            if high > low and not simulation.plan.outages and not simulation.restarted(before, after):
                assert after - before < 2 * INTERVAL, f"{series} rose while nobody looked"
            if series.startswith(GENERATIONS) and 'status="failed"' in series:
                labels = dict(part.split("=") for part in series.partition("{")[2].rstrip("}").split(","))
                rises[labels["workflow"].strip('"'), labels["destination"].strip('"')] += int(high - low)
    return rises


def judge(plan: Plan, created: bool) -> None:
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        resources.enter_context(prepared(folder / "state.db"))
        simulation = Simulation(plan, folder, created)
        resources.callback(simulation.state.close)
        simulation.run()
        for scraper in simulation.scrapers:
            assert seen(scraper, simulation) == simulation.truth


@pytest.mark.parametrize("created", [False, True], ids=["plain", "created-timestamps"])
@pytest.mark.parametrize("outages", [False, True], ids=["one-or-two-scrapers", "one-that-is-not-answered-for-a-while"])
def test_every_event_is_a_rise_between_two_samples_and_no_sample_falls(outages: bool, created: bool) -> None:
    @settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
    @given(plans(outages=outages))
    def hold(plan: Plan) -> None:
        judge(plan, created)

    hold()


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.tuples(*[st.tuples(st.floats(5, INTERVAL - 1), st.floats(0, INTERVAL))] * 2),
    st.floats(200, 1100),
    LATENCIES.map(tuple),
)
def test_what_fails_while_nobody_scrapes_is_seen_by_each_who_scrapes_again(
    scrapers: tuple[tuple[float, float], ...], failure: float, latencies: tuple[float, ...]
) -> None:
    plan = Plan(scrapers, ((failure, "A", "box"),), (), (), (), (), ((10.0, 1200.0),), latencies)
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder) / "state.db"):
        simulation = Simulation(plan, Path(folder))
        with closing(simulation.state):
            simulation.run()
    for scraper in simulation.scrapers:
        assert seen(scraper, simulation) == simulation.truth
        for samples in scraper.samples.values():
            for (before, low), (after, high) in itertools.pairwise(samples):
                assert high == low or after - before < 2 * INTERVAL
