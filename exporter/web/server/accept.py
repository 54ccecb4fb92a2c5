"""From listening sockets to connections: how many are taken in, and how fast. What becomes of them: connection.py."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence

from exporter.web.server.connection import Places, peer_of

log = logging.getLogger(__name__)

_AT_ONCE = 16
"""Connections that are taken in, at most, before those before them are looked at."""

_EXHAUSTED_SECONDS = 0.1
"""How long to wait where the system gives no file descriptor for one more."""

Protocol = Callable[[str], asyncio.Protocol]
"""Makes what serves a connection of this peer."""


class Acceptor:
    """Takes in the connections of listening sockets.

    asyncio takes them in as fast as they come. A crowd that connects again whenever it is cut off would then push out a
    scraper before it is answered; here it waits in the system's queue, behind which the scraper waits its turn.
    """

    def __init__(self, sockets: Sequence[socket.socket], places: Places, protocol: Protocol) -> None:
        self._sockets = sockets
        self._places = places
        self._at_once = max(1, min(_AT_ONCE, places.limits.per_peer // 8))
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[object]] = set()
        self._ended = False

    def start(self) -> None:
        """Begin to take in connections."""
        for listening in self._sockets:
            listening.setblocking(False)
            self._wait_for(listening)

    def stop(self) -> None:
        """Take in no more. The sockets stay open."""
        self._ended = True
        for listening in self._sockets:
            self._loop.remove_reader(listening)

    def _wait_for(self, listening: socket.socket) -> None:
        if not self._ended:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        wait = 0.0
        try:
            for _ in range(self._at_once):
                self._connect(*listening.accept())
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            pass
        except OSError as error:
            log.warning("no more connections can be taken in for now", extra={"err": error.strerror})
            wait = _EXHAUSTED_SECONDS
        wait = wait or self._places.wait_seconds(self._at_once)
        if wait:
            self._loop.remove_reader(listening)
            self._loop.call_later(wait, self._wait_for, listening)

    def _connect(self, accepted: socket.socket, address: object) -> None:
        accepted.setblocking(False)
        peer = peer_of(address)
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: self._protocol(peer), accepted))
        self._connecting.add(task)
        task.add_done_callback(self._connected)

    def _connected(self, task: "asyncio.Task[object]") -> None:
        self._connecting.discard(task)
        if not task.cancelled():
            task.exception()  # The client has gone meanwhile.
