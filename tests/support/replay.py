"""Two exporters on one conversation: what the first asked the API and was answered, the second asks and is answered."""

import hashlib
import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from exporter.client import Request
from exporter.model.record import FetchError
from tests.support.doubles import MemoryApi


def digest(answer: Any) -> bytes:
    """The digest of the bytes that an answer has as JSON."""
    return hashlib.blake2b(json.dumps(answer).encode()).digest()


class Recorder:
    """A client that remembers every request with its answer. Answers with known bytes are known to it."""

    def __init__(self, api: MemoryApi) -> None:
        self._api = api
        self.heard: deque[tuple[Request, Any]] = deque()
        """Requests with their answers, or the FetchErrors that they raised."""
        self.unchanged = 0
        """How many answers had the known bytes."""

    def get(self, request: Request) -> Any:
        try:
            answer = self._api.get(request)
        except FetchError as error:
            self.heard.append((request, error))
            raise
        self.heard.append((request, answer))
        return answer

    def get_unless(self, request: Request, known: bytes) -> tuple[bytes, Any]:
        answer = self.get(request)
        found = digest(answer)
        self.unchanged += found == known
        return found, None if found == known else answer

    def get_each(self, requests: Iterable[Request]) -> Iterator[Any]:
        asked: list[Request] = []

        def noted() -> Iterator[Request]:
            for request in requests:
                asked.append(request)
                yield request

        for number, answer in enumerate(self._api.get_each(noted())):
            self.heard.append((asked[number], answer))
            yield answer


class Replay:
    """A client that expects the requests of a Recorder, and answers them alike. It knows no bytes."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def get(self, request: Request) -> Any:
        answer = self._next(request)
        if isinstance(answer, FetchError):
            raise answer
        return answer

    def get_unless(self, request: Request, known: bytes) -> tuple[bytes, Any]:
        assert not known
        return b"", self.get(request)

    def get_each(self, requests: Iterable[Request]) -> Iterator[Any]:
        return (self._next(request) for request in requests)

    def _next(self, request: Request) -> Any:
        asked, answer = self._recorder.heard.popleft()
        assert request == asked
        return answer


def contents(state: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a state file, by table."""
    with closing(sqlite3.connect(state)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}  # noqa: S608
