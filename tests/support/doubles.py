"""Doubles for tests of the engine without HTTP: an API that answers in memory, a state that dies between statements."""

import contextlib
import hashlib
import itertools
import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from exporter.client import Request
from exporter.demo.faults import ListFaults
from exporter.demo.http_types import Request as Asked
from exporter.demo.inkit_api import InkitApi
from exporter.demo.packagex.api import PackagexApi
from exporter.model.accounting import Rules
from exporter.model.record import FetchError, Reason
from exporter.state import Records, Sizes
from exporter.state.sqlite.rows import SqliteRows

_AHEAD = 3


def digest(answer: Any) -> bytes:
    """Return the digest of the bytes that an answer has as JSON."""
    return hashlib.blake2b(json.dumps(answer).encode()).digest()


class MemoryApi:
    """Has what the engine uses of a client, and answers from a world as the mock API does."""

    def __init__(self, api: InkitApi | PackagexApi) -> None:
        """Answer from this API, which has the empty token."""
        self._api = api
        self.list_faults = ListFaults()
        self.limit: tuple[int, int | None] | None = None
        """After which page the list ends for the server, and the status with which it refuses others; None: empty."""
        self.beyond: Literal["empty", "refused", "last", "first"] = "empty"
        """What is answered beyond the end of the list."""
        self.instead: Callable[[int, Request], int | None] | None = None
        """Called with the number of each request, as `before`. Returns a status, 200 for a page without rows."""
        self.before: Callable[[int], None] | None = None
        """Called with the number of each request of a poll, from 1, before it is answered. It may raise FetchError."""
        self.edit: Callable[[int, Any], None] | None = None
        """Called with the number of each request, as `before`, and the answer from the world, to change it."""
        self.asked = 0
        self.requests = self.answers = 0

    def for_poll(self, _attempts: int) -> "MemoryApi":
        self.requests = self.answers = 0
        return self

    def get(self, request: Request) -> Any:
        self.asked += 1
        self.requests += 1
        if self.before is not None:
            self.before(self.asked)
        instead = None if self.instead is None else self.instead(self.asked, request)
        if instead not in (None, 200):
            reason = Reason.SERVER_ERROR if instead >= 500 else Reason.CLIENT_ERROR
            raise FetchError(reason, "fault", instead)
        number = int(request.params.get("page", 0))
        if self.limit is not None and number > self.limit[0]:
            if self.limit[1] is not None:
                raise FetchError(Reason.CLIENT_ERROR, "too deep", self.limit[1])
            instead = 200
        answer = self._answer(request)
        if self.edit is not None:
            self.edit(self.asked, answer)
        if number and instead == 200:
            answer["items" if "items" in answer else "data"] = []
        elif number > 1 and not (answer.get("items") or answer.get("data")):
            answer = self._beyond(request, answer)
        self.answers += 1
        return answer

    def get_unless(self, request: Request, known: bytes) -> tuple[bytes, Any]:
        answer = self.get(request)
        found = digest(answer)
        return found, None if found == known else answer

    def _beyond(self, request: Request, empty: Any) -> Any:
        if self.beyond == "refused":
            raise FetchError(Reason.CLIENT_ERROR, "no such page", 404)
        if self.beyond == "empty":
            return empty
        # Not from the page that was asked for downwards: its number may have nine digits.
        pages = itertools.count(1) if self.beyond == "last" else [1]
        found = empty
        for number in pages:
            answer = self._answer(replace(request, params={**request.params, "page": str(number)}))
            if not (answer.get("items") or answer.get("data")):
                break
            found = answer
        return found

    def _answer(self, request: Request) -> Any:
        asked = Asked("GET", request.path, request.params, {"x-inkit-api-token": "", "px-api-key": ""})
        answer = self._api.answer(asked, self.list_faults)
        assert answer is not None
        if answer.status != 200:
            raise FetchError(Reason.CLIENT_ERROR, "refused", answer.status)
        return json.loads(answer.body)

    def get_each(self, requests: Iterable[Request], read: Callable[[Any], Any]) -> Iterator[Any]:
        """Yield what is read of each answer. Some requests are answered ahead, as with the real client."""
        left = iter(requests)
        ahead: deque[Any] = deque()
        while True:
            for request in left:
                try:
                    ahead.append(read(self.get(request)))
                except FetchError as error:
                    ahead.append(error)
                if len(ahead) == _AHEAD:
                    break
            if not ahead:
                return
            yield ahead.popleft()


class Killed(BaseException):
    """The end of the program in the middle of something."""


class _Connection(sqlite3.Connection):
    left: "list[int] | None" = None

    def _tick(self) -> None:
        if self.left is not None:
            self.left[0] -= 1
            if self.left[0] < 0:
                raise Killed

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._tick()
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._tick()
        return super().executemany(*arguments)


class MortalState:
    """A state file whose program can be made to die after so many statements; a new one may then go on with it.

    As in the program, one connection stays open from poll to poll. It ends with what fails in it, and nothing of an
    open transaction is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.statements: int | None = None
        """How many statements the program still lives for; None is for ever."""
        self.trace: Callable[[str], None] | None = None
        """Called with each statement, its parameters filled in."""
        self._connection: _Connection | None = None

    @contextlib.contextmanager
    def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
        connection = self._connected()
        connection.left = None if self.statements is None else [self.statements]
        connection.set_trace_callback(self.trace)
        try:
            yield Records(SqliteRows(connection, account, collector), rules)
        except BaseException:
            self.close()
            raise

    def sizes(self) -> Sizes | None:
        return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> _Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(self.path, factory=_Connection, isolation_level=None)
            # Synchronization is for a loss of power, and takes most of the time here.
            self._connection.execute("PRAGMA synchronous = OFF")
        return self._connection
