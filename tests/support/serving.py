"""What the tests of the server share: a program's worth of facts to serve, and clients that send plain bytes."""

import asyncio
import contextlib
import http.client
import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import Gauge
from prometheus_client.registry import CollectorRegistry

from exporter.exposition.scrape import Exposition
from exporter.exposition.snapshot import Block, CollectorSnapshot, SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.exposition.text_format import Sample, render
from exporter.model.family import Family
from exporter.web.app import App
from exporter.web.config import WebConfigFile
from exporter.web.reload import Reload
from exporter.web.routes import Probes
from exporter.web.server import server as server_module
from exporter.web.server.connection import DEFAULTS, Connection, Limits
from exporter.web.server.listen import listen
from exporter.web.server.server import Server
from exporter.web.webhooks import Webhooks
from tests.support.patience import GENEROUS

WIDE = Family("inkit_batches", "gauge", "Batches.", ("account",))
GET = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
HASTE = 0.2
"""Seconds of patience of a server that soon has none."""
PATIENT = replace(DEFAULTS, request_seconds=GENEROUS, answer_seconds=10 * GENEROUS)
"""For a test that may be kept from sending and reading for long."""
LONG = 2**25
Place = tuple[str, int]


def _can_bind(address: str) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind((address, 0))
        return True
    return False


HAS_IPV6, HAS_IPV6_SOCKETS = _can_bind("::1"), _can_bind("::")
"""Where IPv6 is switched off, sockets of it may still be had, without addresses."""


class Program:
    """Stands for the rest of the program: what is in the store, and how it is."""

    def __init__(
        self, telemetry_path: str = "/metrics", reload: Reload | None = None, webhooks: Webhooks | None = None
    ) -> None:
        self.store = SnapshotStore()
        self.well = True
        self.not_ready: str | None = None
        registry = CollectorRegistry()
        self.live = Gauge("live", "Live.", registry=registry)
        self.exposition = Exposition(self.store, [WIDE], registry)
        self.app = App(
            self.exposition,
            self.store,
            Probes(lambda: self.well, lambda: self.not_ready),
            telemetry_path=telemetry_path,
            reload=reload,
            webhooks=webhooks,
        )

    def publish(self, account: str, status: CollectorStatus, series: int = 1) -> None:
        samples = [Sample((f"{account}-{number}",), number) for number in range(series)]
        gauges = {WIDE.name: render(WIDE, samples)}
        self.store.publish(CollectorSnapshot(account, "inkit", "invocations", {}, 0.0, gauges, status))


def hasty(seconds: float) -> Limits:
    """Return the limits of a server that is out of patience so soon."""
    return Limits(request_seconds=seconds, answer_seconds=seconds)


@contextlib.contextmanager
def serving(
    program: Program,
    limits: Limits = PATIENT,
    address: str = "127.0.0.1:0",
    web: Path | None = None,
    *,
    open_health: bool = False,
) -> Iterator[Place]:
    """Run a server, and yield its address. Asserts that it ends when asked to, whatever the test did to it."""
    sockets = listen(address)
    place = sockets[0].getsockname()
    current = None if web is None else WebConfigFile(web)
    server = Server(program.app, sockets, limits, current, open_health=open_health)
    server.start()
    try:
        yield place[0], place[1]
    finally:
        assert server.stop(GENEROUS)


def noted_connections(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """Return a list of the connections that servers have from now on, each from its beginning to its end."""
    noted: list[Connection] = []

    class Noted(Connection):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            noted.append(self)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            noted.remove(self)

    monkeypatch.setattr(server_module, "Connection", Noted)
    return noted


def connect(place: Place, receive_buffer: int | None = None) -> socket.socket:
    client = socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET)
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(GENEROUS)
    client.connect(place)
    return client


def ask(place: Place, method: str, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    """Send one request on a connection of its own, and return the response with its body."""
    connection = http.client.HTTPConnection(*place, timeout=GENEROUS)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()


def speak(place: Place, data: bytes) -> bytes:
    """Send bytes and nothing more, and read until the server closes."""
    with connect(place) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return read_to_end(client)


def read_to_end(client: socket.socket) -> bytes:
    """Return all that comes until the connection ends; a reset is an end too."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            received += data
    return bytes(received)


def long_winded() -> Program:
    """Return a program whose metrics don't fit the buffers between it and a client."""
    program = Program()
    program.store.publish(CollectorSnapshot("a", "inkit", "c", {}, 0.0, {WIDE.name: Block(b"x" * LONG)}))
    return program


def scrape(place: Place) -> int:
    return ask(place, "GET", "/metrics")[0].status


def answers(data: bytes) -> int:
    return data.count(b"HTTP/1.1 200 OK\r\n")


def read_answers(client: socket.socket, count: int) -> bytes:
    data = bytearray()
    while data.count(b"healthy.\n") < count:
        received = client.recv(65536)
        assert received, bytes(data)
        data += received
    return bytes(data)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged above the level of a warning, or with a traceback."""
    return [record.getMessage() for record in caplog.records if record.exc_info or record.levelno > logging.WARNING]
