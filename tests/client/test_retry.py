"""What is asked again, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import retry
from exporter.records import Reason

NOW = 1_700_000_000.0


@pytest.mark.parametrize("reason", [Reason.CONNECTION, Reason.RATE_LIMITED, Reason.SERVER_ERROR])
def test_what_may_pass_is_asked_again_but_not_for_ever(reason: Reason) -> None:
    assert [retry.worth_asking_again(reason, attempt) for attempt in (1, 2, 3, 4)] == [True, True, False, False]


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.CONNECTION, Reason.RATE_LIMITED, Reason.SERVER_ERROR}))
def test_what_would_be_the_same_again_is_not_asked_again(reason: Reason) -> None:
    assert not retry.worth_asking_again(reason, 1)


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_a_backoff_grows_and_is_bounded_and_never_less_than_half_of_its_step(attempt: int, random: float) -> None:
    step = min(retry.BACKOFF_MAX_SECONDS, retry.BACKOFF_BASE_SECONDS * 2 ** (attempt - 1))
    assert step / 2 <= retry.backoff(attempt, random) <= step


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("7", 7.0, id="seconds"),
        pytest.param(" 7 ", 7.0, id="spaces"),
        pytest.param("0", 0.0, id="at-once"),
        pytest.param("86400", retry.RETRY_AFTER_MAX_SECONDS, id="a-day-is-clamped"),
        pytest.param("9" * 5000, retry.RETRY_AFTER_MAX_SECONDS, id="absurd"),
        pytest.param("Tue, 14 Nov 2023 22:13:50 GMT", 30.0, id="date"),
        pytest.param("Tue, 14 Nov 2023 22:13:50 -0000", 30.0, id="date-without-zone"),
        pytest.param("Tue, 14 Nov 2023 22:00:00 GMT", 0.0, id="date-in-the-past"),
        pytest.param("Wed, 14 Nov 2029 22:13:50 GMT", retry.RETRY_AFTER_MAX_SECONDS, id="far-date-is-clamped"),
        pytest.param("soon", None, id="words"),
        pytest.param("-3", None, id="negative"),
        pytest.param("1.5", None, id="fraction"),
        pytest.param("٣", None, id="other-digits"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_a_retry_after_is_read_as_seconds_or_date_and_clamped(header: str | None, seconds: float | None) -> None:
    assert retry.retry_after(header, NOW) == seconds


@given(st.text())
def test_no_retry_after_is_an_error(header: str) -> None:
    pause = retry.retry_after(header, NOW)
    assert pause is None or 0 <= pause <= retry.RETRY_AFTER_MAX_SECONDS
