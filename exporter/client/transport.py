"""One HTTP GET on the wire, within a total deadline and a size. The only module that imports requests.

Retries, budgets, tokens' sources and the meaning of answers are not here.
"""

import contextlib
import contextvars
import http.cookiejar
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import requests.adapters
import urllib3
from urllib3 import connection, connectionpool

from exporter.records import FetchError, Reason

MAX_BODY_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_TICK_SECONDS = 0.1


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


class _Cutoff:
    """Ends a request at its deadline, whatever it is doing.

    The timeouts of sockets are for one read each: a server that sends a byte now and then, of the body, of the
    headers or of a TLS handshake, would hold the caller for ever. Shutting the socket down from a thread wakes it.
    """

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self._connection: connection.HTTPConnection | None = None
        self.expired = False

    def attach(self, used: connection.HTTPConnection) -> None:
        self._connection = used
        if self.expired:
            self.cut()

    def cut(self) -> None:
        self.expired = True
        held = getattr(self._connection, "sock", None)
        # In TLS through a TLS proxy the socket proper is one step further in.
        inner = held if isinstance(held, socket.socket) else getattr(held, "socket", None)
        if isinstance(inner, socket.socket):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(inner, socket.SHUT_RDWR)


class _Watch:
    """Cuts requests off in time: one thread for all, while there are any. To start one for each would cost a third of
    a quick request.
    """

    def __init__(self) -> None:
        self._open: set[_Cutoff] = set()
        self._unwatched = threading.Semaphore()

    @contextlib.contextmanager
    def over(self, cutoff: _Cutoff) -> Iterator[None]:
        """Cut it off within a tenth of a second after its deadline, unless the body ends before."""
        self._open.add(cutoff)
        try:
            if self._unwatched.acquire(blocking=False):
                self._start()
            yield
        finally:
            self._open.discard(cutoff)

    def _start(self) -> None:
        try:
            threading.Thread(target=self._run, name="deadlines", daemon=True).start()
        except RuntimeError:
            # The system has no thread to give now; the next request tries again.
            self._unwatched.release()
            raise

    def _run(self) -> None:
        while True:
            while watched := tuple(self._open):
                left = min(cutoff.at for cutoff in watched) - time.monotonic()
                time.sleep(min(_TICK_SECONDS, max(0.0, left)))
                for cutoff in watched:
                    if cutoff.at <= time.monotonic() and cutoff in self._open:
                        cutoff.cut()
                        self._open.discard(cutoff)
            self._unwatched.release()
            # One that came between the two lines above has found this thread still there.
            if not self._open or not self._unwatched.acquire(blocking=False):
                return


_current: contextvars.ContextVar[_Cutoff | None] = contextvars.ContextVar("cutoff", default=None)


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
        self._watch = _Watch()

    def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str], deadline: float) -> Answer:
        """GET `url`, all of it within `deadline` seconds. Redirects are answers, not followed.

        Raises FetchError: timeout, connection, tls, too_large (over 64 MiB, decompressed), malformed (broken HTTP).
        """
        cutoff = _Cutoff(deadline)
        with self._watch.over(cutoff):
            token = _current.set(cutoff)
            try:
                return self._get(url, params, headers, deadline)
            except requests.RequestException as error:
                raise _fetch_error(error, cutoff.expired, deadline) from None
            except (OSError, urllib3.exceptions.HTTPError) as error:
                raise _fetch_error(error, cutoff.expired, deadline) from None
            except ValueError:
                # What a library could not parse of the answer's head; its text may hold some of it.
                raise FetchError(Reason.MALFORMED, "the answer is not HTTP as it should be") from None
            finally:
                _current.reset(token)

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


def _fetch_error(error: Exception, expired: bool, deadline: float) -> FetchError:
    """Give a library's error its reason. Its text is not used: it may hold the URL, a proxy's password, anything."""
    causes = _causes(error)
    if expired or any(_is_timeout(cause) for cause in causes):
        return FetchError(Reason.TIMEOUT, f"no complete answer within {deadline:g} seconds")
    if any(isinstance(cause, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)) for cause in causes):
        return FetchError(Reason.TLS, "the TLS handshake failed: " + _tls_words(causes))
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in causes):
        return FetchError(Reason.CONNECTION, "the proxy could not be used (see proxy_url)")
    if any(
        isinstance(cause, (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError))
        for cause in causes
    ):
        return FetchError(Reason.MALFORMED, "the answer could not be decompressed")
    if any(isinstance(cause, urllib3.exceptions.IncompleteRead) for cause in causes):
        return FetchError(Reason.CONNECTION, "the answer ended before its end")
    return FetchError(Reason.CONNECTION, "no connection, or it was lost: " + _os_words(causes))


def _is_timeout(cause: BaseException) -> bool:
    # urllib3 derives "connection refused" from its timeouts.
    refused = isinstance(cause, urllib3.exceptions.NewConnectionError)
    return not refused and isinstance(cause, (requests.Timeout, TimeoutError, urllib3.exceptions.TimeoutError))


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what is wrapped in it, outermost first: requests wraps urllib3, which wraps the system's."""
    found: list[BaseException] = []
    left: list[object] = [error]
    while left and len(found) < 20:
        one = left.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            left += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return found


def _tls_words(causes: list[BaseException]) -> str:
    for cause in causes:
        words = getattr(cause, "verify_message", None)
        if isinstance(words, str):
            return words
    return "see tls_config"


def _os_words(causes: list[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None and isinstance(cause.strerror, str):
            return cause.strerror
    return "the server closed it" if any("closed" in str(cause) for cause in causes) else "no answer"
