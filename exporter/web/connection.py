"""How a client's connection is treated: what it may take of time and room. What it is answered is in app.py."""

import asyncio
from dataclasses import dataclass
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
    connections: int = 512
    """Well below the usual 1024 file descriptors, which the state and the API's connections need too."""


DEFAULTS = Limits()


class Connection(H11Protocol):
    """A connection with a deadline for whatever its client owes.

    uvicorn's own has one only for the first byte after an answer: a client that never speaks, or speaks a byte at
    a time, or never reads, would stay for good.
    """

    deadline: asyncio.TimerHandle | None = None
    """When the client is cut off."""
    reading = False
    """Is an answer under way that the client has not read to its end."""

    def __init__(self, limits: Limits, **given: Any) -> None:
        super().__init__(**given)
        self.limits = limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect(self.limits.request_seconds)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._expect(None)

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

    def _expect(self, seconds: float | None) -> None:
        """Cut the client off after this time, if nothing else is expected until then."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def _make_room(self) -> None:
        """Cut off the one whose deadline is nearest: a scraper, who speaks at once, outlives those who don't."""
        waiting = [
            (other.deadline.when(), other.transport)
            for other in self.connections
            if isinstance(other, Connection) and other.deadline is not None and not other.transport.is_closing()
        ]
        min(waiting, key=lambda one: one[0])[1].abort()
