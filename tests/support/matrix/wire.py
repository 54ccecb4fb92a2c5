"""The way to the mock API and back, on which faults happen: in memory, so that a cell takes milliseconds."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

from requests.structures import CaseInsensitiveDict

from exporter.client import Request, Stopping
from exporter.client.runner import fulfill
from exporter.client.transport import MAX_BODY_BYTES, Answer, RequestLimits
from exporter.demo import http_types
from exporter.model.record import FetchError, Reason
from tests.support.matrix.watched import ROWS, Life
from tests.support.rig import TOKEN

BASE = "http://api.example/v1"
RESPONSE_BYTES = 256 * 1024
"""The largest answer here, so that one that is too large is small."""

_T = TypeVar("_T")
Effect = Callable[[http_types.Answer], http_types.Answer | FetchError]
"""What becomes of a true answer on its way."""


@dataclass(frozen=True)
class Asked:
    """A request, as far as it says which phase of a poll it is of."""

    path: str
    params: Mapping[str, str]
    newest: bool
    """Whether it is for the page with the newest records."""

    @property
    def of_list(self) -> bool:
        """Whether it is for a page of the whole list, not for records by ID or by status."""
        in_path = self.path in ("/batch", "/invoke", "/invoke/batch", "/batches")
        return in_path and not self.params.keys() & {"data_id", "status"}


class Wire:
    """Has what the client uses of a transport. What it carries is answered by the mock APIs."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._limits = RequestLimits(response_bytes=RESPONSE_BYTES)
        self.effect: Effect | None = None
        self.hits: Callable[[Asked], bool] = lambda _: True
        """Which requests the fault hits."""
        self.before: list[Callable[[Asked], None]] = []
        """Called before each request. They may raise Stopping, as the engine does at the end of the program."""
        self.token: str | None = None
        """The token that the API accepts, if it is another one than at first."""
        self.hit = 0
        """How many requests the fault has hit."""

    def get(
        self,
        url: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
        most: int = MAX_BODY_BYTES,
    ) -> Answer:
        path = url.removeprefix(BASE)
        asked = Asked(path, params, self._is_newest(path, params))
        for call in list(self.before):
            call(asked)
        answer: http_types.Answer | FetchError = self._life.answer(
            Request(path, path, params), self._with_token(headers)
        )
        if self.effect is not None and self.hits(asked) and not isinstance(answer, FetchError):
            self.hit += 1
            answer = self.effect(answer)
        if isinstance(answer, FetchError):
            raise FetchError(answer.reason, str(answer), answer.status)
        if len(answer.body) > self._limits.scaled(most):
            raise FetchError(Reason.TOO_LARGE, f"the answer is larger than {most} bytes")
        return Answer(answer.status, CaseInsensitiveDict(answer.headers), bytearray(answer.body))

    def close(self) -> None:
        """Close nothing, as nothing is open."""

    def _with_token(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return the headers with the token that the mock APIs know, if theirs is accepted."""
        if self.token is None:
            return headers
        known = {self.token: TOKEN, TOKEN: "revoked"}
        return {name: known.get(value, value) for name, value in headers.items()}

    def _is_newest(self, path: str, params: Mapping[str, str]) -> bool:
        number = int(params.get("page", 1))
        if path != "/batches":
            return number == 1
        return number == -(-self._life.batches.count() // int(params.get("limit", ROWS)))


class Inline:
    """Runs what a client calls at once, and lets time pass where it waits."""

    def __init__(self, pass_time: Callable[[float], None]) -> None:
        self._pass_time = pass_time
        self.stopping = False

    def pause(self, seconds: float) -> bool:
        if seconds > 0:
            self._pass_time(seconds)
        return self.stopping

    def call(self, function: Callable[[], _T]) -> _T:
        if self.stopping:
            raise Stopping
        return function()

    def read(self, function: Callable[[], _T]) -> _T:
        return self.call(function)

    def start(self, function: Callable[[], _T]) -> "Future[_T]":
        future: Future[_T] = Future()
        fulfill(future, function)
        return future

    def result(self, future: "Future[_T]") -> _T:
        return future.result()


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"{}") -> Effect:
    """Answer with a status."""
    answer = http_types.Answer(code, body, {"Content-Type": "application/json", **(headers or {})})
    return lambda _: answer


def body(change: Callable[[bytes], bytes], content_type: str = "application/json") -> Effect:
    """Answer with another body where there is what was asked for."""

    def changed(answer: http_types.Answer) -> http_types.Answer:
        if answer.status != 200:
            return answer
        return replace(answer, body=change(answer.body), headers={"Content-Type": content_type})

    return changed


def head(headers: Mapping[str, str]) -> Effect:
    """Answer truly, with more headers."""
    return lambda answer: replace(answer, headers={**answer.headers, **headers})
