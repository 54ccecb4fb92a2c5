"""Accept connections, no faster than earlier ones get their turn. What a connection may take: connection.py."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Sequence

from exporter.web.server.connection import ConnectionLimiter, peer_of

log = logging.getLogger(__name__)

_BATCH = 16
"""The maximum number of connections that are accepted before earlier ones are served."""

_RETRY_SECONDS = 0.1
"""How long to wait when there is no file descriptor for another connection."""

_SPARE_DESCRIPTORS = 8
"""File descriptors that clients leave to the rest of the program: for the state, and for files that are read."""

Protocol = Callable[[str], asyncio.Protocol]
"""Returns the protocol that serves a connection of this peer."""


class _Episode:
    """Logs when a condition begins, and when it has been absent for some time."""

    def __init__(self, quiet: float, begin: str, end: str) -> None:
        """`quiet` is that time in seconds."""
        self._loop = asyncio.get_running_loop()
        self._quiet = quiet
        self._begin = begin
        self._end = end
        self._going_on = False
        self._noted = 0.0
        """When the condition was last noted, in the loop's time."""

    def note(self, **fields: object) -> None:
        """Note that the condition holds now. The fields are for the log."""
        self._noted = self._loop.time()
        if not self._going_on:
            self._going_on = True
            log.warning("%s", self._begin, extra=fields)
            self._loop.call_later(self._quiet, self._check)

    def _check(self) -> None:
        left = self._noted + self._quiet - self._loop.time()
        if left > 0:
            self._loop.call_later(left, self._check)
        else:
            self._going_on = False
            log.info("%s", self._end)


class Acceptor:
    """Accepts the connections of listening sockets.

    asyncio accepts them as fast as clients connect. Many clients that reconnect whenever they are cut off would then
    evict a scraper before it is answered. Here they wait in the system's queue, and the scraper gets its turn there.
    They wait there too while file descriptors are running out.
    """

    def __init__(self, sockets: Sequence[socket.socket], limiter: ConnectionLimiter, protocol: Protocol) -> None:
        self._sockets = sockets
        self._limiter = limiter
        self._batch = max(1, min(_BATCH, limiter.limits.per_peer // 8))
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[object]] = set()
        self._ended = False
        self._shortage = _Episode(
            limiter.limits.quiet_seconds,
            "cannot accept connections, waiting",
            "accepting connections again",
        )
        self._crowd = _Episode(
            limiter.limits.quiet_seconds,
            "connection limit reached: closing those that wait longest for their client",
            "connections are below the limit again",
        )
        limiter.evicting = lambda: self._crowd.note(limit=limiter.limits.connections)

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
        wait = self._accepted(listening) or self._limiter.accept_delay(self._batch)
        if wait:
            self._loop.remove_reader(listening)
            self._loop.call_later(wait, self._wait_for, listening)

    def _accepted(self, listening: socket.socket) -> float:
        """Accept connections. Return the seconds to wait if the system has no more to give, or 0."""
        try:
            for _ in range(self._batch):
                if not self._has_spare(listening):
                    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
                self._connect(*listening.accept())
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return 0.0
        except OSError as error:
            self._shortage.note(err=error.strerror)
            return _RETRY_SECONDS
        return 0.0

    def _has_spare(self, listening: socket.socket) -> bool:
        """Return whether the process has more than the last few file descriptors left.

        The system gives the lowest number that is free: all below it are in use.
        """
        try:
            lowest = os.dup(listening.fileno())
        except OSError:
            return False
        os.close(lowest)
        return lowest < self._limiter.limits.descriptors - _SPARE_DESCRIPTORS

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
