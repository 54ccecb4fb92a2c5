"""How a client's connection is treated: what it may take of time and room. What it is answered is in app.py."""

import asyncio
import ipaddress
import resource
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take."""

    request_seconds: float = 10.0
    """To send a request: from the connection's start, or from the last answer, until its head is complete."""
    answer_seconds: float = 60.0
    """To read an answer that doesn't fit the buffers on the way."""
    head_bytes: int = 16384
    ahead_bytes: int = 65536
    """Of what a client may send before it has its answer. It is kept, and looked at after that."""
    connections: int = 512
    """Well below the usual 1024 file descriptors, which the state and the API's connections need too."""
    per_peer: int = 256
    """Of one address. All clients of a reverse proxy have one: half of the places are enough for them."""

    def within(self, files: int) -> "Limits":
        """Return limits that leave at least half of so many file descriptors to the rest of the program."""
        connections = max(2, min(self.connections, files // 2))
        return replace(self, connections=connections, per_peer=min(self.per_peer, max(1, connections // 2)))


DEFAULTS = Limits()

_GRACE_SECONDS = 1.0
"""For a client to send its request or to read its answer, before it is one of the first to make room."""

_TURN_SECONDS = 0.25
"""How long a connection has its place at least, where newcomers can be kept waiting for that."""


def default_limits() -> Limits:
    """Return the default limits, or lower ones where the process may open few files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return DEFAULTS if files == resource.RLIM_INFINITY else DEFAULTS.within(files)


class Connection(H11Protocol):
    """A connection with a deadline for whatever its client owes.

    uvicorn's own has one only for the first byte after an answer: a client that never speaks, or speaks a byte at
    a time, or never reads, would stay for good.
    """

    deadline: asyncio.TimerHandle | None = None
    """When the client is cut off."""
    owes = True
    """Whether the client has a request to send or an answer to read. If not, its answer is being made."""
    since = 0.0
    """When that changed last, in the loop's time."""
    made = 0.0
    """When the connection was made, in the loop's time."""
    reading = False
    """Whether an answer is under way that the client has not read to its end."""
    ended = False
    """Whether the client has said that it sends nothing more."""

    def __init__(self, places: "Places", peer: str, **given: Any) -> None:
        """Belong to a peer, see `peer_of`; the rest is what uvicorn gives."""
        super().__init__(**given)
        self.limits = places.limits
        self.peer = peer
        self._places = places

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # Writing pauses until all is sent, so that an answer counts as complete only when nothing of it is left here.
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)
        self.made = self.loop.time()
        self._expect(self.limits.request_seconds)
        self._places.take(self, self.made)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._expect(None)
        self._places.leave(self)

    def data_received(self, data: bytes) -> None:
        """Take in what has come. A client that sends on and on while it is being answered is cut off.

        A second request is kept, and begun when the first answer is read; reading stops meanwhile.
        """
        super().data_received(data)
        if self.conn.their_state is h11.DONE and len(self.conn.trailing_data[0]) > self.limits.ahead_bytes:
            self.transport.abort()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection open for an answer that is under way: a client may close its side after its request."""
        self.ended = True
        return self._answering()

    def handle_events(self) -> None:
        """From a request's end to its answer the client owes nothing: a reload or a password takes its time."""
        answered = self.cycle
        super().handle_events()
        if self.cycle is not answered:
            self._expect(None)

    def on_response_complete(self) -> None:
        """The answer's last part goes out when the rest is read: from here, only a request can be owed.

        Unless it has come already: then this begins to answer it.
        """
        self.reading = False
        on_sent = self.scope.pop("on_sent", None)  # type: ignore[typeddict-item]
        if on_sent is not None:
            on_sent()
        self._expect(self.limits.request_seconds)
        super().on_response_complete()
        if self.ended and not self._answering():
            self.transport.close()

    def pause_writing(self) -> None:
        """An answer is paused many times; the time to read it is for all of it, and runs from the first."""
        super().pause_writing()
        if not self.reading:
            self.reading = True
            self._expect(self.limits.answer_seconds)

    def shutdown(self) -> None:
        """At the end nobody is waited for: a scraper comes again."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed request, where the connection is still in a state to say anything.

        The part that is malformed may be the body of a request that is being answered.
        """
        if self.cycle is not None:
            self.cycle.disconnected = True
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def _should_upgrade(self) -> bool:
        """Never, and without uvicorn's advice to the operator to install a WebSocket library."""
        return False

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect(self, seconds: float | None) -> None:
        """Cut the client off after this time, if nothing else is expected until then."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.owes, self.since = seconds is not None, self.loop.time()
        self.deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def worth(self, now: float) -> tuple[bool, float]:
        """Return how hard it is to spare the connection: the lowest makes room first.

        First come those that have owed for a while, the longest first; then the oldest, which have had their turn.
        """
        overdue = self.owes and now - self.since > _GRACE_SECONDS
        return not overdue, self.since if overdue else self.made


class Places:
    """Who is connected, and who makes room for a newcomer. Used by the event loop's thread alone."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._taken: dict[Connection, None] = {}
        self._hurried = False

    def take(self, newcomer: Connection, now: float) -> None:
        """Give a newcomer a place. Another one makes room if it is one too many, of its peer or of all."""
        mine = [one for one in self._taken if one.peer == newcomer.peer]
        if len(mine) >= self.limits.per_peer:
            self._spare_one_of(mine, now)
        elif len(self._taken) >= self.limits.connections:
            self._spare_one_of(self._taken, now)
        self._taken[newcomer] = None

    def leave(self, one: Connection) -> None:
        """Note that a connection has ended."""
        self._taken.pop(one, None)

    def wait_seconds(self, newcomers: int) -> float:
        """Return for how long no more newcomers are to be taken in, after so many.

        0 unless some had to make room before they had their turn: then newcomers come no faster than that allows.
        """
        hurried, self._hurried = self._hurried, False
        return newcomers * _TURN_SECONDS / self.limits.per_peer if hurried else 0.0

    def _spare_one_of(self, places: Iterable[Connection], now: float) -> None:
        spared = min(places, key=lambda one: one.worth(now))
        self._hurried |= now - spared.made < _TURN_SECONDS
        self.leave(spared)
        spared.transport.abort()


def peer_of(address: object) -> str:
    """Return whom an address belongs to, given as a socket names its peer.

    An IPv6 address stands for its network of 64 bits, all of which one machine can have; IPv4 within IPv6 is IPv4. All
    clients of a socket without addresses are one peer.
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
