"""Query the API of one account: token, rate limit, retries and request metrics around the transport.

Endpoints and the meaning of answers are the systems' part.
"""

import copy
import functools
import itertools
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from exporter import __version__
from exporter.client import retry, throttling
from exporter.client.answers import Digest, json_of
from exporter.client.error_response import ApiErrorReader, redacted, response_error
from exporter.client.rate_limit import RateLimiter
from exporter.client.request import JSON, Request
from exporter.client.runner import Runner
from exporter.client.transport import MAX_BODY_BYTES, Answer, Transport
from exporter.model.record import FetchError, Reason, Stopping

log = logging.getLogger(__name__)

USER_AGENT = f"batch-exporter/{__version__}"

_HEADERS = {
    "User-Agent": USER_AGENT,
    "Accept": "application/json",
    # Without it a cache on the way may answer one poll with what it has kept of another.
    "Cache-Control": "no-cache",
}

_LARGEST_ERROR_BYTES = 65_536
"""A larger error is a page for people, and is not read."""

AHEAD_BYTES = 16 * 1024 * 1024
"""The maximum number of bytes to request ahead of the present answer, estimated from the size of the last answer."""
_LARGEST_AHEAD = 4 * 1024 * 1024
"""A larger answer that was requested ahead is dropped, and requested again when it is needed."""

_T = TypeVar("_T")


class RequestMeter(Protocol):
    """Receives the cost of requests."""

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        """Count a request that has ended; `code` is the HTTP status, or `error` if there was none."""

    def throttled(self, seconds: float) -> None:
        """Count the seconds that a request has waited for the rate limit."""

    def rate_limit(self, limit: float | None, remaining: float | None, reset_in: float | None) -> None:
        """Note the API's own rate limit as an answer states it: requests, and seconds until the window ends."""


@dataclass(frozen=True, slots=True)
class Access:
    """The address of an account's API, and its credentials."""

    base_url: str
    token_header: str
    token: Callable[[], str]
    """Reads the token at each request, because its file may have changed. Raises FetchError(auth) if there is none."""
    timeout: float
    """Seconds for one request, from connecting to the last byte of the answer."""
    read_error: ApiErrorReader = lambda _: None
    """Reads the API's own form of an error."""
    token_may_block: bool = False
    """Whether `token` reads a file."""
    account: str = ""
    """The account's name, for the log."""


class Client:
    """Queries one account's API. Shared by the account's collectors, which may use it at the same time."""

    def __init__(
        self,
        access: Access,
        transport: Transport,
        limiter: RateLimiter,
        meter: RequestMeter,
        runner: Runner,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._access = access
        self._transport = transport
        self._limiter = limiter
        self._meter = meter
        self._runner = runner
        self._clock = clock
        self._under_way: list[None] = []
        """An entry for each request that was begun and is not answered. Appending and popping need no lock."""
        self._told: list[None] = []
        """Has an entry if the API's rate limit was logged. The clients of polls share it."""
        self._sizes: dict[str, int] = {}
        """Size of the last answer of each endpoint, decompressed, in bytes."""
        self.attempts = retry.ATTEMPTS
        """How often a request is made, at most."""
        self.requests = self.answers = 0
        """How many requests were made, and how many usable answers there were."""

    def for_poll(self, attempts: int = retry.ATTEMPTS) -> "Client":
        """Return this client for one poll, with its own counts, and at most so many attempts of a request."""
        client = copy.copy(self)
        client.attempts = attempts
        client.requests = client.answers = 0
        return client

    def get(self, request: Request) -> JSON:
        """Return the decoded answer of a GET, which is retried after errors that may pass.

        Raises FetchError when there is no usable answer after the last attempt, and Stopping.
        """
        return self._get(request, MAX_BODY_BYTES if request.most is None else request.most)

    def get_unless(self, request: Request, known: bytes) -> tuple[bytes, JSON | None]:
        """Return a digest of the answer's bytes, and the answer as `get` does; None if `known` is the digest.

        An answer with the known bytes is not decoded. Raises as `get` does.
        """
        digest = Digest(known)
        answer = self._get(request, MAX_BODY_BYTES if request.most is None else request.most, digest)
        return digest.found, answer

    def _get(self, request: Request, most: int, digest: Digest | None = None) -> JSON | None:
        """Return the answer as `get` does, if it has at most so many bytes; None if its digest is the known one."""
        attempt = 1
        while True:
            try:
                answer = self._once(request, most, digest)
                self.answers += 1
                return answer
            except FetchError as error:
                # A request that was cut off because the program stops has not failed: this raises Stopping.
                self._pause(0.0)
                if attempt >= self.attempts or not (error.passing or retry.is_retryable(error.reason)):
                    raise
            self._pause(retry.backoff(attempt, random.random()))
            attempt += 1

    def get_each(self, requests: Iterable[Request], read: Callable[[JSON], _T]) -> Iterator[_T | FetchError]:
        """Yield `read` of each answer, or its error, in order; several are under way within the rate limit.

        An answer is read when it comes, to take less memory. A failure does not end the others. Raises Stopping.
        The number of requests ahead starts at one and doubles: who needs few answers wastes few requests. Of large
        answers few or none are requested ahead. A request's `most` is ignored.
        """
        left = iter(requests)
        ahead: deque[tuple[Request, Future[_T | FetchError]]] = deque()
        at_once = 1
        try:
            while True:
                for request in itertools.islice(left, at_once - len(ahead)):
                    most = _LARGEST_AHEAD if ahead else MAX_BODY_BYTES
                    ahead.append((request, self._runner.start(functools.partial(self._read, request, most, read))))
                if not ahead:
                    return
                request = ahead[0][0]
                # No variable holds the answer, which may have megabytes, until the caller wants the next one.
                yield self._result(*ahead.popleft(), read)
                at_once = min(self._limiter.at_once, at_once * 2, self._depth(request))
        finally:
            for _, future in ahead:
                future.cancel()

    def close(self) -> None:
        """Cut off all requests. The runner must report by now that the program is stopping: `get` raises Stopping."""
        self._transport.close()

    def _read(self, request: Request, most: int, read: Callable[[JSON], _T]) -> _T:
        return read(self._get(request, most))

    def _result(self, request: Request, future: Future[_T], read: Callable[[JSON], _T]) -> _T | FetchError:
        try:
            return self._runner.result(future)
        except FetchError as error:
            if error.reason is not Reason.TOO_LARGE:
                return error
        try:
            return self._read(request, MAX_BODY_BYTES, read)
        except FetchError as error:
            return error

    def _depth(self, request: Request) -> int:
        """Return how many answers as large as the last one may be under way."""
        return max(1, AHEAD_BYTES // max(1, self._sizes.get(request.endpoint, 0)))

    def _once(self, request: Request, most: int, digest: Digest | None) -> JSON | None:
        """Make one attempt. Raises FetchError and Stopping."""
        # Concurrency before the turn: requests that waited for the former must not start all at once.
        with self._limiter.concurrency.entered(self._runner.result):
            # Before the turn: the token's file may be on a disk that does not answer.
            token = self._runner.read(self._access.token) if self._access.token_may_block else self._access.token()
            self._meter.throttled(self._limiter.take_turn(self._pause, self._runner.result))
            self._under_way.append(None)
            self.requests += 1
            try:
                answer = self._runner.call(functools.partial(self._answer, request, token, most))
            finally:
                self._under_way.pop()
            # Before the next request may take its turn.
            self._obey(answer)
        try:
            if digest is not None and answer.status == 200 and digest.is_known(answer.body):
                return None
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
                {self._access.token_header: token, **_HEADERS},
                self._access.timeout,
                most,
            )
            code = str(answer.status)
        finally:
            seconds = time.monotonic() - started
            self._meter.answered(request.endpoint, code, seconds)
            log.debug("asked", extra={"endpoint": request.endpoint, "code": code, "seconds": round(seconds, 3)})
        self._sizes[request.endpoint] = len(answer.body)
        return answer

    def _obey(self, answer: Answer) -> None:
        """Start no request for as long as the answer asks for: by Retry-After, or by a rate limit that is used up."""
        asked = throttling.asked(answer.status, answer.headers, len(self._under_way), self._clock())
        if asked.limit is not None:
            self._meter.rate_limit(asked.limit.limit, asked.limit.remaining, asked.limit.reset_in)
        if asked.used_up:
            self._tell(asked.pause)
        if asked.pause > 0:
            self._limiter.pause(asked.pause)

    def _tell(self, pause: float) -> None:
        """Log that the API's rate limit is used up: the first time, and later ones only for debugging."""
        where = {"account": self._access.account, "seconds": pause}
        if self._told:
            log.debug("waiting for the reset of the API's rate limit", extra=where)
        else:
            log.info("API's rate limit is used up: waiting for its reset", extra=where)
            self._told.append(None)

    def _decode(self, request: Request, answer: Answer, token: str) -> JSON:
        status = answer.status
        if status == 200:
            decoded = json_of(answer)
            error = self._access.read_error(decoded)
            if error is None:
                return decoded
            # Some APIs report an error in the body alone.
            status, message = error.status or 500, redacted(error.words, token)
            self._obey(replace(answer, status=status))
        else:
            message = self._message(answer, token)
        throttled = throttling.is_throttled(status, answer.headers, self._clock())
        raise response_error(request, status, message, throttled=throttled)

    def _message(self, answer: Answer, token: str) -> str:
        try:
            error = self._access.read_error(json_of(answer)) if len(answer.body) <= _LARGEST_ERROR_BYTES else None
        except FetchError:
            # To take a firewall's page for a refused token would lead to a new token, which is refused too.
            html = answer.headers.get("Content-Type", "").strip().lower().startswith("text/html")
            return "an HTML page, as of a proxy or a firewall" if html else ""
        return "" if error is None else redacted(error.words, token)

    def _pause(self, seconds: float) -> None:
        if self._runner.pause(seconds):
            raise Stopping
