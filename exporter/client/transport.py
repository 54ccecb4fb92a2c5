"""One HTTP GET on the wire, within a total deadline and a size.

Only this module makes requests. Retries, budgets, tokens' sources and the meaning of answers are not here.
"""

import contextlib
import contextvars
import http.cookiejar
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import requests.adapters
import urllib3
from urllib3 import connection, connectionpool

from exporter.client.cutoff import Cutoff, Watch
from exporter.client.errors import fetch_error
from exporter.records import FetchError, Reason

MAX_BODY_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS with the API. Files are PEM; by default the system's authorities and no client certificate."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer of any status, its body read and decompressed."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """An HTTP answer of any status whose body is still to come."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    parts: Iterator[bytes]
    """The body, decompressed."""


_current: contextvars.ContextVar[Cutoff | None] = contextvars.ContextVar("cutoff", default=None)


def _attach(used: connection.HTTPConnection) -> None:
    cutoff = _current.get()
    if cutoff is not None:
        cutoff.attach(used)


class _HttpConnection(connection.HTTPConnection):
    def connect(self) -> None:
        _attach(self)
        super().connect()
        _attach(self)

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        _attach(self)
        super().putrequest(*args, **kwargs)


class _HttpsConnection(_HttpConnection, connection.HTTPSConnection):
    pass


class _HttpPool(connectionpool.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(connectionpool.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(requests.adapters.HTTPAdapter):
    """requests' adapter, with connections that a cutoff can reach and a server name of the operator's choice."""

    def __init__(self, server_name: str | None, connections: int) -> None:
        self._tls_names: dict[str, Any] = {}
        if server_name is not None:
            self._tls_names = {"server_hostname": server_name, "assert_hostname": server_name}
        super().__init__(pool_connections=2, pool_maxsize=connections)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs, **self._tls_names)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs, **self._tls_names)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _Session(requests.Session):
    """requests' session, blind to redirects.

    Even when it does not follow one, requests parses its target, and reads its whole body before we could bound it.
    """

    def get_redirect_target(self, _resp: requests.Response) -> None:
        return None


class Transport:
    """Makes GET requests with one session: connections are kept, nothing of the environment is used.

    Not of the environment means: no proxy, no certificate bundle and above all no password from ~/.netrc, which
    requests would put in the place of the token. Cookies are refused.
    """

    def __init__(self, tls: Tls, proxy_url: str | None, connections: int) -> None:
        session = _Session()
        session.trust_env = False
        session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        session.verify = False if tls.insecure_skip_verify else tls.ca_file or True
        if tls.cert_file is not None and tls.key_file is not None:
            session.cert = (tls.cert_file, tls.key_file)
        if proxy_url is not None:
            session.proxies = {"http": proxy_url, "https": proxy_url}
        session.mount("https://", _Adapter(tls.server_name, connections))
        session.mount("http://", _Adapter(None, connections))
        if tls.insecure_skip_verify:
            # Said once in the configuration; not again at every request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._session = session
        self._watch = Watch()

    def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str], deadline: float) -> Answer:
        """GET `url`, all of it within `deadline` seconds. Redirects are answers, not followed.

        Raises FetchError: timeout, connection, tls, too_large (over 64 MiB, decompressed), malformed (broken HTTP).
        """
        cutoff = Cutoff(deadline)
        with self._watch.over(cutoff), _reaching(cutoff, deadline):
            answer = self._get(url, params, headers, deadline)
        if cutoff.expired:
            # Where the body's end is that of the connection, a cut looks like it.
            raise FetchError(Reason.TIMEOUT, f"no complete answer within {deadline:g} seconds")
        return answer

    def close(self) -> None:
        """Cut off all requests, those too that still begin, and let go of the connections.

        One that is still looking up its host or connecting ends when that does, at its deadline at the latest.
        """
        self._watch.close()
        self._session.close()

    @contextlib.contextmanager
    def stream(self, url: str, headers: Mapping[str, str], deadline: float) -> Iterator[Stream]:
        """GET `url`, its body part by part. Redirects are answers, not followed.

        The head has `deadline` seconds, and so has each part of 64 KiB: a large file may take its time, and a server
        that sends a byte now and then may not. Raises FetchError as `get`, the parts too, however many they are.
        """
        cutoff = Cutoff(deadline)
        with self._watch.over(cutoff):
            with _reaching(cutoff, deadline):
                response = self._session.get(
                    url, headers=dict(headers), timeout=deadline, stream=True, allow_redirects=False
                )
            with response:
                yield Stream(response.status_code, response.headers, _parts(response, cutoff, deadline))

    def _get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str], deadline: float) -> Answer:
        started = time.monotonic()
        with self._session.get(
            url,
            params=dict(params),
            headers=dict(headers),
            timeout=deadline,
            stream=True,
            allow_redirects=False,
        ) as response:
            body = bytearray()
            for chunk in response.iter_content(_CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise FetchError(Reason.TOO_LARGE, f"the answer is larger than {MAX_BODY_BYTES} bytes")
                if time.monotonic() - started > deadline:
                    raise FetchError(Reason.TIMEOUT, f"no complete answer within {deadline:g} seconds")
            return Answer(response.status_code, response.headers, bytes(body))


@contextlib.contextmanager
def _reaching(cutoff: Cutoff, deadline: float) -> Iterator[None]:
    """Connections that are made in here are the cutoff's to end, and what goes wrong is a FetchError."""
    token = _current.set(cutoff)
    try:
        yield
    except (OSError, urllib3.exceptions.HTTPError) as error:
        # The errors of requests are OSErrors too.
        raise fetch_error(error, cutoff.expired, deadline) from None
    except ValueError:
        # What a library could not parse of the answer's head; its text may hold some of it.
        raise FetchError(Reason.MALFORMED, "the answer is not HTTP as it should be") from None
    finally:
        _current.reset(token)


def _parts(response: requests.Response, cutoff: Cutoff, deadline: float) -> Iterator[bytes]:
    parts = response.iter_content(_CHUNK_BYTES)
    while True:
        cutoff.at = time.monotonic() + deadline
        with _reaching(cutoff, deadline):
            part = next(parts, None)
        # What is done with a part is not the server's time.
        cutoff.at = math.inf
        if cutoff.expired:
            # It looks like the end, as in `get`.
            raise FetchError(Reason.TIMEOUT, f"no more of the answer within {deadline:g} seconds")
        if part is None:
            return
        yield part
