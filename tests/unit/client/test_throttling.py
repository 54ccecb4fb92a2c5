"""What an answer asks of the requests to come, whatever status and headers an API, a gateway or a firewall gives it."""

import email.utils
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import throttling
from exporter.client.error_response import response_error
from exporter.client.request import Request
from exporter.client.retry import RETRY_AFTER_MAX_SECONDS
from exporter.model.record import FetchError, Reason
from exporter.polling.collector.server_limits import is_refusal
from tests.support import faults
from tests.support.rig import NOW, Pauses, Rig, client

BATCHES = Request("/batches", "/batches")
ANY_REFUSAL = st.sampled_from(sorted({*range(400, 432), 440, 451, 499} - {401, 404, 405, 410, 429}))
LEFT = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "30"}
USED_UP = {**LEFT, "X-RateLimit-Remaining": "0"}


def is_throttled(status: int, headers: Mapping[str, str]) -> bool:
    return throttling.is_throttled(status, headers, NOW)


def pause(status: int, headers: Mapping[str, str]) -> float:
    return throttling.asked(status, headers, 0, NOW).pause


def reason(status: int, headers: Mapping[str, str]) -> Reason:
    return response_error(BATCHES, status, throttled=is_throttled(status, headers)).reason


@given(ANY_REFUSAL, st.integers(0, 100))
def test_a_refusal_that_says_when_to_come_back_is_for_too_many_requests(status: int, seconds: int) -> None:
    headers = {"Retry-After": str(seconds)}
    assert reason(status, headers) is Reason.RATE_LIMITED
    assert pause(status, headers) == seconds


def test_a_403_is_for_too_many_requests_where_the_limit_is_used_up() -> None:
    assert reason(403, USED_UP) is Reason.RATE_LIMITED
    assert pause(403, USED_UP) == 30
    assert reason(403, {"X-RateLimit-Remaining": "0"}) is Reason.RATE_LIMITED


@pytest.mark.parametrize(
    "headers", [{}, LEFT, {"Retry-After": "soon"}, {"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0"}]
)
def test_every_other_403_refuses_the_token(headers: Mapping[str, str]) -> None:
    assert reason(403, headers) is Reason.AUTH


@pytest.mark.parametrize("headers", [USED_UP, {"Retry-After": "3"}])
@pytest.mark.parametrize(
    ("status", "expected"), [(401, Reason.AUTH), (404, Reason.CLIENT_ERROR), (410, Reason.CLIENT_ERROR)]
)
def test_a_refusal_for_another_reason_stays_one_and_its_pause_is_kept(
    status: int, expected: Reason, headers: Mapping[str, str]
) -> None:
    assert reason(status, headers) is expected
    assert pause(status, headers) > 0


@pytest.mark.parametrize("status", [408, 425])
def test_what_a_server_refuses_for_the_moment_may_pass(status: int) -> None:
    assert response_error(BATCHES, status).passing
    assert not is_refusal(response_error(BATCHES, status))


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 500])
def test_of_other_answers_only_the_reason_says_whether_they_may_pass(status: int) -> None:
    assert not response_error(BATCHES, status).passing


@given(st.integers(100, 599).filter(lambda status: status != 200), st.integers(1, 100))
def test_every_answer_that_is_no_result_may_ask_for_a_pause(status: int, seconds: int) -> None:
    assert pause(status, {"Retry-After": str(seconds)}) == seconds


def test_a_result_asks_for_none_by_retry_after() -> None:
    assert pause(200, {"Retry-After": "3"}) == 0


@given(st.integers(0, int(RETRY_AFTER_MAX_SECONDS)), st.integers(-(10**8), 10**8))
def test_a_date_is_compared_with_the_clock_of_the_api(seconds: int, skew: int) -> None:
    """The exporter's clock may be off by anything. The pause would then be none at all, or the longest there is."""
    there = NOW + skew
    headers = {
        "Date": email.utils.formatdate(there, usegmt=True),
        "Retry-After": email.utils.formatdate(there + seconds, usegmt=True),
    }
    assert pause(503, headers) == seconds


def test_a_refusal_for_too_many_requests_is_waited_for_and_retried(rig: Rig) -> None:
    pauses = Pauses()
    rig.mock_api.faults.add(faults.status(403, {"Retry-After": "20"}), times=1)
    assert client(rig.mock_api.url, wait=pauses).get(Request("/batch", "/batch")) is not None
    assert any(19 <= seconds <= 20 for seconds in pauses.seconds)


@pytest.mark.parametrize("status", [403, 429, 503])
def test_an_error_in_the_body_alone_may_ask_for_a_pause_too(rig: Rig, status: int) -> None:
    pauses = Pauses()
    body = b'{"message": "no", "data": null, "errors": ["no"], "status": %d}' % status
    rig.mock_api.faults.add(faults.status(200, {"Retry-After": "20"}, body))
    with pytest.raises(FetchError) as caught:
        client(rig.mock_api.url, wait=pauses, system="packagex").get(BATCHES)
    assert caught.value.reason is (Reason.SERVER_ERROR if status == 503 else Reason.RATE_LIMITED)
    assert any(19 <= seconds <= 20 for seconds in pauses.seconds)


@pytest.mark.parametrize("status", [408, 425])
def test_what_may_pass_is_retried(rig: Rig, status: int) -> None:
    rig.mock_api.faults.add(faults.status(status), times=2)
    assert client(rig.mock_api.url).get(Request("/batch", "/batch")) is not None
