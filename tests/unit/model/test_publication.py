"""When a counter may rise in scrapes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.publication import Scraped, Standing
from exporter.model.record import Key

A: Key = ("a_total",)
B: Key = ("b_total",)
INTERVAL = 60.0


def standing(*series: Key, at: float = 0.0) -> Standing:
    made = Standing(INTERVAL)
    made.expose(frozenset(series), at)
    return made


def may_rise(made: Standing, now: float, last_scrape: float | None = None, expected: bool | None = None) -> list[Key]:
    return made.may_rise([A, B], now, Scraped(last_scrape, last_scrape is not None if expected is None else expected))


@pytest.mark.parametrize(
    ("now", "last_scrape", "expected", "rises"),
    [
        pytest.param(60.0, 10.0, True, True, id="stood-and-seen"),
        pytest.param(59.0, 10.0, True, False, id="too-short"),
        pytest.param(60.0, -1.0, True, False, id="the-last-scrape-was-before"),
        pytest.param(60.0, 0.0, True, False, id="the-last-scrape-began-as-it-was-exposed"),
        pytest.param(60.0, None, True, False, id="the-program-before-was-scraped-and-this-one-not-yet"),
        pytest.param(60.0, None, False, True, id="nobody-scrapes"),
        pytest.param(59.0, None, False, False, id="nobody-scrapes-and-too-short"),
        pytest.param(101.0, 10.0, True, False, id="scrapes-have-stopped"),
        pytest.param(600.0, 590.0, True, True, id="scrapes-go-on"),
    ],
)
def test_a_series_rises_when_its_value_has_stood_and_was_seen(
    now: float, last_scrape: float | None, expected: bool, rises: bool
) -> None:
    assert may_rise(standing(A), now, last_scrape, expected) == ([A] if rises else [])


def test_nobody_is_waited_for_until_somebody_has_scraped() -> None:
    assert standing(A).may_rise([A], 60.0, Scraped()) == [A]


def test_a_series_that_is_not_exposed_does_not_rise() -> None:
    assert may_rise(Standing(INTERVAL), 1000.0, 990.0) == []


def test_a_new_series_whose_start_is_told_rises_at_once_and_then_stands_as_any_other() -> None:
    made, scraped = standing(A), Scraped(90.0, expected=True)
    assert (made.is_new(A), made.is_new(B)) == (False, True)
    assert made.may_rise([A, B], 100.0, scraped, starting=[B]) == [A, B]
    made.expose(frozenset({A, B}), 100.0)
    assert made.is_new(B) is False
    assert made.may_rise([B], 159.0, Scraped(150.0, expected=True)) == []
    assert made.may_rise([B], 160.0, Scraped(150.0, expected=True)) == [B]


def test_a_new_series_whose_start_is_told_waits_while_scrapes_have_stopped() -> None:
    assert standing(A).may_rise([B], 1000.0, Scraped(10.0, expected=True), starting=[B]) == []


def test_nothing_is_new_before_anything_was_exposed() -> None:
    assert Standing(INTERVAL).is_new(A) is False


def test_each_series_stands_by_itself() -> None:
    made = standing(A)
    made.expose(frozenset({A, B}), 50.0)
    assert may_rise(made, 60.0, 55.0) == [A]
    assert may_rise(made, 110.0, 55.0) == [A, B]
    assert made.due([A, B], 50.0) == 60.0
    assert made.due([B], 50.0) == 110.0
    assert made.due([], 50.0) is None


def test_a_series_that_waits_for_a_scrape_does_not_hide_when_another_is_due() -> None:
    made = standing(A)
    made.expose(frozenset({A, B}), 50.0)
    assert may_rise(made, 70.0, -1.0) == []
    assert made.due([A, B], 70.0) == 110.0
    assert made.due([A], 70.0) is None


def test_when_scrapes_go_on_after_they_had_stopped_a_series_is_new_again_for_whoever_else_scrapes() -> None:
    made = standing(A, B)
    assert may_rise(made, 100.0, 95.0) == [A, B]
    assert may_rise(made, 300.0, 95.0) == []
    assert may_rise(made, 360.0, 359.0) == []
    assert made.due([A], 360.0) == 359.0 + INTERVAL
    assert may_rise(made, 418.0, 415.0) == []
    assert may_rise(made, 419.0, 415.0) == [A, B]
    assert may_rise(made, 420.0, 415.0) == [A, B]


def test_when_a_program_is_scraped_for_the_first_time_after_long_a_series_is_new_again() -> None:
    made = standing(A)
    assert may_rise(made, 300.0, None, expected=True) == []
    assert may_rise(made, 320.0, 310.0) == []
    assert may_rise(made, 370.0, 365.0) == [A]


def test_a_restart_makes_nobody_wait_for_longer_than_the_interval() -> None:
    made = standing(A)
    assert may_rise(made, 20.0, None, expected=True) == []
    assert may_rise(made, INTERVAL, 50.0) == [A]


def test_a_series_that_left_and_came_back_is_new_again() -> None:
    made = standing(A, B)
    made.expose(frozenset({A}), 100.0)
    made.expose(frozenset({A, B}), 200.0)
    assert may_rise(made, 230.0, 220.0) == [A]


def test_to_expose_the_same_again_changes_nothing() -> None:
    made = standing(A)
    for moment in range(0, 60, 5):
        made.expose(frozenset({A}), float(moment))
    assert may_rise(made, 60.0, 30.0) == [A]


@given(interval=st.floats(1, 7200), scrapes_each=st.floats(0.01, 1), phase=st.floats(0, 1))
def test_who_scrapes_once_an_interval_never_holds_a_rise_up_for_longer_than_that(
    interval: float, scrapes_each: float, phase: float
) -> None:
    made = Standing(interval)
    made.expose(frozenset({A}), 0.0)
    each = interval * scrapes_each
    last = max(phase * each + each * n for n in range(int(1 / scrapes_each) + 2) if phase * each + each * n <= interval)
    if last > 0:
        assert made.may_rise([A], interval, Scraped(last, expected=True)) == [A]


def test_a_series_may_stand_for_less_than_the_time_between_two_scrapes_that_go_on() -> None:
    """Polls that are asked for come between those of the interval, which scrapes may keep to."""
    made = Standing(INTERVAL, poll_interval=300.0)
    made.expose(frozenset({A}), 0.0)
    assert made.may_rise([A], 59.0, Scraped(10.0, expected=True)) == []
    assert made.may_rise([A], 300.0, Scraped(10.0, expected=True)) == [A]
    assert made.may_rise([A], 461.0, Scraped(10.0, expected=True)) == []
