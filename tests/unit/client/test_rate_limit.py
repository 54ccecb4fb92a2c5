"""The rate limit of an account: wherever requests wait, no more begin than it allows."""

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import Client, Request, Stopping, ThreadRunner
from exporter.client.client import Access
from exporter.client.rate_limit import RateLimiter
from exporter.client.transport import Answer, Transport
from exporter.model.tls import TLSConfig
from tests.support.patience import GENEROUS, eventually
from tests.support.rig import Meter

ANY = Request("/batch", "/batch")


class Clock:
    """Stands still but for waits, which may end late."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 1000.0
        self.late = late

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds + (self.late if seconds > 0 else 0.0)
        return False

    def sleep(self, seconds: float) -> None:
        self.wait(seconds)


class Recorder(Transport):
    """Answers at once, and remembers when it was asked."""

    def __init__(self, clock: Callable[[], float], answer: Callable[[], object] = lambda: None) -> None:
        super().__init__(TLSConfig(), None)
        self.begun: list[float] = []
        self._clock = clock
        self._answer = answer

    def get(
        self, url: str, params: Mapping[str, str], headers: Mapping[str, str], deadline: float, most: int = 0
    ) -> Answer:
        self.begun.append(self._clock())
        self._answer()
        return Answer(200, {}, bytearray(b"{}"))


def turns(limiter: RateLimiter, clock: Clock, count: int) -> list[float]:
    """Return when so many requests begin, in seconds since the first."""
    times = []
    for _ in range(count):
        limiter.take_turn(clock.sleep)
        times.append(round(clock.now - 1000.0, 6))
    return times


def test_requests_are_spread_evenly_over_the_second() -> None:
    clock = Clock()
    assert turns(RateLimiter(4, 1, clock), clock, 5) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_a_rate_below_one_means_less_than_a_request_a_second() -> None:
    clock = Clock()
    assert turns(RateLimiter(0.1, 1, clock), clock, 3) == [0.0, 10.0, 20.0]


def test_time_in_which_nothing_was_asked_is_not_saved_up() -> None:
    clock = Clock()
    limiter = RateLimiter(1, 1, clock)
    limiter.take_turn(clock.sleep)
    clock.now += 100
    assert turns(limiter, clock, 2) == [100.0, 101.0]


def test_who_need_not_wait_does_not() -> None:
    waits: list[float] = []
    assert RateLimiter(1.0, 1, Clock()).take_turn(waits.append) == 0.0
    assert waits == []


def test_the_time_waited_is_reported() -> None:
    clock = Clock()
    limiter = RateLimiter(4, 1, clock)
    assert [limiter.take_turn(clock.sleep) for _ in range(3)] == [0.0, 0.25, 0.25]


def test_a_pause_the_server_asks_for_holds_everybody() -> None:
    clock = Clock()
    limiter = RateLimiter(10, 4, clock)
    limiter.pause(30)
    assert turns(limiter, clock, 2) == [30.0, 30.1]
    clock.now += 60
    assert limiter.take_turn(clock.sleep) == 0.0


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    clock = Clock()
    limiter = RateLimiter(10, 4, clock)
    limiter.pause(30)
    limiter.pause(5)
    assert turns(limiter, clock, 1) == [30.0]


def test_a_pause_that_is_asked_for_meanwhile_holds_also_who_waits_already() -> None:
    clock = Clock()
    limiter = RateLimiter(1, 4, clock)
    limiter.take_turn(clock.sleep)
    pauses = iter([30.0])

    def wait(seconds: float) -> None:
        clock.sleep(seconds / 2)
        for pause in pauses:
            limiter.pause(pause)
        clock.sleep(seconds / 2)

    limiter.take_turn(wait)
    assert clock.now == 1000.0 + 0.5 + 30.0


def test_a_pause_can_be_asked_for_while_another_waits_for_its_turn() -> None:
    limiter = RateLimiter(0.001, 4, time.monotonic)
    limiter.take_turn(lambda _: None)
    waiting, over = threading.Event(), threading.Event()

    def wait(_: float) -> None:
        waiting.set()
        over.wait(GENEROUS)

    thread = threading.Thread(target=limiter.take_turn, args=(wait,), daemon=True)
    thread.start()
    assert waiting.wait(GENEROUS)
    started = time.monotonic()
    limiter.pause(1)
    assert time.monotonic() - started < 15
    over.set()
    thread.join(GENEROUS)


def test_who_stops_while_waiting_leaves_its_turn_to_the_next() -> None:
    clock = Clock()
    limiter = RateLimiter(1, 4, clock)
    limiter.take_turn(clock.sleep)

    def stop(_: float) -> None:
        raise Stopping

    with pytest.raises(Stopping):
        limiter.take_turn(stop)
    assert turns(limiter, clock, 1) == [1.0]


STEPS = st.one_of(
    st.tuples(st.just("idle"), st.floats(0, 10)),
    st.tuples(st.just("token"), st.floats(0, 10)),
    st.tuples(st.just("answer"), st.floats(0, 10)),
    st.tuples(st.just("late"), st.floats(0, 3)),
    st.tuples(st.just("hold"), st.floats(0, 20)),
)
"""What can take time around a request: the one that asks, its token's file, the server, the machine, Retry-After."""


@given(st.floats(0.01, 1000), st.lists(st.lists(STEPS, max_size=3), min_size=2, max_size=20))
def test_no_two_requests_begin_closer_than_the_rate_allows(
    rate: float, arrivals: list[list[tuple[str, float]]]
) -> None:
    clock = Clock()
    limiter = RateLimiter(rate, 4, clock)
    spent: dict[str, Any] = {}

    def token() -> str:
        clock.now += spent.get("token", 0.0)
        return "token"

    def answer() -> None:
        clock.now += spent.get("answer", 0.0)

    transport = Recorder(clock, answer)
    client = Client(
        Access("http://127.0.0.1:9", "Token", token, 5.0), transport, limiter, Meter(), ThreadRunner(clock.wait)
    )
    held = [0.0]
    for steps in arrivals:
        spent = dict(steps)
        clock.now += spent.get("idle", 0.0)
        clock.late = spent.get("late", 0.0)
        limiter.pause(spent.get("hold", 0.0))
        held.append(clock.now + spent.get("hold", 0.0))
        client.get(ANY)
        assert transport.begun[-1] >= max(held) - 1e-6
    pairs = itertools.pairwise(transport.begun)
    assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in pairs)


def test_requests_that_waited_for_a_place_do_not_go_all_at_once() -> None:
    """A slow answer keeps both places. Requests that missed their turn meanwhile must not catch up in a burst."""
    slow = threading.Event()
    transport = Recorder(time.monotonic, lambda: slow.wait(GENEROUS))
    waiting = threading.Event()
    access = Access("http://127.0.0.1:9", "Token", lambda: "token", 5.0)
    client = Client(access, transport, RateLimiter(20, 2, time.monotonic), Meter(), ThreadRunner(waiting.wait))
    threads = [threading.Thread(target=client.get, args=(ANY,), daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(transport.begun) == 2)
    time.sleep(0.4)
    assert len(transport.begun) == 2, "no more under way than there are places"
    let_go = time.monotonic()
    slow.set()
    for thread in threads:
        thread.join(GENEROUS)
    assert len(transport.begun) == 8
    assert max(transport.begun) - let_go > 5 / 20 - 0.01
