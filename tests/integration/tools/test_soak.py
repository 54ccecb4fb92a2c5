"""The judges of a soak find growth and lost counts in made-up histories, and none in those that are right."""

import random
from collections import Counter
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.soak.flatness import LIMITS, Fit, Sample, fit, fits, rates, slope
from tests.support.soak.increases import Increases
from tests.support.walk import Deck

MIB = 1024.0 * 1024.0


def seconds(count: int) -> list[float]:
    return [float(number) for number in range(count)]


def memory(*values: float) -> Fit:
    return fit("memory", list(zip(seconds(len(values)), values, strict=True)))


@pytest.mark.parametrize(
    ("values", "flat"),
    [
        ([100 * MIB] * 300, True),
        # A leak of a tenth of a MiB a second, under noise.
        ([100 * MIB + 0.1 * MIB * at + random.Random(at).uniform(-5, 5) * MIB for at in range(300)], False),
        ([100 * MIB + random.Random(at).uniform(-20, 20) * MIB for at in range(300)], True),
        # A burst at the end is no growth yet, and neither is what is given back each minute.
        ([*[100 * MIB] * 250, *[200 * MIB] * 50], True),
        ([100 * MIB + at % 60 / 5 * MIB for at in range(300)], True),
        ([200 * MIB - 0.3 * MIB * at for at in range(300)], True),
        ([], True),
        ([100 * MIB], True),
    ],
)
def test_what_grows_is_told_from_what_goes_up_and_down(values: list[float], flat: bool) -> None:
    assert memory(*values).flat is flat


def test_a_log_that_is_written_faster_and_faster_is_not_flat() -> None:
    steady = [Sample(at, MIB, 10, 10, MIB, MIB, 5_000 * at) for at in seconds(100)]
    faster = [sample._replace(logged=100 * sample.at**2) for sample in steady]
    assert [found.name for found in fits(steady) if not found.flat] == []
    assert [found.name for found in fits(faster) if not found.flat] == ["log_rate"]


@pytest.mark.parametrize("name", [name for name in LIMITS if name != "log_rate"])
def test_everything_that_is_measured_is_judged(name: str) -> None:
    samples = [Sample(at, 1, 1, 1, 1, 1, 0)._replace(**{name: at * MIB}) for at in seconds(100)]
    assert [found.name for found in fits(samples) if not found.flat] == [name]


@given(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3), st.integers(2, 500))
def test_the_slope_of_a_line_is_found(start: float, rise: float, count: int) -> None:
    found = slope([(at, start + rise * at) for at in seconds(count)])
    assert found == pytest.approx(rise, abs=1e-6 * (1 + abs(start) + abs(rise)))


def test_rates_are_those_of_each_part_of_the_time() -> None:
    points = [(at, 10 * at if at < 50 else 500 + 20 * (at - 50)) for at in seconds(101)]
    assert [rate for _, rate in rates(points)] == [10.0] * 5 + [20.0] * 5
    assert rates([]) == []


@given(st.lists(st.lists(st.integers(0, 5), max_size=5), max_size=6), st.booleans())
def test_increases_are_what_has_happened_whatever_restarts_do(processes: list[list[int]], kept: bool) -> None:
    """A counter that is kept goes on after a restart; one that is not begins at 0, and is seen to."""
    seen, counted = Increases(), 0
    seen.take({"x": 0.0})
    for events in processes:
        start = counted if kept else 0
        for value in accumulate(events, initial=start):
            seen.take({"x": float(value)})
            seen.take({})
        counted += sum(events)
    assert seen.total == {"x": counted}
    assert not (kept and seen.falls)


def test_what_a_series_begins_with_is_no_increase_and_a_fall_is_told() -> None:
    seen = Increases()
    for value in (7.0, 8.0, 3.0):
        seen.take({'x{a="1"}': value})
    assert seen.total == {'x{a="1"}': 4.0}
    assert seen.falls == ['x{a="1"} is 3 after 8']
    assert seen.page() == 'x{a="1"} 4'


def test_all_actions_are_done_before_any_is_done_more_often() -> None:
    story: list[str] = []
    done: Counter[str] = Counter()
    deck = Deck(random.Random(1), {"a": (2, lambda: story.append("a")), "b": (1, lambda: story.append("b"))})
    for _ in range(6):
        deck.act(done)
    assert sorted(story[:3]) == sorted(story[3:]) == ["a", "a", "b"]
    assert done == {"a": 4, "b": 2}
