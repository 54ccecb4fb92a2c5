"""Adapt requests and urllib3: connections that a deadline can end, to addresses of our choice, and TLS settings."""

import base64
import contextvars
import functools
import http.client
import os
import re
import socket
import ssl
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import requests
import requests.adapters
import urllib3
from urllib3 import connection, connectionpool

from exporter.client.authorities import system_bundle
from exporter.client.deadline import Deadline
from exporter.client.idle_connections import IdleConnections
from exporter.client.route import Route
from exporter.client.tls_context import TlsSettings, context
from exporter.model.tls import TLSConfig

_MOST_HOSTS = 1000
"""The maximum number of hosts that connections are kept for."""
_MOST_CONNECTIONS = 1000
"""The maximum number of connections kept to a host, if no other limit is lower: at most `workers` are in use."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a connection needs to know of the request under way."""

    deadline: Deadline
    route: Route


_LENGTH = re.compile("[0-9]{1,18}")

current_call: contextvars.ContextVar[Call] = contextvars.ContextVar("call")


class _Response(http.client.HTTPResponse):
    """Skips all interim answers (RFC 9110, 15.2), as every client must. Python skips 100 alone.

    It would take `103 Early Hints` for the answer, and the answer for that to the next request on the connection, which
    may be one of another account.

    An answer with two lengths, or one that is no number, is refused here. urllib3 would refuse two where nobody closes
    the connection any more, and wait for its end where there is no number.
    """

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:
            if self.status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                # The data that follows is not HTTP.
                raise http.client.BadStatusLine("101")
            # Without headers it begins with the next answer.
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        if not self.chunked:
            self._judge_length()

    def _judge_length(self) -> None:
        stated = {each.strip() for line in self.headers.get_all("Content-Length", ()) for each in line.split(",")}
        if len(stated) > 1 or not all(map(_LENGTH.fullmatch, stated)):
            raise http.client.HTTPException("no length, or two")
        if stated and self.length is None:
            # A proxy may have joined equal ones. Python would wait for the end of the connection.
            self.length = int(stated.pop())


class _HttpConnection(connection.HTTPConnection):
    response_class = _Response
    _deadline: Deadline | None = None
    """The deadline of the request that uses the connection."""

    def connect(self) -> None:
        self._attach()
        super().connect()
        self._attach()

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        self._attach()
        super().putrequest(*args, **kwargs)

    def _attach(self) -> None:
        self._deadline = current_call.get().deadline
        self._deadline.attach(self)

    def leave(self) -> None:
        """Leave the connection to other requests: the deadline of its last one must not cut it off under them."""
        if self._deadline is not None:
            self._deadline.let_go()
            self._deadline = None

    def _new_conn(self) -> socket.socket:
        call = current_call.get()
        options = self.socket_options or ()
        try:
            return call.route.connected(
                self._dns_host, self.port or 0, call.deadline, options, proxy=self.proxy is not None
            )
        except socket.gaierror as error:
            raise urllib3.exceptions.NameResolutionError(self.host, self, error) from error
        except OSError as error:
            raise urllib3.exceptions.NewConnectionError(self, "no connection") from error


class _HttpsConnection(_HttpConnection, connection.HTTPSConnection):
    _settings: TlsSettings | None = None

    def connect(self) -> None:
        if self.proxy is not None and self.proxy.scheme == "https":
            # urllib3 needs the files for the proxy's handshake too.
            if self.cert_reqs in (ssl.CERT_REQUIRED, "CERT_REQUIRED") and self.ca_certs is None:
                self.ca_certs = system_bundle()
        else:
            self._share_context()
        super().connect()

    def _share_context(self) -> None:
        # A connection may connect again: its files may have changed since.
        self._settings = self._settings or TlsSettings(
            self.cert_reqs, self.ca_certs or self.ca_cert_dir, self.cert_file, self.key_file, self.assert_hostname
        )
        self.ssl_context = context(self._settings)
        # The context has read them; urllib3 would load them into it at each connection.
        self.ca_certs = self.ca_cert_dir = self.cert_file = self.key_file = None


class _HttpPool(connectionpool.HTTPConnectionPool):
    """A pool whose idle connections are counted together with those of other pools."""

    ConnectionCls = _HttpConnection

    def __init__(self, idle: IdleConnections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle = idle

    def _get_conn(self, timeout: float | None = None) -> Any:
        taken = super()._get_conn(timeout)
        self._idle.take(taken)  # type: ignore[arg-type]
        return taken

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.leave()
            if conn.sock is not None:
                self._idle.add(conn)
        super()._put_conn(conn)


class _HttpsPool(_HttpPool, connectionpool.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


def _pools(idle: IdleConnections) -> dict[str, Any]:
    return {"http": functools.partial(_HttpPool, idle), "https": functools.partial(_HttpsPool, idle)}


class _Adapter(requests.adapters.HTTPAdapter):
    """requests' adapter with our connections, the system's authorities and an optional server name."""

    def __init__(self, server_name: str | None, idle: IdleConnections) -> None:
        self._pools = _pools(idle)
        self._tls_names: dict[str, Any] = {}
        if server_name is not None:
            self._tls_names = {"server_hostname": server_name, "assert_hostname": server_name}
        super().__init__(pool_connections=_MOST_HOSTS, pool_maxsize=_MOST_CONNECTIONS)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs, **self._tls_names)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs, **self._tls_names)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the user and password of a proxy's URL as a header.

        requests sends neither where one of them is missing, and fails where they are not latin-1.
        """
        found = urlsplit(proxy)
        credentials = f"{found.username or ''}:{found.password or ''}"
        if credentials == ":":
            return {}
        try:
            decoded = unquote(credentials).encode("latin-1")
        except UnicodeEncodeError:
            decoded = unquote_to_bytes(credentials)
        return {"Proxy-Authorization": f"Basic {base64.b64encode(decoded).decode()}"}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave a pool the TLS settings that it was made with: all requests of a session have the same.

        requests would write them to the pool again at each request, and certifi's authorities for the system's. Threads
        share the pool: a connection that one of them makes meanwhile must not find another setting.
        """


@dataclass(frozen=True, slots=True)
class Session:
    """Connections, and the settings that they are made with. Requests must be made within a `current_call`.

    requests' own session is not used. It takes twice the time of a request to merge settings that never differ, keeps
    cookies, and reads the whole body of a redirect, of any size, that it does not follow.
    """

    adapters: Mapping[str, requests.adapters.HTTPAdapter]
    """The adapters by URL scheme."""
    verify: bool | str
    cert: tuple[str, str] | None
    proxies: dict[str, str]

    def send(self, request: requests.PreparedRequest, timeout: float) -> requests.Response:
        """Send a request and return its answer, whose body is yet to be read. `timeout` is that of each read, seconds.

        Raises what requests raises.
        """
        scheme = (request.url or "").partition(":")[0]
        return self.adapters[scheme].send(
            request, stream=True, timeout=timeout, verify=self.verify, cert=self.cert, proxies=self.proxies
        )

    def close(self) -> None:
        """Close the idle connections."""
        for adapter in self.adapters.values():
            adapter.close()


def new_session(tls: TLSConfig, proxy_url: str | None, idle: IdleConnections) -> Session:
    """Return a session that keeps as many connections as `idle` allows, and ignores the environment.

    It uses no proxy and no certificate bundle of the environment, and no password from ~/.netrc, which requests would
    send instead of the token.
    """
    # Nobody looks at the cookies of an answer, which requests reads all the same: Python's parser fails on some.
    warnings.filterwarnings("ignore", "http.cookiejar bug", UserWarning)
    if tls.insecure_skip_verify:
        # The operator chose this in the configuration: no warning at each request.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    ca, cert, key = (None if file is None else os.fspath(file) for file in (tls.ca_file, tls.cert_file, tls.key_file))
    return Session(
        {"https": _Adapter(tls.server_name, idle), "http": _Adapter(None, idle)},
        verify=False if tls.insecure_skip_verify else ca or True,
        cert=None if cert is None or key is None else (cert, key),
        proxies={} if proxy_url is None else {"http": proxy_url, "https": proxy_url},
    )
