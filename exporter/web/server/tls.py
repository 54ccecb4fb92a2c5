"""Speak TLS between a client's socket and a connection. Certificates and settings: web/config.

asyncio's own TLS would fix one context for all connections, send no alert to a client that it rejects, give no
response to one that has sent close_notify, and hide clients from the limits until their handshake is done. Here the
connection exists, with its deadline, from the first moment.
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
_HTTP_BEGINNINGS = (b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO")
_PLAIN_HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
"""Go's net/http answers this to a client that begins so (conn.serve, tlsRecordHeaderLooksLikeHTTP)."""


class TlsProtocol(asyncio.Protocol):
    """Speaks TLS with a client, and passes the plain text to a connection."""

    def __init__(self, inner: asyncio.Protocol, files: BackgroundReader) -> None:
        self.inner = inner
        self._files = files
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._handshake_done = False
        self._beginning = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the certificates before reading. The connection's deadline runs already."""
        self.raw: asyncio.Transport = transport  # type: ignore[assignment]
        self.inner.connection_made(_TlsTransport(self))
        loop = asyncio.get_running_loop()
        # Not at once: Python 3.11.2 begins to read right after this method, even if reading is paused.
        loop.call_soon(self.raw.pause_reading)
        self._start = loop.create_task(self._begin())

    async def _begin(self) -> None:
        loaded = await self._files.current()
        if self.raw.is_closing():
            return
        if loaded.context is None:  # Never so: TLS is not switched off while the program runs.
            self.raw.abort()
            return
        self._allowed_sans = loaded.allowed_sans
        self._tls = loaded.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.raw.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def eof_received(self) -> bool | None:
        """Keep the connection open for the response to a client that has closed its side of the socket."""
        return self.inner.eof_received()

    def data_received(self, data: bytes) -> None:
        self._beginning = (self._beginning + data[:5])[:5]
        self._incoming.write(data)
        try:
            if not self._handshake_done:
                self._tls.do_handshake()
                self._handshake_done = True
                if not _allowed(self._tls.getpeercert(), self._allowed_sans):
                    self._log_rejection("its certificate has none of client_allowed_sans")
                    self.close()
                    return
            self._pass_on()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._log_rejection((error.reason or "it does not speak TLS").replace("_", " ").lower())
            self._reject()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send to the client."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError:
            self.raw.abort()
        self._flush()

    def close(self) -> None:
        """Send close_notify, and close the connection once everything is sent."""
        if self._handshake_done:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
        self._flush()
        self.raw.close()

    def _pass_on(self) -> None:
        while not self.raw.is_closing():
            data = self._tls.read(_CHUNK)
            self._flush()
            if not data:
                self._end_of_input()
                return
            self.inner.data_received(data)

    def _end_of_input(self) -> None:
        """Handle the client's close_notify. It may be waiting for its response."""
        if self.inner.eof_received():
            self.raw.pause_reading()
        else:
            self.close()

    def _reject(self) -> None:
        """Send the alert that OpenSSL has written, or a plain HTTP response to a client that sent plain HTTP."""
        if not self._handshake_done and self._beginning in _HTTP_BEGINNINGS:
            self.raw.write(_PLAIN_HTTP)
        else:
            self._flush()
        self.raw.close()

    def _log_rejection(self, reason: str) -> None:
        client = self.raw.get_extra_info("peername")
        log.debug("TLS client rejected", extra={"client": str(client), "err": reason})

    def _flush(self) -> None:
        if self._outgoing.pending and not self.raw.is_closing():
            self.raw.write(self._outgoing.read())


class _TlsTransport(asyncio.Transport):
    """The transport that the connection inside writes to."""

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
        self._protocol.write(data)

    def pause_reading(self) -> None:
        # What has arrived already is passed on even so. It is no more than one read of the socket.
        self._protocol.raw.pause_reading()

    def resume_reading(self) -> None:
        self._protocol.raw.resume_reading()

    def close(self) -> None:
        self._protocol.close()

    def abort(self) -> None:
        self._protocol.raw.abort()


def _allowed(certificate: Mapping[str, object] | None, sans: frozenset[str] | None) -> bool:
    """Return whether a client's certificate is for one of these names. A client without a certificate is allowed."""
    if not certificate or sans is None:
        return True
    return not sans.isdisjoint(subject_alt_names(certificate))


def subject_alt_names(certificate: Mapping[str, object]) -> set[str]:
    """Return the DNS names, e-mail and IP addresses and URIs of a certificate, as Go writes them."""
    value = certificate.get("subjectAltName", ())
    names = value if isinstance(value, tuple) else ()
    return {_as_go_writes(kind, name) for kind, name in names if kind in ("DNS", "email", "URI", "IP Address")}


def _as_go_writes(kind: str, name: str) -> str:
    """Shorten an IPv6 address: OpenSSL writes 2001:DB8:0:0:0:0:0:1 for 2001:db8::1."""
    return str(ipaddress.ip_address(name.strip())) if kind == "IP Address" else name
