"""Accept connections, no faster than earlier ones get their turn. What a connection may take: connection.py."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence

from exporter.web.server.connection import ConnectionLimiter, peer_of

log = logging.getLogger(__name__)

_BATCH = 16
"""Most connections that are accepted before those accepted earlier are served."""

_RETRY_SECONDS = 0.1
"""How long to wait when there is no file descriptor for another connection."""

Protocol = Callable[[str], asyncio.Protocol]
"""Returns the protocol that serves a connection of this peer."""


class Acceptor:
    """Accepts the connections of listening sockets.

    asyncio accepts them as fast as clients connect. Many clients that reconnect whenever they are cut off would then
    evict a scraper before it is answered. Here they wait in the system's queue, and the scraper gets its turn there.
    """

    def __init__(self, sockets: Sequence[socket.socket], limiter: ConnectionLimiter, protocol: Protocol) -> None:
        self._sockets = sockets
        self._limiter = limiter
        self._batch = max(1, min(_BATCH, limiter.limits.per_peer // 8))
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[object]] = set()
        self._ended = False

    def start(self) -> None:
        """Begin to accept connections."""
        for listening in self._sockets:
            listening.setblocking(False)
            self._wait_for(listening)

    def stop(self) -> None:
        """Accept no more connections. The sockets stay open."""
        self._ended = True
        for listening in self._sockets:
            self._loop.remove_reader(listening)

    def _wait_for(self, listening: socket.socket) -> None:
        if not self._ended:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        wait = 0.0
        try:
            for _ in range(self._batch):
                self._connect(*listening.accept())
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            pass
        except OSError as error:
            log.warning("cannot accept connections, retrying", extra={"err": error.strerror})
            wait = _RETRY_SECONDS
        wait = wait or self._limiter.accept_delay(self._batch)
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
            task.exception()  # Retrieved, so that asyncio does not log it: the client has disconnected.
