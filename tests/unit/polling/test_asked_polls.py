"""Polls that are asked for: at once, once for all who ask, and never faster than the schedule allows."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.polling.schedule import ASKED_POLLS, Schedule, Turn, apart_seconds
from tests.support.properties import examples

INTERVAL = 300.0
APART = INTERVAL / ASKED_POLLS


def take(schedule: Schedule[str], now: float) -> Turn[str] | None:
    return schedule.take(now, lambda _: True, lambda _: True)


def polled(*, succeeded: bool = True, wait: float = 0.0) -> Schedule[str]:
    """Return a schedule with one collector, polled from 0 to 1 and due at 300."""
    schedule: Schedule[str] = Schedule()
    schedule.add("a", INTERVAL, 0)
    turn = take(schedule, 0)
    assert turn is not None
    schedule.done(turn, 1, wait=wait, succeeded=succeeded)
    return schedule


def poll(schedule: Schedule[str], at: float, *, succeeded: bool = True, asked: bool = False) -> None:
    """Poll for a second, as is due by now. `asked`: somebody asks meanwhile."""
    turn = take(schedule, at)
    assert turn is not None
    assert turn.polls
    if asked:
        schedule.ask("a", at + 0.5)
    schedule.done(turn, at + 1, succeeded=succeeded)


def test_whoever_asks_is_served_at_once_and_takes_the_place_of_the_next_poll() -> None:
    schedule = polled()
    schedule.ask("a", 100)
    assert schedule.next_at() == 100
    poll(schedule, 100)
    assert schedule.next_at() == 400


def test_many_who_ask_before_a_poll_begins_have_one_in_common() -> None:
    schedule = polled()
    for second in range(100, 120):
        schedule.ask("a", second)
    poll(schedule, 120)
    assert schedule.next_at() == 400


def test_who_asks_while_a_poll_is_under_way_is_served_by_one_more() -> None:
    schedule = polled()
    turn = take(schedule, 300)
    assert turn is not None
    for _ in range(5):
        schedule.ask("a", 300.5)
    assert take(schedule, 300.5) is None, "never two of a collector"
    schedule.done(turn, 301)
    assert schedule.next_at() == 301
    poll(schedule, 301)
    assert schedule.next_at() == 601


def test_polls_that_are_asked_for_again_and_again_keep_apart() -> None:
    schedule = polled()
    schedule.ask("a", 100)
    poll(schedule, 100, asked=True)
    assert schedule.next_at() == 101 + APART
    schedule.ask("a", 105)
    assert schedule.next_at() == 101 + APART
    poll(schedule, 101 + APART, asked=True)
    assert schedule.next_at() == 102 + 2 * APART


@pytest.mark.parametrize(("interval", "apart"), [(0.01, 1), (30, 1), (60, 2), (300, 10), (3600, 30), (86_400, 30)])
def test_polls_that_are_asked_for_keep_apart_by_what_fits_the_interval(interval: float, apart: float) -> None:
    assert apart_seconds(interval) == apart


def test_however_short_the_interval_polls_that_are_asked_for_are_a_second_apart() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 6, 0)
    poll(schedule, 0)
    schedule.ask("a", 2)
    poll(schedule, 2, asked=True)
    assert schedule.next_at() == 4


def test_nobody_brings_a_first_poll_forward() -> None:
    """First polls are spread, so that a thousand accounts do not begin in one second."""
    schedule: Schedule[str] = Schedule()
    schedule.add("a", INTERVAL, 20)
    schedule.ask("a", 5)
    assert schedule.next_at() == 20


@pytest.mark.parametrize(("wait", "due"), [(0.0, 300.0), (700.0, 701.0)])
def test_after_a_failed_poll_the_next_one_comes_as_if_nobody_asked(wait: float, due: float) -> None:
    schedule = polled(succeeded=False, wait=wait)
    for second in range(1, 300, 7):
        schedule.ask("a", second)
    assert schedule.next_at() == due


def test_who_asked_during_a_poll_that_fails_waits_for_the_next_one() -> None:
    schedule = polled()
    poll(schedule, 300, succeeded=False, asked=True)
    assert schedule.next_at() == 600


@pytest.mark.parametrize(("asked", "due"), [(100.0, 300.0), (299.5, 600.0)])
def test_a_poll_that_was_asked_for_and_fails_delays_no_other_one(asked: float, due: float) -> None:
    schedule = polled()
    schedule.ask("a", asked)
    poll(schedule, asked, succeeded=False)
    schedule.ask("a", asked + 2)
    assert schedule.next_at() == due


def test_once_a_poll_succeeds_again_it_may_be_asked_for_again() -> None:
    schedule = polled(succeeded=False)
    poll(schedule, 300)
    schedule.ask("a", 310)
    assert schedule.next_at() == 310


def test_what_is_published_between_two_polls_delays_nobody_who_asks() -> None:
    schedule = polled()
    turn = take(schedule, 300)
    assert turn is not None
    schedule.done(turn, 301, publish_in=20)
    publish = take(schedule, 321)
    assert publish is not None
    assert not publish.polls
    schedule.ask("a", 321.5)
    schedule.done(publish, 322)
    assert schedule.next_at() == 321.5


def test_a_collector_that_is_not_polled_may_be_asked_for_in_vain() -> None:
    schedule = polled()
    schedule.remove(["a"])
    schedule.ask("a", 10)
    schedule.ask("unknown", 10)
    assert schedule.next_at() is None


class Api:
    """A collector on a clock of its own, and what holds whatever is done to it."""

    def __init__(self, interval: float) -> None:
        self.schedule: Schedule[str] = Schedule()
        self.schedule.add("a", interval, 0.0)
        self.interval = interval
        self.apart = apart_seconds(interval)
        self.now = 0.0
        self.turn: Turn[str] | None = None
        self.succeeded: bool | None = None
        """How the last poll ended."""
        self.ended = self.asked_ended = -math.inf
        """When the last poll ended, and the last one that was asked for."""
        self.regular: float | None = None
        """When the next poll, or the one under way, would have been due if nobody had asked."""
        self.again = False

    @property
    def due(self) -> float:
        return self.schedule.due("a")[0]

    def ask(self) -> None:
        """Ask for a poll."""
        before = self.due
        self.schedule.ask("a", self.now)
        if self.turn is not None:
            assert self.due == before
            self.again = True
        elif self.succeeded:
            assert self.due <= max(self.now, self.ended + self.apart), "due without further delay"
            assert self.due <= before
        else:
            assert self.due == before, "the API has not answered the last poll, or there was none"
        if self.due < before:
            self.regular = before

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and a poll begin if one is due. It takes until `end`."""
        until = self.now + seconds
        while self.turn is None and (at := self.schedule.next_at()) is not None and at <= until:
            self.now = max(self.now, at)
            turn = take(self.schedule, self.now)
            assert turn is not None
            if turn.polls:
                self.turn = turn
                if self.regular is not None:
                    assert self.now - self.asked_ended >= self.apart - 1e-6, "requests can't bring polls too close"
            else:
                self.schedule.done(turn, self.now)
        self.now = until

    def end(self, succeeded: bool, wait: float, publish_in: float | None) -> None:
        """End the poll that is under way, if there is one. The schedule is told to wait only if it failed."""
        if self.turn is None:
            return
        assert take(self.schedule, self.now) is None, "a collector is polled once at a time"
        wait = 0.0 if succeeded else wait
        again, regular, due = self.again, self.regular, self.due
        self.again, self.regular = False, None
        self.schedule.done(self.turn, self.now, publish_in, wait, succeeded=succeeded)
        self.turn, self.succeeded, self.ended = None, succeeded, self.now
        if regular is not None:
            self.asked_ended = self.now
            if not succeeded:
                assert self.due <= max(self.now + wait, self.now + self.interval, regular)
                assert wait or (self.due - regular) % self.interval == pytest.approx(0.0, abs=1e-6)
        assert self.due >= self.now + wait
        if again and succeeded:
            assert self.due <= self.now + self.apart
            without = due + self.interval * max(1, math.ceil((self.now - due) / self.interval))
            self.regular = without if self.due < without else None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask")),
        st.tuples(st.just("pass"), st.sampled_from([0.0, 0.25, 1.0, 5.0, 40.0, 200.0, 1000.0])),
        st.tuples(st.just("end"), st.booleans(), st.sampled_from([0.0, 512.0]), st.sampled_from([None, 0.5, 32.0])),
    ),
    min_size=10,
    max_size=80,
)


@settings(max_examples=examples(300))
@given(st.sampled_from([0.5, 8.0, 64.0, 256.0, 4096.0]), STEPS)
def test_whoever_asks_however_often_is_served_soon_and_makes_nobody_hurry(
    interval: float, steps: list[tuple[Any, ...]]
) -> None:
    api = Api(interval)
    does: dict[str, Callable[..., None]] = {"ask": api.ask, "pass": api.pass_time, "end": api.end}
    for name, *arguments in steps:
        does[name](*arguments)
