"""A way to a server that can be as bad as a network: a proxy in this process, which every machine can have."""

import contextlib
import random
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_SEGMENT = 1_448
"""Bytes, of a packet on an Ethernet."""
_RETRANSMITTED_AFTER = 0.2
"""Seconds after which a lost packet is sent again, at least (RFC 6298, and Linux)."""
_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Condition:
    """How bad the way is."""

    name: str
    reasons: frozenset[str] = field(default_factory=frozenset)
    """Why polls may fail; without any they must succeed, however slowly."""
    loss: float = 0.0
    """The share of packets that are lost, and sent again."""
    rate: float = 0.0
    """Bytes a second; 0 is any number."""
    most: int | None = None
    """The bytes of an answer that come through."""
    then: str = "nothing"
    """What happens after those: `nothing` more, a `reset`, or the `end` of the connection."""
    refuses: bool = False
    """Whether nobody listens."""


GOOD = Condition("good")
TIMEOUT, CONNECTION = frozenset({"timeout"}), frozenset({"connection"})
CONDITIONS = (
    Condition("5 % of packets lost", loss=0.05),
    Condition("half of the packets lost", TIMEOUT, loss=0.5),
    Condition("64 KB a second", rate=64e3),
    Condition("1 KB a second", TIMEOUT, rate=1e3),
    Condition("black hole", TIMEOUT, most=0),
    Condition("black hole within the answer", TIMEOUT, most=3_000),
    Condition("reset at once", CONNECTION, most=0, then="reset"),
    Condition("reset within the answer", CONNECTION, most=3_000, then="reset"),
    Condition("end within the answer", CONNECTION, most=3_000, then="end"),
    Condition("nobody listens", CONNECTION, refuses=True),
)


class RoughLink:
    """Forward connections on a free port of this machine, as well as its condition allows.

    A change of the condition applies to connections that are open, too.
    """

    def __init__(self, target: tuple[str, int], seed: int = 1) -> None:
        self.condition = GOOD
        self._target = target
        self._source = random.Random(seed)
        self._ended = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._start(self._accept, self._listener)

    def become(self, condition: Condition) -> None:
        """Change the condition."""
        self.condition = condition
        if condition.refuses:
            self._refuse()
        elif self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._start(self._accept, self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._refuse()

    def _refuse(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _start(self, function: object, *arguments: object) -> None:
        threading.Thread(target=function, args=arguments, daemon=True).start()  # type: ignore[arg-type]

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._start(self._serve, listener.accept()[0])

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._target) as server:
            with self._lock:
                self._sockets |= {client, server}
            try:
                self._copy(client, server)
            finally:
                with self._lock:
                    self._sockets -= {client, server}

    def _copy(self, client: socket.socket, server: socket.socket) -> None:
        """Copy requests, and answers packet by packet, until either side ends or an answer may go on no more.

        One thread for both: a socket that another thread reads is not reset when it is closed.
        """
        sent = 0
        while True:
            ready, _, _ = select.select([client, server], [], [], 0.5)
            if client in ready:
                data = client.recv(65_536)
                server.sendall(data)
                sent = 0
            elif server in ready:
                data = server.recv(_SEGMENT)
                if not self._passed_on(client, data, sent):
                    return
                sent += len(data)
            if (ready and not data) or self._ended.is_set():
                return

    def _passed_on(self, client: socket.socket, data: bytes, sent: int) -> bool:
        """Send a packet of an answer of which so many bytes were sent. Return False if that is its end."""
        now = self.condition
        if now.most is not None and sent + len(data) > now.most:
            client.sendall(data[: max(0, now.most - sent)])
            self._break(client, now)
            return False
        pause = len(data) / now.rate if now.rate else 0.0
        while self._source.random() < now.loss:
            pause += _RETRANSMITTED_AFTER
        if pause and self._ended.wait(pause):
            return False
        client.sendall(data)
        return True

    def _break(self, client: socket.socket, condition: Condition) -> None:
        if condition.then == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        elif condition.then == "nothing":
            # Until the client gives up: the end of its connection is seen, though nothing is sent.
            while not self._ended.is_set() and self.condition is condition and _is_open(client):
                time.sleep(0.05)


def _is_open(client: socket.socket) -> bool:
    """Return whether the other side keeps the connection. What it sends is left to be read."""
    try:
        return bool(client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False
