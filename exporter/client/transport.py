"""Send one HTTP GET, with a limit for its total time and its size. Only this module makes requests."""

import contextlib
import functools
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from exporter.client.connections import Call, Session, current_call, new_session
from exporter.client.deadline import Deadline, RequestsUnderWay
from exporter.client.errors import fetch_error
from exporter.client.idle_connections import IdleConnections
from exporter.client.memory_budget import MemoryBudget, Reservation
from exporter.client.resolve import SYSTEM, HostResolver
from exporter.client.route import Route
from exporter.client.sessions import Sessions
from exporter.model.record import FetchError, Reason
from exporter.model.tls import TLSConfig

__all__ = ["MAX_BODY_BYTES", "Answer", "FileTransport", "RequestLimits", "Stream", "Transport"]

MAX_BODY_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_DEFAULT_HEADERS = dict(requests.utils.default_headers())
"""The encodings that the libraries decode, among others."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer of any status, with its decompressed body."""

    status: int
    headers: Mapping[str, str]
    """The keys are case-insensitive."""
    body: bytearray
    done: Callable[[], None] = lambda: None
    """Call this when the body is no longer needed: others may wait for its memory."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An HTTP answer of any status whose body is yet to be read."""

    status: int
    headers: Mapping[str, str]
    """The keys are case-insensitive."""
    parts: Iterator[bytes]
    """The decompressed body."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The limits that the requests of all accounts share."""

    memory: MemoryBudget = field(default_factory=MemoryBudget)
    """The memory of the answers under way."""
    idle: IdleConnections = field(default_factory=IdleConnections)
    """The connections that wait for their next request."""
    response_bytes: int = MAX_BODY_BYTES
    """The largest answer, decompressed."""
    sessions: Sessions = field(init=False)
    """The sessions that hold the connections."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sessions", Sessions(self.idle))

    def scaled(self, most: int) -> int:
        """Return how many bytes an answer may have that may have `most` where the largest one has MAX_BODY_BYTES.

        A smaller limit for a list's first page leaves room for later pages, which may be larger. That room stays.
        """
        return max(1, most * self.response_bytes // MAX_BODY_BYTES)


class _Base:
    """A session with its connections and the deadlines of its requests."""

    def __init__(self, session: Session, route: Route, release: Callable[[], None]) -> None:
        """`release` is called once, when the session is no longer needed."""
        self._session = session
        self._route = route
        self._release: Callable[[], None] | None = release
        self._under_way = RequestsUnderWay()

    def close(self) -> None:
        """Cut off all requests, also those that begin later, and close the connections that nobody else needs."""
        self._under_way.close()
        release, self._release = self._release, None
        if release is not None:
            release()

    @contextlib.contextmanager
    def _translating_errors(self, deadline: Deadline, timeout: float) -> Iterator[None]:
        """Apply the deadline to connections made in this block, and turn errors into FetchErrors."""
        token = current_call.set(Call(deadline, self._route))
        try:
            yield
        except (OSError, urllib3.exceptions.HTTPError) as error:
            # The errors of requests are OSErrors too.
            raise fetch_error(error, deadline.expired, timeout) from None
        except ValueError:
            # A library could not parse the head of the answer. Its text may quote it.
            raise FetchError(Reason.MALFORMED, "the answer is not valid HTTP") from None
        finally:
            current_call.reset(token)


class Transport(_Base):
    """Makes GET requests to an API. Connections are kept, and the environment is ignored."""

    def __init__(
        self,
        tls: TLSConfig,
        proxy_url: str | None,
        resolver: HostResolver = SYSTEM,
        limits: RequestLimits | None = None,
    ) -> None:
        """`limits` are those of this transport alone by default."""
        self._limits = limits or RequestLimits()
        sessions = self._limits.sessions
        super().__init__(
            sessions.take(tls, proxy_url), Route(resolver), functools.partial(sessions.release, tls, proxy_url)
        )

    def get(
        self,
        url: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
        most: int = MAX_BODY_BYTES,
    ) -> Answer:
        """Return the answer of a GET, complete within `timeout` seconds. Redirects are answers, and not followed.

        Raises FetchError: timeout, connection, tls, too_large (over `most` bytes, decompressed, or fewer where the
        limits are lower), malformed (broken HTTP). Time in which the body waits for memory does not count.
        """
        deadline = Deadline(timeout)
        most = self._limits.scaled(most)
        reservation = self._limits.memory.reserve()
        try:
            with self._under_way.over(deadline), self._translating_errors(deadline, timeout):
                with self._session.send(_to_api(url, params, headers), timeout) as response:
                    body = _body(response, deadline, reservation, most)
                if deadline.over:
                    # A body that ends with its connection looks complete when it was cut off.
                    raise FetchError(Reason.TIMEOUT, f"no complete answer within {timeout:g} seconds")
        except BaseException:
            reservation.release()
            raise
        return Answer(response.status_code, response.headers, body, reservation.release)


class FileTransport(_Base):
    """Downloads files that an API offers on other hosts.

    These must be public, or of the same kind as the API's host. Otherwise a URL in a record could make the exporter
    request what only this machine or its network can reach.
    """

    def __init__(self, tls: TLSConfig, proxy_url: str | None, api_host: str, resolver: HostResolver = SYSTEM) -> None:
        """`api_host` is the host of `base_url`."""
        session = new_session(tls, proxy_url, IdleConnections())
        super().__init__(session, Route(resolver, api_host), session.close)
        self._proxied = proxy_url is not None
        self.api_host = api_host

    @contextlib.contextmanager
    def stream(self, url: str, host: str, headers: Mapping[str, str], timeout: float) -> Iterator[Stream]:
        """Send a GET for `url`, which is on `host`, and read its body part by part. Redirects are not followed.

        `timeout` applies to the head and to each part of 64 KiB, in seconds: a large file may take long, a server that
        sends a byte now and then may not. Raises FetchError as `Transport.get`, and for a host that is not permitted;
        so do the parts.
        """
        if self._proxied:
            self._route.check_unresolved(host)
        deadline = Deadline(timeout)
        with self._under_way.over(deadline):
            with self._translating_errors(deadline, timeout):
                response = self._session.send(_to_host(url, headers), timeout)
            with response:
                yield Stream(response.status_code, response.headers, self._parts(response, deadline, timeout))

    def _parts(self, response: requests.Response, deadline: Deadline, timeout: float) -> Iterator[bytes]:
        parts = response.iter_content(_CHUNK_BYTES)
        while True:
            deadline.at = time.monotonic() + timeout
            with self._translating_errors(deadline, timeout):
                part = next(parts, None)
            # The time in which the caller uses a part is not the server's.
            deadline.at = math.inf
            if deadline.expired:
                # A cut looks like the end, as in `get`.
                raise FetchError(Reason.TIMEOUT, f"no more of the answer within {timeout:g} seconds")
            if part is None:
                return
            yield part


def _to_api(url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> requests.PreparedRequest:
    """Return a GET for a URL without a user or password: a third of the time that requests takes for any request."""
    prepared = requests.PreparedRequest()
    prepared.method = "GET"
    prepared.headers = CaseInsensitiveDict({**_DEFAULT_HEADERS, **headers})
    prepared.prepare_url(url, dict(params))
    return prepared


def _to_host(url: str, headers: Mapping[str, str]) -> requests.PreparedRequest:
    return requests.Request("GET", url, {**_DEFAULT_HEADERS, **headers}).prepare()


def _body(response: requests.Response, deadline: Deadline, reservation: Reservation, most: int) -> bytearray:
    declared = response.headers.get("Content-Length", "")
    if re.fullmatch(r"[0-9]{1,15}", declared) and int(declared) > most:
        raise FetchError(Reason.TOO_LARGE, f"the answer is larger than {most} bytes")
    body = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        size = len(body) + len(chunk)
        if size > most:
            raise FetchError(Reason.TOO_LARGE, f"the answer is larger than {most} bytes")
        if not reservation.grow(size, deadline) or deadline.over:
            break
        body += chunk
    return body
