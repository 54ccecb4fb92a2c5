"""TLS between a client's socket and a connection. What is configured, certificates and all, is in web_config.

asyncio's own would fix one context for all connections, tell a client that it refuses nothing about why, and keep
clients that don't finish their handshake where no limit sees them. Here the connection, with its deadline, is there
from the first moment.
"""

import asyncio
import contextlib
import ipaddress
import logging
import ssl
from collections.abc import Mapping

from exporter.web.config import BackgroundReader

log = logging.getLogger(__name__)

_CHUNK = 65536
_BEGINNINGS = (b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO")
_PLAIN_HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
"""What Go's net/http answers to one that begins like these (conn.serve, tlsRecordHeaderLooksLikeHTTP)."""


class TlsProtocol(asyncio.Protocol):
    """Speaks TLS with a client, and hands on what it says to a connection of plain HTTP."""

    def __init__(self, inner: asyncio.Protocol, files: BackgroundReader) -> None:
        self.inner = inner
        self._files = files
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._shaken = False
        self._beginning = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the certificates before anything is read; the connection's deadline runs already."""
        self.raw: asyncio.Transport = transport  # type: ignore[assignment]
        self.inner.connection_made(_TlsTransport(self))
        loop = asyncio.get_running_loop()
        # Soon, and not now: Python 3.11.2 begins to read right after this method, whether reading is paused or not.
        loop.call_soon(self.raw.pause_reading)
        self._start = loop.create_task(self._begin())

    async def _begin(self) -> None:
        seen = await self._files.now()
        if self.raw.is_closing():
            return
        if seen.context is None:  # It is never without one: TLS is not switched off while the program runs.
            self.raw.abort()
            return
        self._allowed_sans = seen.allowed_sans
        self._tls = seen.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.raw.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def eof_received(self) -> bool | None:
        """Let a client that has closed its side of the socket have its answer."""
        return self.inner.eof_received()

    def data_received(self, data: bytes) -> None:
        self._beginning = (self._beginning + data[:5])[:5]
        self._incoming.write(data)
        try:
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
                if not _allowed(self._tls.getpeercert(), self._allowed_sans):
                    self._log_refusal("its certificate has none of client_allowed_sans")
                    self.close()
                    return
            self._hand_on()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._log_refusal((error.reason or "it does not speak TLS").replace("_", " ").lower())
            self._refuse()

    def write(self, data: bytes) -> None:
        """Send to the client."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError:
            self.raw.abort()
        self._flush()

    def close(self) -> None:
        """End the connection once everything is sent, and say to the client that this is the end."""
        if self._shaken:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
        self._flush()
        self.raw.close()

    def _hand_on(self) -> None:
        while not self.raw.is_closing():
            data = self._tls.read(_CHUNK)
            self._flush()
            if not data:
                self._end_of_input()
                return
            self.inner.data_received(data)

    def _end_of_input(self) -> None:
        """The client says that it sends nothing more (close_notify). It may be waiting for its answer."""
        if self.inner.eof_received():
            self.raw.pause_reading()
        else:
            self.close()

    def _refuse(self) -> None:
        """Say what is wrong: in an alert, which OpenSSL has written, or in plain HTTP to whoever speaks that."""
        if not self._shaken and self._beginning in _BEGINNINGS:
            self.raw.write(_PLAIN_HTTP)
        else:
            self._flush()
        self.raw.close()

    def _log_refusal(self, reason: str) -> None:
        client = self.raw.get_extra_info("peername")
        log.debug("a client was refused by TLS", extra={"client": str(client), "reason": reason})

    def _flush(self) -> None:
        if self._outgoing.pending and not self.raw.is_closing():
            self.raw.write(self._outgoing.read())


class _TlsTransport(asyncio.Transport):
    """What the connection takes for its socket."""

    def __init__(self, protocol: TlsProtocol) -> None:
        super().__init__()
        self._protocol = protocol

    def get_extra_info(self, name: str, default: object = None) -> object:
        return True if name == "sslcontext" else self._protocol.raw.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._protocol.raw.is_closing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._protocol.raw.set_write_buffer_limits(high, low)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._protocol.write(bytes(data))

    def pause_reading(self) -> None:
        # What has come already is handed on even so. It is no more than one reading of the socket.
        self._protocol.raw.pause_reading()

    def resume_reading(self) -> None:
        self._protocol.raw.resume_reading()

    def close(self) -> None:
        self._protocol.close()

    def abort(self) -> None:
        self._protocol.raw.abort()


def _allowed(certificate: Mapping[str, object] | None, sans: frozenset[str] | None) -> bool:
    """Whether a client's certificate is for one of these names. A client that has shown none is not judged here."""
    if not certificate or sans is None:
        return True
    return not sans.isdisjoint(_names(certificate))


def _names(certificate: Mapping[str, object]) -> set[str]:
    """The DNS names, e-mail and IP addresses and URIs of a certificate, as Go writes them."""
    found = certificate.get("subjectAltName", ())
    names = found if isinstance(found, tuple) else ()
    return {_plain(kind, name) for kind, name in names if kind in ("DNS", "email", "URI", "IP Address")}


def _plain(kind: str, name: str) -> str:
    """OpenSSL writes 2001:DB8:0:0:0:0:0:1 where everybody else writes 2001:db8::1."""
    return str(ipaddress.ip_address(name.strip())) if kind == "IP Address" else name
