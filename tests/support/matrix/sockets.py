"""What a request comes to when its connection fails at some stage: found out once, over real sockets."""

import datetime
import gzip
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import trustme

from exporter.client.resolve import SYSTEM, Address, HostResolver
from exporter.client.transport import RequestLimits, Transport
from exporter.model.record import FetchError
from exporter.model.tls import TLSConfig
from tests.support import hosts, tls_server
from tests.support.matrix.wire import RESPONSE_BYTES

_PATIENT, _SHORT = 60.0, 0.5
"""Deadlines of requests: for what ends by itself, and for what does not."""

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_BEGUN = _HEAD + b'Content-Length: 9999\r\n\r\n{"items"'
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Way:
    """A way to a server."""

    url: str
    timeout: float = _PATIENT
    resolver: HostResolver | None = None
    tls: TLSConfig | None = None


@contextmanager
def _server(
    *pieces: bytes, every: float = 0.0, reset: bool = False, hang: bool = False, timeout: float = _PATIENT
) -> Iterator[Way]:
    """Answer each connection with the pieces, and then end it, reset it or leave it open."""
    over = threading.Event()

    def converse(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65_536)
                for piece in pieces:
                    connection.sendall(piece)
                    if over.wait(every):
                        return
                if hang:
                    over.wait()
                if reset:
                    # What was sent is to arrive before the reset.
                    over.wait(0.2 if pieces else 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            except OSError:
                return

    def accept() -> None:
        while not over.is_set():
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield Way(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout)
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@contextmanager
def _tls(name: str = "127.0.0.1", *, trusted: bool = True, days: int = 1) -> Iterator[Way]:
    """Offer a certificate for a name that is valid for so many days."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    authority.issue_cert(name, not_before=until - datetime.timedelta(days=9), not_after=until).configure_cert(context)
    with tempfile.TemporaryDirectory() as folder, tls_server.served(context) as url:
        known = Path(folder) / "ca.pem"
        (authority if trusted else trustme.CA()).cert_pem.write_to_path(known)
        yield Way(url, tls=TLSConfig(known))


@contextmanager
def _plain() -> Iterator[Way]:
    """Speak plain HTTP where TLS is expected."""
    with _server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as way:
        yield Way(way.url.replace("http:", "https:"))


@contextmanager
def _name(resolve: Callable[[str, int], Sequence[Address]], timeout: float = _PATIENT) -> Iterator[Way]:
    yield Way("http://api.example", timeout, HostResolver(resolve))


@contextmanager
def _no_resolver() -> Iterator[Way]:
    over = threading.Event()

    def resolve(_host: str, _port: int) -> Sequence[Address]:
        over.wait()
        return []

    with _name(resolve, _SHORT) as way:
        try:
            yield way
        finally:
            over.set()


@contextmanager
def _dead() -> Iterator[Way]:
    with hosts.black_hole() as address, _name(lambda _host, _port: [address], _SHORT) as way:
        yield way


def _unknown_host(_host: str, _port: int) -> Sequence[Address]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _bytes(content: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in content]


CONNECTION, TIMEOUT, TLS, MALFORMED, TOO_LARGE = "connection", "timeout", "tls", "malformed", "too_large"

WAYS: Mapping[str, tuple[str, Callable[[], AbstractContextManager[Way]]]] = {
    "reset before the answer": (CONNECTION, lambda: _server(reset=True)),
    "reset in the head": (CONNECTION, lambda: _server(_HEAD, reset=True)),
    "reset in the body": (CONNECTION, lambda: _server(_BEGUN, reset=True)),
    "closed before the answer": (CONNECTION, _server),
    "closed in the body": (CONNECTION, lambda: _server(_BEGUN)),
    "closed in a chunk": (CONNECTION, lambda: _server(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n{")),
    "host name unknown": (CONNECTION, lambda: _name(_unknown_host)),
    "connection refused": (CONNECTION, lambda: _name(lambda _host, _port: [hosts.refusing()])),
    "no route": (CONNECTION, lambda: _name(lambda _host, _port: [hosts.no_route()])),
    "hang before the answer": (TIMEOUT, lambda: _server(hang=True, timeout=_SHORT)),
    "hang in the head": (TIMEOUT, lambda: _server(_HEAD, hang=True, timeout=_SHORT)),
    "hang in the body": (TIMEOUT, lambda: _server(_BEGUN, hang=True, timeout=_SHORT)),
    "head byte by byte": (TIMEOUT, lambda: _server(*_bytes(_HEAD * 99), every=0.02, timeout=_SHORT)),
    "body byte by byte": (TIMEOUT, lambda: _server(_BEGUN, *_bytes(b" " * 9999), every=0.02, timeout=_SHORT)),
    "dead address": (TIMEOUT, _dead),
    "dead name server": (TIMEOUT, _no_resolver),
    "certificate of an unknown authority": (TLS, lambda: _tls(trusted=False)),
    "certificate for another name": (TLS, lambda: _tls("other.example")),
    "expired certificate": (TLS, lambda: _tls(days=-1)),
    "plain HTTP instead of TLS": (TLS, _plain),
    "no HTTP": (CONNECTION, lambda: _server(b"SSH-2.0-OpenSSH_9.6\r\n")),
    "head without end": (CONNECTION, lambda: _server(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 999_999)),
    "chunk size that is no number": (
        CONNECTION,
        lambda: _server(_HEAD + b"Transfer-Encoding: chunked\r\n\r\nnone\r\n{}\r\n"),
    ),
    "body that is not gzip": (
        MALFORMED,
        lambda: _server(_HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
    ),
    "gzip body that is too large": (
        TOO_LARGE,
        lambda: _server(_HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * 9 * RESPONSE_BYTES)),
    ),
    "body without end": (TOO_LARGE, lambda: _server(_HEAD + b"\r\n", *[b" " * 65_536] * 999)),
    "`Content-Length` that is too large": (
        TOO_LARGE,
        lambda: _server(_HEAD + b"Content-Length: 999999999999\r\n\r\n{"),
    ),
}
"""By name: the reason for which polls fail, and what makes it."""


@cache
def outcomes() -> Mapping[str, FetchError | None]:
    """Return the outcome of a real request on each way; None for an answer."""
    with ThreadPoolExecutor(len(WAYS)) as pool:
        return dict(zip(WAYS, pool.map(_outcome, WAYS), strict=True))


def _outcome(name: str) -> FetchError | None:
    with WAYS[name][1]() as way:
        transport = Transport(
            way.tls or TLSConfig(), None, way.resolver or SYSTEM, RequestLimits(response_bytes=RESPONSE_BYTES)
        )
        try:
            transport.get(way.url + "/v1/batch", {}, {}, way.timeout)
        except FetchError as error:
            return error
        finally:
            transport.close()
    return None
