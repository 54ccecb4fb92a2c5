"""An API that does not answer is asked less and less, but often enough for alerts, and with one request."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.record import STATE_REASONS, Reason
from exporter.polling.silence import LONGEST_INTERVALS, LONGEST_SECONDS, PATIENCE, Silence

OWN = {*STATE_REASONS, Reason.INTERNAL}
"""Reasons that are not the API's."""
APIS = sorted(set(Reason) - OWN)
INTERVALS = st.floats(1, 86_400)
NAMES = st.text(max_size=5)


def silent(interval: float, polls: int, name: str = "prod/invocations") -> Silence:
    silence = Silence(interval, name)
    for _ in range(polls):
        silence.failed(Reason.TIMEOUT, 0)
    return silence


@given(INTERVALS, st.lists(st.sampled_from(APIS), max_size=PATIENCE - 1), NAMES)
def test_a_few_failed_polls_change_nothing(interval: float, reasons: list[Reason], name: str) -> None:
    silence = Silence(interval, name)
    for reason in reasons:
        silence.failed(reason, 0)
    assert not silence.is_long
    assert silence.wait() == 0.0


@pytest.mark.parametrize("reason", APIS)
def test_after_several_polls_without_an_answer_for_whatever_reason_the_next_one_waits(reason: Reason) -> None:
    silence = Silence(60, "prod/invocations")
    for _ in range(PATIENCE):
        silence.failed(reason, 0)
    assert silence.is_long
    assert 96 < silence.wait() <= 120


@given(INTERVALS, st.integers(PATIENCE, 5000), NAMES)
def test_polls_become_rarer_within_bounds(interval: float, polls: int, name: str) -> None:
    silence = silent(interval, polls, name)
    wait = silence.wait()
    assert 1.6 * interval <= wait <= LONGEST_INTERVALS * interval
    assert wait <= max(LONGEST_SECONDS, 2.5 * interval)
    assert wait >= 0.8 * silent(interval, polls - 1, name).wait()


@given(INTERVALS, NAMES)
def test_in_a_long_silence_less_than_half_of_the_polls_are_made(interval: float, name: str) -> None:
    assert silent(interval, PATIENCE + 1, name).wait() >= 2 * interval


@given(st.lists(st.sampled_from(sorted(OWN)), max_size=9), st.integers(0, PATIENCE))
def test_what_is_not_the_fault_of_the_api_is_no_silence_and_ends_none(reasons: list[Reason], polls: int) -> None:
    silence = silent(60, polls)
    for reason in reasons:
        silence.failed(reason, 0)
    assert silence == silent(60, polls)


def test_one_answer_in_a_failed_poll_ends_the_silence() -> None:
    """A backfill that gets on a little at each poll must not be slowed down."""
    silence = silent(60, 7)
    assert silence.failed(Reason.SERVER_ERROR, 1), "the other collectors are notified"
    assert not silence.is_long
    assert silence.wait() == 0.0
    assert not silence.failed(Reason.SERVER_ERROR, 1)
    assert not silence.failed(Reason.SERVER_ERROR, 0)


@pytest.mark.parametrize("polls", [0, 1, PATIENCE, 50])
def test_a_poll_that_has_nothing_to_request_says_nothing_of_the_api(polls: int) -> None:
    silence = silent(60, polls)
    assert silence.succeeded(0) is False
    assert silence == silent(60, polls)


@pytest.mark.parametrize(("polls", "was_long"), [(0, False), (PATIENCE - 1, False), (PATIENCE, True), (50, True)])
def test_a_poll_that_succeeds_ends_the_silence_and_says_whether_it_was_long(polls: int, was_long: bool) -> None:
    silence = silent(60, polls)
    assert silence.succeeded(1) is was_long
    assert not silence.is_long
    assert silence.succeeded(1) is False


def test_collectors_that_fell_silent_together_do_not_ask_together() -> None:
    waits = sorted(silent(60, 20, f"account {number}/invocations").wait() for number in range(100))
    assert waits[0] < 250 < 290 < waits[-1]
    assert max(later - earlier for earlier, later in pairwise(waits)) < 10
