"""The API's own rate limit: the account waits before it would be refused, and no longer than it may."""

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import get_args

import pytest

from exporter.client import Client, Request, ThreadRunner, retry
from exporter.client.client import Access
from exporter.client.rate_limit import RateLimiter
from exporter.client.transport import Answer, Transport
from exporter.demo.rate_limit import RateLimit, Style
from exporter.demo.server import MockApi
from exporter.model.record import FetchError
from exporter.model.tls import TLSConfig
from tests.support import faults
from tests.support.patience import GENEROUS
from tests.support.rig import NOW, TOKEN, Meter, Pauses, Rig, client

BATCHES = Request("/batch", "/batch")
USED_UP = {"X-RateLimit-Limit": "9", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}


class Long(Pauses):
    """Remembers the waits that are not for the account's own pace."""

    def __call__(self, seconds: float) -> bool:
        return super().__call__(round(seconds) if seconds > 1 else 0.0)


def get_all(asking: Client, times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(FetchError):
            asking.get(BATCHES)


@pytest.mark.parametrize("style", get_args(Style))
def test_a_limit_is_obeyed_before_the_api_refuses_a_request(rig: Rig, style: Style) -> None:
    wait, meter = Long(), Meter()
    with MockApi(rig.world, TOKEN, rate_limit=RateLimit(3, 60, style, lambda: NOW)) as limited:
        asking = client(limited.url, wait=wait, meter=meter)
        get_all(asking, 3)
        assert wait.seconds == []
        get_all(asking, 1)
    assert wait.seconds[0] == 60
    assert meter.waited >= 59
    assert meter.limits[:3] == [(3, 2, 60), (3, 1, 60), (3, 0, 60)]


def answered(rig: Rig, headers: Mapping[str, str], code: int = 200) -> Sequence[float]:
    """Return how many seconds the request waits that follows a response with this status and these headers."""
    wait = Long()
    body = b'{"items": []}' if code == 200 else b"{}"
    rig.mock_api.faults.add(faults.status(code, headers, body), times=1)
    get_all(client(rig.mock_api.url, wait=wait), 2)
    return wait.seconds[:1]


def test_a_long_wait_is_bounded_as_one_by_retry_after_is(rig: Rig) -> None:
    assert answered(rig, {**USED_UP, "X-RateLimit-Reset": "86400"}) == [retry.RETRY_AFTER_MAX_SECONDS]


@pytest.mark.parametrize(
    "headers",
    [{}, {**USED_UP, "X-RateLimit-Remaining": "1"}, {**USED_UP, "X-RateLimit-Reset": "?"}, {"X-RateLimit-Reset": "30"}],
)
def test_nothing_waits_where_requests_are_left_or_no_reset_is_known(rig: Rig, headers: Mapping[str, str]) -> None:
    assert answered(rig, headers) == []


def test_a_refusal_without_retry_after_waits_for_the_reset(rig: Rig) -> None:
    assert answered(rig, {"X-RateLimit-Reset": "30"}, 429) == [30]


def test_retry_after_counts_more_than_the_reset(rig: Rig) -> None:
    assert answered(rig, {**USED_UP, "Retry-After": "7"}, 429) == [7]


def test_an_error_that_states_the_limit_is_obeyed_too(rig: Rig) -> None:
    assert answered(rig, USED_UP, 404) == [30]


class Slow(Transport):
    """Answers the first request only when it is told to; to the others it says that one more is left."""

    def __init__(self) -> None:
        super().__init__(TLSConfig(), None)
        self.begun = threading.Event()
        self.end = threading.Event()

    def get(
        self, url: str, params: Mapping[str, str], headers: Mapping[str, str], deadline: float, most: int = 0
    ) -> Answer:
        if not self.begun.is_set():
            self.begun.set()
            assert self.end.wait(GENEROUS)
        return Answer(200, {**USED_UP, "X-RateLimit-Remaining": "1"}, bytearray(b"{}"))


def test_requests_under_way_count_as_made() -> None:
    wait, transport = Long(), Slow()
    limiter = RateLimiter(1000, 4, time.monotonic)
    asking = Client(Access("http://a", "Token", lambda: TOKEN, 5), transport, limiter, Meter(), ThreadRunner(wait))
    first = threading.Thread(target=asking.get, args=(BATCHES,), daemon=True)
    first.start()
    assert transport.begun.wait(GENEROUS)
    asking.get(BATCHES)
    # Of the clock that time passes on meanwhile.
    assert 5 < limiter.paused_for() <= 30
    transport.end.set()
    first.join(GENEROUS)


def test_an_answer_without_a_limit_leaves_the_meter_alone(rig: Rig) -> None:
    meter = Meter()
    get_all(client(rig.mock_api.url, meter=meter), 2)
    assert meter.limits == []


def test_the_log_says_once_that_the_limit_is_used_up(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "exporter.client")
    rig.mock_api.faults.add(faults.status(200, USED_UP, b'{"items": []}'))
    get_all(client(rig.mock_api.url, wait=Long()), 3)
    levels = [entry.levelname for entry in caplog.records if "API's rate limit" in entry.getMessage()]
    assert levels == ["INFO", "DEBUG", "DEBUG"]
