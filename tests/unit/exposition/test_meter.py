"""The lines about an account's requests: as the library would render them, and again only when they change."""

import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import prometheus_client
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.exposition import meter as meter_module
from exporter.exposition import self_metrics
from exporter.exposition.meter import EXPECTED_CODES, AccountMeter
from exporter.exposition.request_families import REQUESTS, THROTTLED
from exporter.exposition.scrape import OPENMETRICS, TEXT, Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.model.family import Family

ENCODERS: dict[str, Callable[[Collector], bytes]] = {
    TEXT: generate_latest,
    OPENMETRICS: openmetrics_exposition.generate_latest,
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ENDPOINTS = st.sampled_from(["/batch", "/invoke"]) | TEXTS
CODES = st.sampled_from([*EXPECTED_CODES, "503"]) | TEXTS
EVENTS = st.lists(
    st.tuples(ENDPOINTS, CODES)
    | st.floats(0, 1e9)
    | st.lists(ENDPOINTS, max_size=2)
    | st.sampled_from([TEXT, OPENMETRICS])
)
"""A request that was answered, seconds that one was throttled for, endpoints that are expected, or a scrape."""


def live_metrics() -> SelfMetrics:
    return SelfMetrics("1", "abc", SnapshotStore())


@pytest.fixture
def live() -> SelfMetrics:
    return live_metrics()


class Interruptions:
    """Let other threads run between any two operations of the meters, at random."""

    def __init__(self) -> None:
        self._random = random.Random(1)

    def start(self) -> None:
        """Interrupt the thread that calls this."""
        sys.settrace(self._called)

    def _called(self, frame: FrameType, event: str, value: object) -> Any:
        if frame.f_code.co_filename not in (meter_module.__file__, self_metrics.__file__):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self._interrupt

    def _interrupt(self, frame: FrameType, event: str, value: object) -> Any:
        if self._random.random() < 0.1:
            time.sleep(1e-6)
        return self._interrupt


def scrape(live: SelfMetrics, accept: str = TEXT, names: Sequence[str] = ()) -> bytes:
    return b"".join(Exposition(SnapshotStore(), (), live.registry).render(accept, names=names).chunks)


def without_the_process(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if b"process_" not in line and b"python_" not in line]


def of_requests(text: bytes) -> list[bytes]:
    """Return the lines of REQUESTS and THROTTLED, with HELP and TYPE."""
    names = (b"batch_exporter_api_requests", b"batch_exporter_api_throttled_seconds")
    return [
        line for line in text.split(b"\n") if line.removeprefix(b"# HELP ").removeprefix(b"# TYPE ").startswith(names)
    ]


class Library:
    """What AccountMeter counts, counted by the library."""

    def __init__(self, account: str, system: str) -> None:
        self.registry = CollectorRegistry()
        self.own = account, system
        self.requests, self.throttles = map(self._counter, (REQUESTS, THROTTLED))
        self.throttles.labels(*self.own)

    def _counter(self, family: Family) -> prometheus_client.Counter:
        return prometheus_client.Counter(family.name, family.help, family.labels, registry=self.registry)


@given(TEXTS, TEXTS, EVENTS)
@example("a b", "inkit", [("/batch", "200"), TEXT, ("/batch", "200")])
def test_whatever_is_counted_the_bytes_are_those_of_the_library(
    account: str, system: str, events: list[tuple[str, str] | float | list[str] | str]
) -> None:
    live = live_metrics()
    meter, library = live.meter(account, system), Library(account, system)
    for event in [*events, *ENCODERS]:
        match event:
            case str():
                assert of_requests(scrape(live, event)) == of_requests(ENCODERS[event](library.registry))
            case float():
                meter.throttled(event)
                library.throttles.labels(account, system).inc(event)
            case list():
                meter.expect(event)
                for endpoint in event:
                    for code in EXPECTED_CODES:
                        library.requests.labels(account, system, endpoint, code)
            case (endpoint, code):
                meter.answered(endpoint, code, 0.1)
                library.requests.labels(account, system, endpoint, code).inc()


@pytest.mark.parametrize("accept", ENCODERS)
@pytest.mark.parametrize("accounts", [[], ['a \\ "b" \n c'], ["b", "a"]])
def test_a_scrape_has_the_bytes_of_the_library(live: SelfMetrics, accept: str, accounts: list[str]) -> None:
    for account in accounts:
        meter = live.meter(account, "inkit")
        meter.expect(["/batch", "/invoke"])
        meter.answered("/batch", "503", 0.2)
        meter.answered("/batch", "200", 0.2)
        meter.throttled(1.5)
        meter.rate_limit(100, 0, 3600.25)
    ours = scrape(live, accept)
    assert without_the_process(ours) == without_the_process(ENCODERS[accept](live.registry))
    assert ours.count(b'code="503"') == len(accounts)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("batch_exporter_api_requests_total", [REQUESTS]),
        ("batch_exporter_api_throttled_seconds_total", [THROTTLED]),
        ("batch_exporter_api_requests", []),
        ("batch_exporter_reload_successful", []),
    ],
)
def test_a_scrape_by_name_has_the_lines_of_all_accounts(live: SelfMetrics, name: str, kept: list[Family]) -> None:
    for account in ("a", "b"):
        live.meter(account, "inkit").expect(["/batch"])
    complete = of_requests(scrape(live))
    assert of_requests(scrape(live, names=[name])) == [
        line for line in complete if any(family.name.encode() in line for family in kept)
    ]


def test_a_scrape_by_name_has_no_family_without_lines(live: SelfMetrics) -> None:
    live.meter("a", "inkit")
    assert scrape(live, names=[REQUESTS.name]) == b""
    assert of_requests(scrape(live, names=[THROTTLED.name])) != []


def test_the_lines_of_an_account_are_rendered_again_only_when_something_was_counted(live: SelfMetrics) -> None:
    meter = live.meter("prod", "inkit")
    meter.expect(["/batch"])
    first = meter.rendered(REQUESTS)
    meter.throttled(0.0)
    meter.throttled(0.5)
    assert meter.rendered(THROTTLED).endswith(b" 0.5\n")
    assert meter.rendered(REQUESTS) is first
    meter.answered("/batch", "200", 0.1)
    second = meter.rendered(REQUESTS)
    assert b'code="200",endpoint="/batch",system="inkit"} 1.0\n' in second
    assert meter.rendered(REQUESTS) is second


def test_what_is_counted_beside_a_rendering_is_in_the_next_one(live: SelfMetrics) -> None:
    meter = live.meter("prod", "inkit")
    for number in range(1, 4):
        meter.answered("/batch", "200", 0.1)
        assert meter.rendered(REQUESTS).endswith(f" {number}.0\n".encode())


def test_threads_that_count_and_render_at_once_lose_nothing_and_see_what_was_counted_before(live: SelfMetrics) -> None:
    """Each thread has a series of its own, and all have one in common."""
    meter, threads, times = live.meter("prod", "inkit"), 4, 30

    def number(endpoint: str) -> int:
        lines = meter.rendered(REQUESTS).decode().splitlines()
        [line] = [line for line in lines if f'endpoint="{endpoint}"' in line]
        return int(float(line.rpartition(" ")[2]))

    def work(endpoint: str) -> None:
        before = 0
        for count in range(1, times + 1):
            meter.answered("/of_all", "200", 0.1)
            meter.answered(endpoint, "200", 0.1)
            meter.throttled(0.25)
            assert number(endpoint) == count
            of_all = number("/of_all")
            assert max(count, before) <= of_all
            before = of_all

    with ThreadPoolExecutor(threads, initializer=Interruptions().start) as pool:
        list(pool.map(work, [f"/{place}" for place in range(threads)]))
    assert number("/of_all") == threads * times
    assert meter.rendered(THROTTLED).endswith(f" {threads * times / 4}\n".encode())


def test_accounts_that_begin_while_others_are_removed_keep_their_meters(live: SelfMetrics) -> None:
    """One thread begins accounts, and another one has just loaded the configuration: no change of either is lost."""
    accounts, begun = [f"a{number}" for number in range(30)], threading.Event()

    def begin() -> None:
        for account in accounts:
            live.meter(account, "inkit")
        begun.set()

    def reload() -> None:
        while not begun.is_set():
            live.keep([(account, "inkit") for account in accounts])

    with ThreadPoolExecutor(2, initializer=Interruptions().start) as pool:
        for done in [pool.submit(begin), pool.submit(reload)]:
            done.result()
    assert [account for account in accounts if f'account="{account}"'.encode() not in scrape(live)] == []


def test_a_request_that_ends_after_its_account_was_removed_does_not_bring_its_lines_back(live: SelfMetrics) -> None:
    meters: list[AccountMeter] = []
    for account in ("gone", "kept"):
        meter = live.meter(account, "inkit")
        meter.expect(["/batch"])
        meters.append(meter)
    assert b'account="gone"' in scrape(live)
    live.keep([("kept", "inkit")])
    meters[0].answered("/batch", "200", 0.1)
    meters[0].throttled(1.0)
    assert b'account="gone"' not in scrape(live)
    assert b'account="kept"' in scrape(live)
    assert live.meter("kept", "inkit") is meters[1]
    live.meter("gone", "inkit")
    assert len(of_requests(scrape(live))) == len(EXPECTED_CODES) + 2 + 4, "the account starts over without requests"
