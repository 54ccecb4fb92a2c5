"""Asking one account's API: token, pace, retries and request metrics around the transport.

It knows nothing of endpoints: sources say what to ask and read the answers.
"""

import itertools
import json
import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from exporter import __version__
from exporter.client import retry
from exporter.client.decoding import decode
from exporter.client.error_response import Refusing, refusal, safe
from exporter.client.rate_limit import RateLimiter
from exporter.client.request import JSON, Request
from exporter.client.transport import MAX_BODY_BYTES, Answer, Transport
from exporter.model.record import FetchError, Reason

log = logging.getLogger(__name__)

USER_AGENT = f"batch-exporter/{__version__}"


_LARGEST_REFUSAL = 65_536
"""Bytes. What is larger is a page for people, and not worth reading."""

AHEAD_BYTES = 16 * 1024 * 1024
"""How much is asked for ahead of the answer that is wanted now, going by how large the last one was."""
_LARGEST_AHEAD = 4 * 1024 * 1024
"""An answer asked for ahead that turns out larger is given up, and asked for again when it is wanted."""


class Stopping(Exception):
    """The program is ending; whatever waited must not go on."""


_Asked = queue.SimpleQueue[tuple[Request, int, Future[JSON]] | None]
"""Requests on their way to the threads that make them, with the most bytes of their answers; None ends a thread."""


class RequestMeter(Protocol):
    """Where the client reports what its requests cost."""

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        """One request has ended; `code` is the HTTP status, or `error` if there was none."""

    def throttled(self, seconds: float) -> None:
        """A request has waited that long for the account's budget."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where an account's API is, and how it lets us in."""

    base_url: str
    token_header: str
    token: Callable[[], str]
    """Reads the token now: its file may have changed. Raises FetchError(auth) if there is none."""
    deadline: float
    """Seconds for one request with its body."""
    refused: Refusing = lambda _: None
    """How the API words a refusal."""


class Client:
    """Asks one account's API. Shared by the account's collectors; safe to use from several threads."""

    def __init__(
        self,
        access: Access,
        transport: Transport,
        budget: RateLimiter,
        meter: RequestMeter,
        wait: Callable[[float], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`wait` sleeps for some seconds and returns True if the program is stopping meanwhile."""
        self._access = access
        self._transport = transport
        self._budget = budget
        self._meter = meter
        self._wait = wait
        self._clock = clock
        self._sizes: dict[str, int] = {}
        """Bytes of the last answer of each endpoint, decompressed."""

    def get(self, request: Request) -> JSON:
        """GET and decode, asking again where that may help.

        Raises FetchError when there is no usable answer in the end, and Stopping.
        """
        return self._get(request, MAX_BODY_BYTES if request.most is None else request.most)

    def _get(self, request: Request, most: int) -> JSON:
        """As `get`, for an answer of at most so many bytes."""
        attempt = 1
        while True:
            try:
                return self._once(request, most)
            except FetchError as error:
                # What was cut off because all ends has not failed.
                self._pause(0.0)
                if not retry.worth_asking_again(error.reason, attempt):
                    raise
            self._pause(retry.backoff(attempt, random.random()))
            attempt += 1

    def get_each(self, requests: Iterable[Request]) -> Iterator[JSON | FetchError]:
        """The answer or the error of each request, in their order; several are asked at once within the budget.

        Raises Stopping. One that fails does not end the others.
        It begins with one and doubles: who stops after a few answers has not asked for many in vain. Of large answers
        few are asked for ahead, or none, and the `most` of a request does not hold.
        """
        left = iter(requests)
        asked: _Asked = queue.SimpleQueue()
        ahead: deque[tuple[Request, Future[JSON]]] = deque()
        at_once, threads = 1, 0
        try:
            while True:
                for request in itertools.islice(left, at_once - len(ahead)):
                    most = _LARGEST_AHEAD if ahead else MAX_BODY_BYTES
                    future: Future[JSON] = Future()
                    ahead.append((request, future))
                    asked.put((request, most, future))
                    if len(ahead) > threads:
                        threads += 1
                        self._ask_in_background(asked)
                if not ahead:
                    return
                request, future = ahead.popleft()
                yield self._wanted(request, future)
                at_once = min(self._budget.at_once, at_once * 2, self._depth(request))
        finally:
            for _ in range(threads):
                asked.put(None)

    def close(self) -> None:
        """End what is under way, where `wait` tells by now that all ends: `get` then raises Stopping."""
        self._transport.close()

    def _wanted(self, request: Request, future: Future[JSON]) -> JSON | FetchError:
        try:
            return future.result()
        except FetchError as error:
            if error.reason is not Reason.TOO_LARGE:
                return error
        try:
            return self._get(request, MAX_BODY_BYTES)
        except FetchError as error:
            return error

    def _depth(self, request: Request) -> int:
        """How many answers like the last one may be under way at once."""
        return max(1, AHEAD_BYTES // max(1, self._sizes.get(request.endpoint, 0)))

    def _ask_in_background(self, asked: "_Asked") -> None:
        """Start a thread that makes requests until it is told to end."""

        def run() -> None:
            while (one := asked.get()) is not None:
                request, most, future = one
                try:
                    future.set_result(self._get(request, most))
                except (FetchError, Stopping) as error:
                    future.set_exception(error)
                finally:
                    future.cancel()

        # Not an executor: its threads are waited for at exit, and a request may hang for its whole deadline.
        threading.Thread(target=run, name="GET", daemon=True).start()

    def _once(self, request: Request, most: int) -> JSON:
        """Ask once. Raises FetchError and Stopping."""
        # The place before the turn: what waited for a place must not go at once with others that did.
        with self._budget.places:
            # Before the turn: its file may be on a disk that hangs.
            token = self._access.token()
            self._meter.throttled(self._budget.take_turn(self._pause))
            answer = self._answer(request, token, most)
        try:
            return self._decode(request, answer, token)
        finally:
            answer.done()

    def _answer(self, request: Request, token: str, most: int) -> Answer:
        started = time.monotonic()
        code = "error"
        try:
            answer = self._transport.get(
                self._access.base_url + request.path,
                request.params,
                {
                    self._access.token_header: token,
                    "User-Agent": USER_AGENT,
                    "Accept": "application/json",
                },
                self._access.deadline,
                most,
            )
            code = str(answer.status)
        finally:
            seconds = time.monotonic() - started
            self._meter.answered(request.endpoint, code, seconds)
            log.debug("asked", extra={"endpoint": request.endpoint, "code": code, "seconds": round(seconds, 3)})
        self._sizes[request.endpoint] = len(answer.body)
        return answer

    def _decode(self, request: Request, answer: Answer, token: str) -> JSON:
        if answer.status == 200:
            decoded = _json(answer)
            refused = self._access.refused(decoded)
            if refused is None:
                return decoded
            # Some say in the body alone that it went wrong.
            raise refusal(request, refused.status or 500, safe(refused.words, token))
        if answer.status in (429, 503):
            pause = retry.retry_after(answer.headers.get("Retry-After"), self._clock())
            if pause is not None:
                self._budget.hold(pause)
        raise refusal(request, answer.status, self._said(answer, token))

    def _said(self, answer: Answer, token: str) -> str:
        try:
            refused = self._access.refused(_json(answer)) if len(answer.body) <= _LARGEST_REFUSAL else None
        except FetchError:
            return ""
        return "" if refused is None else safe(refused.words, token)

    def _pause(self, seconds: float) -> None:
        if self._wait(seconds):
            raise Stopping


def _json(answer: Answer) -> JSON:
    """Decode the body, and clear it: of a large one, bytes, text and values together are not kept in memory."""
    size = len(answer.body)
    try:
        text = answer.body.decode(json.detect_encoding(answer.body), "surrogatepass")
        answer.body.clear()
        return decode(text)
    except ValueError:
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        shown = kind if kind in ("text/html", "text/plain", "application/xml", "text/xml") else "its body"
        raise FetchError(Reason.MALFORMED, f"the answer is not JSON ({shown}, {size} bytes)", 200) from None
