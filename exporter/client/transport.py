"""One HTTP GET on the wire, within a total deadline and a size.

Only this module makes requests. Retries, budgets, tokens' sources and the meaning of answers are not here.
"""

import contextlib
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import requests
import urllib3

from exporter.client.connections import Call, Tls, current_call, new_session
from exporter.client.deadline import Deadline, DeadlineWatcher
from exporter.client.errors import fetch_error
from exporter.client.memory_budget import SHARED, MemoryBudget, Place
from exporter.client.resolve import SYSTEM, HostResolver
from exporter.client.route import Route
from exporter.model.record import FetchError, Reason

__all__ = ["MAX_BODY_BYTES", "Answer", "FileTransport", "Stream", "Tls", "Transport"]

MAX_BODY_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer of any status, its body read and decompressed."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytearray
    done: Callable[[], None] = lambda: None
    """Called by the caller once the body is not needed any more: others may be waiting for its room."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An HTTP answer of any status whose body is still to come."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    parts: Iterator[bytes]
    """The body, decompressed."""


class _Base:
    """A session with its connections, and the deadlines of its requests."""

    def __init__(self, tls: Tls, proxy_url: str | None, connections: int, reach: Route) -> None:
        proxies = {} if proxy_url is None else {"http": proxy_url, "https": proxy_url}
        self._session = new_session(tls, proxies, connections)
        self._reach = reach
        self._watch = DeadlineWatcher()

    def close(self) -> None:
        """Cut off all requests, those too that still begin, and let go of the connections."""
        self._watch.close()
        self._session.close()

    def _ask(
        self, url: str, headers: Mapping[str, str], deadline: float, params: Mapping[str, str] | None = None
    ) -> requests.Response:
        return self._session.get(
            url,
            params=None if params is None else dict(params),
            headers=dict(headers),
            timeout=deadline,
            stream=True,
            allow_redirects=False,
        )

    @contextlib.contextmanager
    def _reaching(self, cutoff: Deadline, deadline: float) -> Iterator[None]:
        """Connections that are made in here are the cutoff's to end, and what goes wrong is a FetchError."""
        token = current_call.set(Call(cutoff, self._reach))
        try:
            yield
        except (OSError, urllib3.exceptions.HTTPError) as error:
            # The errors of requests are OSErrors too.
            raise fetch_error(error, cutoff.expired, deadline) from None
        except ValueError:
            # What a library could not parse of the answer's head; its text may hold some of it.
            raise FetchError(Reason.MALFORMED, "the answer is not HTTP as it should be") from None
        finally:
            current_call.reset(token)


class Transport(_Base):
    """Makes GET requests to an API. Connections are kept; nothing of the environment is used."""

    def __init__(
        self,
        tls: Tls,
        proxy_url: str | None,
        connections: int,
        lookups: HostResolver = SYSTEM,
        room: MemoryBudget = SHARED,
    ) -> None:
        super().__init__(tls, proxy_url, connections, Route(lookups))
        self._room = room

    def get(
        self,
        url: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        deadline: float,
        most: int = MAX_BODY_BYTES,
    ) -> Answer:
        """GET `url`, all of it within `deadline` seconds. Redirects are answers, not followed.

        Raises FetchError: timeout, connection, tls, too_large (over `most` bytes, decompressed), malformed (broken
        HTTP). The time that the body waits for room does not count.
        """
        cutoff = Deadline(deadline)
        place = self._room.begin()
        try:
            with self._watch.over(cutoff), self._reaching(cutoff, deadline):
                with self._ask(url, headers, deadline, params) as response:
                    body = _body(response, cutoff, place, most)
                if cutoff.over:
                    # Where the body's end is that of the connection, a cut looks like it.
                    raise FetchError(Reason.TIMEOUT, f"no complete answer within {deadline:g} seconds")
        except BaseException:
            place.leave()
            raise
        return Answer(response.status_code, response.headers, body, place.leave)


class FileTransport(_Base):
    """Fetches files that an API offers on other hosts.

    These must be public ones, or of the kind that the API's host is of: who can write a URL into a record must not
    have the exporter look at what only this machine or its network can reach.
    """

    def __init__(self, tls: Tls, proxy_url: str | None, api_host: str, lookups: HostResolver = SYSTEM) -> None:
        """`api_host` is the host of `base_url`."""
        super().__init__(tls, proxy_url, 1, Route(lookups, api_host))
        self._proxied = proxy_url is not None
        self.api_host = api_host

    @contextlib.contextmanager
    def stream(self, url: str, host: str, headers: Mapping[str, str], deadline: float) -> Iterator[Stream]:
        """GET `url`, which is on `host`, its body part by part. Redirects are answers, not followed.

        The head has `deadline` seconds, and so has each part of 64 KiB: a large file may take its time, and a server
        that sends a byte now and then may not. Raises FetchError as `Transport.get`, and for a host that is not
        permitted; the parts raise it too, however many they are.
        """
        if self._proxied:
            self._reach.check_unresolved(host)
        cutoff = Deadline(deadline)
        with self._watch.over(cutoff):
            with self._reaching(cutoff, deadline):
                response = self._ask(url, headers, deadline)
            with response:
                yield Stream(response.status_code, response.headers, self._parts(response, cutoff, deadline))

    def _parts(self, response: requests.Response, cutoff: Deadline, deadline: float) -> Iterator[bytes]:
        parts = response.iter_content(_CHUNK_BYTES)
        while True:
            cutoff.at = time.monotonic() + deadline
            with self._reaching(cutoff, deadline):
                part = next(parts, None)
            # What is done with a part is not the server's time.
            cutoff.at = math.inf
            if cutoff.expired:
                # It looks like the end, as in `get`.
                raise FetchError(Reason.TIMEOUT, f"no more of the answer within {deadline:g} seconds")
            if part is None:
                return
            yield part


def _body(response: requests.Response, cutoff: Deadline, place: Place, most: int) -> bytearray:
    declared = response.headers.get("Content-Length", "")
    if re.fullmatch(r"[0-9]{1,15}", declared) and int(declared) > most:
        raise FetchError(Reason.TOO_LARGE, f"the answer is larger than {most} bytes")
    body = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        size = len(body) + len(chunk)
        if size > most:
            raise FetchError(Reason.TOO_LARGE, f"the answer is larger than {most} bytes")
        if not place.grow(size, cutoff) or cutoff.over:
            break
        body += chunk
    return body
