"""The pace of an account."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from exporter.client.budget import Budget


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_requests_are_spread_evenly_over_the_second() -> None:
    budget = Budget(4, 1, Clock())
    assert [budget.reserve() for _ in range(5)] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_a_rate_below_one_means_less_than_a_request_a_second() -> None:
    budget = Budget(0.1, 1, Clock())
    assert [budget.reserve() for _ in range(3)] == [0.0, 10.0, 20.0]


def test_time_in_which_nothing_was_asked_is_not_saved_up() -> None:
    clock = Clock()
    budget = Budget(1, 1, clock)
    budget.reserve()
    clock.now += 100
    assert [budget.reserve(), budget.reserve()] == [0.0, 1.0]


def test_a_pause_the_server_asks_for_holds_everybody() -> None:
    clock = Clock()
    budget = Budget(10, 4, clock)
    budget.hold(30)
    assert budget.reserve() == 30.0
    clock.now += 60
    assert budget.reserve() == 0.0


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    budget = Budget(10, 4, Clock())
    budget.hold(30)
    budget.hold(5)
    assert budget.reserve() == 30.0


@given(st.floats(0.01, 1000), st.lists(st.floats(0, 10), min_size=2, max_size=50))
def test_no_two_requests_are_closer_than_the_rate_allows(rate: float, steps: list[float]) -> None:
    clock = Clock()
    budget = Budget(rate, 1, clock)
    times = []
    for step in steps:
        clock.now += step
        times.append(clock.now + budget.reserve())
    assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in itertools.pairwise(times))
