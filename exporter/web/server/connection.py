"""Limit what a client's connection may take: time, memory and places. Responses are made in app.py."""

import asyncio
import functools
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from exporter.config import Bounds
from exporter.web.server.turns import Turns


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take."""

    request_seconds: float = 10.0
    """The time for a request: from the connection's start, or the last response, until the head is complete.

    A body that the application reads has the same time again.
    """
    answer_seconds: float = 60.0
    """The time for a client to read a response that doesn't fit the network buffers. While the client has read
    everything sent, and the next part waits for its turn, no time passes."""
    head_bytes: int = 16384
    pipelined_bytes: int = 65536
    """The bytes that a client may send before it has its response. They are kept, and parsed after that."""
    connections: int = 512
    per_peer: int = 256
    """The connections of one peer, see `peer_of`. All clients of a reverse proxy are one peer: half is enough."""
    descriptors: int = 1 << 20
    """File descriptors that the process may have open. The last ones are not for clients."""
    quiet_seconds: float = 30.0
    """How long a condition must be absent until its end is logged."""


DEFAULTS = Limits()


def limits_within(bounds: Bounds) -> Limits:
    """Return the limits of clients within the bounds of the program."""
    return Limits(
        connections=bounds.clients,
        per_peer=max(1, bounds.clients // 2),
        descriptors=bounds.resources.descriptors,
    )


_GRACE_SECONDS = 1.0
"""The time for a client to send its request or read its response before it is among the first to be evicted."""

_SHORT_BYTES = 65536
"""What is left of a response that is sent without waiting for other connections."""

_TURN_SECONDS = 0.25
"""The least time for which a connection keeps its place, as long as new ones can wait in the system's queue."""


class _PassingOn(h11.Connection):
    """Passes on what is sent of a body. h11 itself copies it, and what the socket does not take is copied once more."""

    def send(self, event: h11.Event) -> Any:
        if not isinstance(event, h11.Data):
            return super().send(event)
        parts = self.send_with_data_passthrough(event) or []
        return memoryview(parts[0]) if len(parts) == 1 else b"".join(parts)


class Connection(H11Protocol):
    """A connection with a deadline for every wait for its client.

    uvicorn's own has one only for the first byte after a response: a client that is silent, sends a byte now and then,
    or never reads would stay forever.
    """

    deadline: asyncio.TimerHandle | None = None
    """Cuts the client off."""
    waits_for_client = True
    """Whether the client has a request to send or a response to read. If not, its response is being made."""
    waiting_since = 0.0
    """When that changed last, in the loop's time."""
    made_at = 0.0
    """When the connection was made, in the loop's time."""
    writing = False
    """Whether a response is being sent that the client has not read completely."""
    reading_left = 0.0
    """How many seconds the client has left to read that response."""
    paused_at = 0.0
    """When sending it paused last, because the client had not read enough, in the loop's time."""
    half_closed = False
    """Whether the client has ended its side of the connection."""

    def __init__(self, limiter: "ConnectionLimiter", peer: str, **arguments: Any) -> None:
        """Make a connection of a peer, see `peer_of`. The other arguments are those of uvicorn's protocol."""
        super().__init__(**arguments)
        self.conn = _PassingOn(h11.SERVER, limiter.limits.head_bytes)
        self.limits = limiter.limits
        self.peer = peer
        self._limiter = limiter

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # Writing pauses until all is sent, so that a response is complete only when the kernel has all of it.
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)
        self.made_at = self.loop.time()
        self._expect(self.limits.request_seconds)
        self._limiter.admit(self, self.made_at)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._expect(None)
        self._limiter.release(self)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived. Cut off a client that keeps sending while it is being answered.

        A second request is kept until the first response is read. Reading stops meanwhile.
        """
        super().data_received(data)
        if self.conn.their_state is h11.DONE and len(self.conn.trailing_data[0]) > self.limits.pipelined_bytes:
            self.transport.abort()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection open for a response in progress: a client may close its side after its request."""
        self.half_closed = True
        return self._responding()

    def handle_events(self) -> None:
        """Set no deadline between a request's head and its response: a reload or a password check takes its time.

        The application may set one for the body, if it wants to have it.
        """
        previous = self.cycle
        super().handle_events()
        if self.cycle is not previous:
            self._expect(None)
            scope = self.cycle.scope
            scope["path"] = path_of(scope["path"])
            scope["body_awaited"] = self._await_body  # type: ignore[typeddict-unknown-key]
            # The response begins in a later pass of the loop.
            scope["turn"] = functools.partial(self._turn, self.cycle)  # type: ignore[typeddict-unknown-key]

    def on_response_complete(self) -> None:
        """Wait for the next request: the response's last part is sent when the client has read the others.

        If the next request has arrived already, this begins to answer it.
        """
        self.writing = False
        on_sent = self.scope.pop("on_sent", None)  # type: ignore[typeddict-item]
        if on_sent is not None:
            on_sent()
        self._expect(self.limits.request_seconds)
        super().on_response_complete()
        if self.half_closed and not self._responding():
            self.transport.close()

    def pause_writing(self) -> None:
        """Set the deadline for reading the response to what is left for the whole of it. There may be many pauses."""
        super().pause_writing()
        self.paused_at = self.loop.time()
        if not self.writing:
            self.writing, self.reading_left = True, self.limits.answer_seconds
            self._expect(self.reading_left)
        else:
            self.deadline = self.loop.call_later(self.reading_left, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the deadline: what is next is to be sent when it is its turn among all responses."""
        if self.writing and self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
            self.reading_left -= self.loop.time() - self.paused_at
        super().resume_writing()

    def shutdown(self) -> None:
        """End at once: a scraper comes again."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer a malformed request, if no response has begun; otherwise cut the client off.

        What is malformed may be the body of a request that is being answered.
        """
        if self.cycle is not None:
            self.cycle.disconnected = True
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    async def _turn(self, cycle: RequestResponseCycle, left: int) -> bool:
        """Wait until the client has read what was sent, and for the turn among the other connections.

        What is short needs no turn: it takes less time than to wait for one.
        """
        if self.flow.write_paused and not cycle.disconnected:
            await self.flow.drain()
        if left > _SHORT_BYTES and not cycle.disconnected:
            await self._limiter.turns.take(left)
        return not cycle.disconnected

    def _should_upgrade(self) -> bool:
        """Return False, without uvicorn's warning that a WebSocket library is missing."""
        return False

    def _responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect(self, seconds: float | None) -> None:
        """Cut the client off after this time, unless this is called again before. None is no deadline."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.waits_for_client, self.waiting_since = seconds is not None, self.loop.time()
        self.deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def _await_body(self, awaited: bool) -> None:
        self._expect(self.limits.request_seconds if awaited else None)

    def eviction_order(self, now: float) -> tuple[bool, float]:
        """Return a key by which the first connection is evicted first.

        First come those that have waited for their client longest; then the oldest, which have had their turn.
        """
        overdue = self.waits_for_client and now - self.waiting_since > _GRACE_SECONDS
        return not overdue, self.waiting_since if overdue else self.made_at


class ConnectionLimiter:
    """Keeps the number of connections within the limits. Used by the event loop's thread alone."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.turns = Turns()
        self.evicting: Callable[[], None] = lambda: None
        """Called for each connection that is evicted."""
        self._connections: dict[Connection, None] = {}
        self._evicted_early = False

    def admit(self, connection: Connection, now: float) -> None:
        """Add a new connection. If it is one too many, of its peer or of all, evict another."""
        same_peer = [other for other in self._connections if other.peer == connection.peer]
        if len(same_peer) >= self.limits.per_peer:
            self._evict_one_of(same_peer, now)
        elif len(self._connections) >= self.limits.connections:
            self._evict_one_of(self._connections, now)
        self._connections[connection] = None

    def release(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self._connections.pop(connection, None)

    def accept_delay(self, count: int) -> float:
        """Return how many seconds to wait after accepting so many connections.

        0, unless some were evicted before they had their turn: then no more are accepted than can have theirs.
        """
        early, self._evicted_early = self._evicted_early, False
        return count * _TURN_SECONDS / self.limits.per_peer if early else 0.0

    def _evict_one_of(self, connections: Iterable[Connection], now: float) -> None:
        evicted = min(connections, key=lambda connection: connection.eviction_order(now))
        self._evicted_early |= now - evicted.made_at < _TURN_SECONDS
        self.release(evicted)
        self.evicting()
        evicted.transport.abort()


def path_of(target: str) -> str:
    """Return the path of a request's target, which may be a whole URL (RFC 9112, 3.2.2)."""
    scheme, separator, rest = target.partition("://")
    if target.startswith("/") or not separator or not scheme.isalpha():
        return target
    return "/" + rest.partition("/")[2]


def peer_of(address: object) -> str:
    """Return the peer that a socket's remote address belongs to.

    That is the address itself for IPv4, also within IPv6, and the network of 64 bits for IPv6, because one machine can
    have all of it. All clients of a socket without addresses are one peer, "".
    """
    if not isinstance(address, tuple) or not address:
        return ""
    host = str(address[0]).partition("%")[0]
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
