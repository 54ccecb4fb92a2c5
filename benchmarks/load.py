"""A load generator: connections kept open that scrape one time after another. What is served, and why, is not known.

It reads and throws away, and does nothing else: it must not be what is measured.
"""

import contextlib
import selectors
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

_ROOM = memoryview(bytearray(2**20))
"""Where bytes go that nobody looks at."""
_HEAD_END = b"\r\n\r\n"
_PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class _Client:
    """One connection, and how far its answer has come."""

    connection: socket.socket
    asked: float = 0.0
    head: bytearray = field(default_factory=bytearray)
    left: int = -1
    """Bytes of the body to come; below 0 while its head is read."""

    def ask(self, request: bytes) -> None:
        self.head.clear()
        self.left = -1
        self.asked = time.perf_counter()
        self.connection.sendall(request)

    def read(self) -> bool:
        """Take what has come; True once the answer is complete. Raises RuntimeError if it is no answer to a scrape."""
        if self.left > 0:
            received = self.connection.recv_into(_ROOM)
            self.left -= received
        else:
            received = self.connection.recv_into(_ROOM, 4096)
            self.head += _ROOM[:received]
            self.left = _left(self.head)
        if not received:
            raise RuntimeError(f"the server has closed the connection after {bytes(self.head[:80])!r}")
        return self.left == 0


def hold(
    address: tuple[str, int], path: str, headers: Mapping[str, str], connections: int, seconds: float
) -> list[float]:
    """Scrape for some seconds over so many connections at once, and return the seconds that each scrape took.

    Every connection makes at least one request and reads its response to the end. Raises RuntimeError where a response
    is not 200, or not complete, and OSError.
    """
    lines = [f"GET {path} HTTP/1.1", "Host: benchmark", *(f"{name}: {value}" for name, value in headers.items())]
    request = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
    taken: list[float] = []
    until = time.perf_counter() + seconds
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as opened:
        for _ in range(connections):
            client = _Client(opened.enter_context(socket.create_connection(address, _PATIENCE_SECONDS)))
            selector.register(client.connection, selectors.EVENT_READ, client)
            client.ask(request)
        while selector.get_map():
            for client in _ready(selector):
                if not client.read():
                    continue
                now = time.perf_counter()
                taken.append(now - client.asked)
                if now < until:
                    client.ask(request)
                else:
                    selector.unregister(client.connection)
    return taken


def _ready(selector: selectors.BaseSelector) -> list[_Client]:
    """Return the clients for which data has arrived. Raises RuntimeError if there are none in time."""
    ready = selector.select(_PATIENCE_SECONDS)
    if not ready:
        raise RuntimeError(f"no answer has come for {_PATIENCE_SECONDS:.0f} s")
    return [key.data for key, _ in ready]


def _left(head: bytearray) -> int:
    """Return how many bytes of the body are still missing; below 0 if that isn't known yet. Raises RuntimeError."""
    end = head.find(_HEAD_END)
    if end < 0:
        return -1
    lines = bytes(head[:end]).decode("latin-1").lower().split("\r\n")
    if lines[0].split()[1:2] != ["200"]:
        raise RuntimeError(f"the answer is {lines[0]!r}")
    [length] = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
    return int(length) - (len(head) - end - len(_HEAD_END))
