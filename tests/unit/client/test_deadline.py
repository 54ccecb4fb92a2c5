"""A request ends at its deadline also where the connection is already let go of."""

import math
import threading
import time

import pytest

from exporter.client import Client, Request, ThreadRunner
from exporter.client.client import Access
from exporter.client.deadline import Deadline, DeadlineWatcher
from exporter.client.rate_limit import RateLimiter
from exporter.client.transport import Answer, Transport
from exporter.model.record import FetchError, Reason
from exporter.model.tls import TLSConfig
from tests.support.rig import TOKEN, Meter
from tests.support.scripted import scripted

OLD = b"HTTP/1.0 200 OK\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("head", [OLD, CLOSING], ids=["old", "closing"])
@pytest.mark.parametrize(("body", "every"), [((b"x",) * 400, 0.05), ((), 20.0)], ids=["drips", "silent"])
def test_a_body_that_ends_with_its_connection_is_cut_off_and_not_taken_for_a_whole_one(
    head: bytes, body: tuple[bytes, ...], every: float
) -> None:
    with scripted(head, *body, every=every) as server:
        started = time.monotonic()
        with pytest.raises(FetchError) as caught:
            Transport(TLSConfig(), None).get(server.url, {}, {}, 0.4)
        assert caught.value.reason is Reason.TIMEOUT
        assert time.monotonic() - started < 15


def test_a_deadline_that_was_suspended_goes_on_with_the_time_that_was_left() -> None:
    deadline = Deadline(60.0)
    with deadline.suspended():
        assert deadline.left == math.inf
    assert 0.0 < deadline.left <= 60.0
    assert not deadline.over


def test_a_request_that_has_waited_for_its_turn_has_all_of_its_time_left() -> None:
    """The deadline is set when the request is sent, after it waited for the rate limit and for a place under way."""
    timeouts, now = list[float](), [0.0]

    class Noting(Transport):
        def get(self, url: str, params: object, headers: object, timeout: float, most: int = 0) -> Answer:
            timeouts.append(timeout)
            return Answer(200, {}, bytearray(b"{}"))

    def wait(seconds: float) -> bool:
        now[0] += seconds
        return False

    access = Access("http://localhost", "Authorization", lambda: TOKEN, 7.0)
    limiter = RateLimiter(0.001, 1, lambda: now[0])
    asking = Client(access, Noting(TLSConfig(), None), limiter, Meter(), ThreadRunner(wait))
    for _ in range(3):
        asking.get(Request("/batch", "batch", {}))
    assert now[0] == pytest.approx(2000.0)
    assert timeouts == [7.0] * 3


def test_a_request_that_no_thread_can_watch_fails_and_the_next_one_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    watcher = DeadlineWatcher()

    def watched(deadline: Deadline) -> None:
        with watcher.over(deadline):
            while not deadline.expired:
                time.sleep(0.01)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        for _ in range(2):
            with pytest.raises(FetchError, match="no thread can be had to make the request in") as caught:
                watched(Deadline(0.1))
            assert caught.value.reason is Reason.CONNECTION
    watched(Deadline(0.1))
