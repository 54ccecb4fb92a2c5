"""What is asked again, and when."""

import decimal
import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import retry
from exporter.model.record import Reason

NOW = 1_700_000_000.0


MAY_PASS = {Reason.CONNECTION, Reason.RATE_LIMITED, Reason.SERVER_ERROR}


@pytest.mark.parametrize("reason", Reason)
def test_what_may_pass_is_asked_again_and_what_would_be_the_same_is_not(reason: Reason) -> None:
    assert retry.is_retryable(reason) is (reason in MAY_PASS)


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_a_backoff_grows_and_is_bounded_and_never_less_than_half_of_its_step(attempt: int, random: float) -> None:
    step = min(retry.BACKOFF_MAX_SECONDS, retry.BACKOFF_BASE_SECONDS * 2 ** (attempt - 1))
    assert step / 2 <= retry.backoff(attempt, random) <= step


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("7", 7.0, id="seconds"),
        pytest.param(" 7 ", 7.0, id="spaces"),
        pytest.param("7\x1f", 7.0, id="white-space-that-is-none-in-a-number"),
        pytest.param("0", 0.0, id="at-once"),
        pytest.param("86400", retry.RETRY_AFTER_MAX_SECONDS, id="a-day-is-clamped"),
        pytest.param("9" * 5000, retry.RETRY_AFTER_MAX_SECONDS, id="absurd"),
        pytest.param("Tue, 14 Nov 2023 22:13:50 GMT", 30.0, id="date"),
        pytest.param("Tue, 14 Nov 2023 22:13:50 -0000", 30.0, id="date-without-zone"),
        pytest.param("Tue, 14 Nov 2023 22:00:00 GMT", 0.0, id="date-in-the-past"),
        pytest.param("Wed, 14 Nov 2029 22:13:50 GMT", retry.RETRY_AFTER_MAX_SECONDS, id="far-date-is-clamped"),
        pytest.param("soon", None, id="words"),
        pytest.param("-3", None, id="negative"),
        pytest.param("4.5", 5.0, id="fraction-is-rounded-up"),
        pytest.param("4.", 4.0, id="point-without-fraction"),
        pytest.param(".5", 1.0, id="fraction-alone"),
        pytest.param("119.5", retry.RETRY_AFTER_MAX_SECONDS, id="fraction-at-the-limit"),
        pytest.param("nan", None, id="nan"),
        pytest.param("inf", None, id="infinity"),
        pytest.param("1e1", None, id="exponent"),
        pytest.param("3 s", None, id="unit"),
        pytest.param("5, 10, 7", 10.0, id="several"),
        pytest.param("soon, 7", 7.0, id="several-one-of-use"),
        pytest.param("5, Tue, 14 Nov 2023 22:13:50 GMT, 7", 30.0, id="several-with-a-date"),
        pytest.param("Tuesday, 14-Nov-23 22:13:50 GMT", 30.0, id="date-of-rfc-850"),
        pytest.param("Tue Nov 14 22:13:50 2023", 30.0, id="date-of-asctime"),
        pytest.param(",", None, id="comma"),
        pytest.param("٣", None, id="other-digits"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_a_retry_after_is_read_as_seconds_or_date_and_clamped(header: str | None, seconds: float | None) -> None:
    assert retry.retry_after(header, NOW) == seconds


def headers() -> st.SearchStrategy[str]:
    """Return a strategy for values of Retry-After as servers and proxies send them, and for worse ones."""
    numbers = st.integers(-(10**30), 10**30).map(str) | st.floats().map(str) | st.decimals().map(str)
    dates = st.floats(-1e12, 1e12).map(lambda seconds: email.utils.formatdate(seconds % 1e11, usegmt=True))
    header = numbers | dates | st.text() | st.from_regex(r"[0-9.,: +-]*")
    return st.lists(header, min_size=1, max_size=4).map(", ".join)


@given(headers())
def test_no_retry_after_is_an_error_and_every_pause_is_whole_and_bounded(header: str) -> None:
    pause = retry.retry_after(header, NOW)
    assert pause is None or (0 <= pause <= retry.RETRY_AFTER_MAX_SECONDS and pause == int(pause))


@given(st.decimals(0, 10**9, places=3))
def test_nobody_comes_back_before_the_time_asked_for(seconds: decimal.Decimal) -> None:
    pause = retry.retry_after(f"{seconds:f}", NOW)
    assert pause is not None
    assert min(float(seconds), retry.RETRY_AFTER_MAX_SECONDS) <= pause < float(seconds) + 1


@given(st.lists(st.integers(0, 200), min_size=1, max_size=5))
def test_of_several_pauses_the_longest_counts(pauses: list[int]) -> None:
    each = [retry.retry_after(str(seconds), NOW) for seconds in pauses]
    assert retry.retry_after(", ".join(map(str, pauses)), NOW) == max(pause for pause in each if pause is not None)
