"""Scrapers that ask at fixed times, however long earlier scrapes take, and clients that read slowly. One thread.

It reads and throws away: it must not be what is measured.
"""

import contextlib
import selectors
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Address = tuple[str, int]

PATIENCE_SECONDS = 60.0
"""How long a scrape is waited for after the last one was begun."""
_ROOM = memoryview(bytearray(2**20))
"""Where bytes go that nobody looks at."""
_HEAD_BYTES = 4096
_HEAD_END = b"\r\n\r\n"
_SLOW_BUFFER = 16_384
_SLOW_PIECE = 8_192
_TICK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Scraped:
    """One scrape."""

    seconds: float
    """From when it was to begin until all of it was read."""
    status: int
    """0 if the connection ended early, or nothing came for a minute."""
    size: int
    """Bytes of the body."""


@dataclass(slots=True)
class _Scrape:
    """One connection with one request."""

    connection: socket.socket
    began: float
    head: bytearray = field(default_factory=bytearray)
    size: int = 0
    left: int = -1
    """Bytes of the body to come; below 0 while its head is read."""

    def read(self) -> bool:
        """Take what has come. Return whether nothing more will come."""
        try:
            received = self.connection.recv_into(_ROOM if self.left > 0 else _ROOM[:_HEAD_BYTES])
        except OSError:
            return True
        if self.left > 0:
            self.left -= received
        else:
            self.head += _ROOM[:received]
            self._look_for_the_body()
        return self.left == 0 or not received

    def _look_for_the_body(self) -> None:
        end = self.head.find(_HEAD_END)
        if end >= 0:
            lines = bytes(self.head[:end]).lower().split(b"\r\n")
            [length] = [line.partition(b":")[2] for line in lines if line.startswith(b"content-length:")]
            self.size = int(length)
            self.left = self.size - (len(self.head) - end - len(_HEAD_END))

    def result(self, now: float) -> Scraped:
        status = int(self.head.split(b" ", 2)[1]) if self.left == 0 else 0
        return Scraped(now - self.began, status, self.size)


def storm(address: Address, headers: Mapping[str, str], rate: float, seconds: float) -> Sequence[Scraped]:
    """Begin so many scrapes a second, each at its time and on a connection of its own."""
    start = time.perf_counter()
    return _scraped(address, headers, (start + number / rate for number in range(int(rate * seconds))))


def one_by_one(address: Address, headers: Mapping[str, str], pause: float, seconds: float) -> Sequence[Scraped]:
    """Scrape with a pause after each scrape, so that there is never more than one."""
    found: list[Scraped] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        found += _scraped(address, headers, iter([time.perf_counter()]))
        time.sleep(pause)
    return found


def _scraped(address: Address, headers: Mapping[str, str], times: Iterator[float]) -> list[Scraped]:
    found: list[Scraped] = []
    due = next(times, None)
    last = time.perf_counter()
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as opened:
        while due is not None or selector.get_map():
            now = time.perf_counter()
            if due is not None and due <= now:
                scrape = _Scrape(opened.enter_context(_asked(address, headers)), due)
                selector.register(scrape.connection, selectors.EVENT_READ, scrape)
                due, last = next(times, None), now
                continue
            if now - last > PATIENCE_SECONDS:
                return [*found, *(key.data.result(now) for key in selector.get_map().values())]
            for key, _ in selector.select(1.0 if due is None else due - now):
                if key.data.read():
                    selector.unregister(key.fileobj)
                    key.data.connection.close()
                    found.append(key.data.result(time.perf_counter()))
    return found


def read_slowly(address: Address, headers: Mapping[str, str], count: int, seconds: float) -> int:
    """Keep so many connections busy for some seconds with a scrape that is read at 32 KiB/s. Return the bytes read.

    A connection that ends, because all was read or the server has cut it off, is replaced by another one.
    """
    received = 0
    clients: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as opened:
        started = time.perf_counter()
        for turn in range(int(seconds / _TICK_SECONDS)):
            # The clients connect one after another in the first second, not all at once.
            for place in range(min(count, int((turn + 1) * _TICK_SECONDS * count))):
                if place not in clients:
                    clients[place] = opened.enter_context(_asked(address, headers, _SLOW_BUFFER))
                    clients[place].setblocking(False)
                read = _read_piece(clients[place])
                received += read or 0
                if read == 0:
                    clients.pop(place).close()
            time.sleep(max(0.0, started + (turn + 1) * _TICK_SECONDS - time.perf_counter()))
    return received


def _read_piece(client: socket.socket) -> int | None:
    """Return how much was read: 0 at the end, None if nothing has come."""
    try:
        return client.recv_into(_ROOM[:_SLOW_PIECE])
    except BlockingIOError:
        return None
    except OSError:
        return 0


def _asked(address: Address, headers: Mapping[str, str], buffer: int | None = None) -> socket.socket:
    lines = ["GET /metrics HTTP/1.1", "Host: benchmark", *(f"{name}: {value}" for name, value in headers.items())]
    client = socket.socket()
    client.settimeout(PATIENCE_SECONDS)
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(address)
    client.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    return client
