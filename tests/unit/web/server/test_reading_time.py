"""How long a client may take to read a response: only what it keeps us waiting for counts."""

import asyncio
from collections.abc import Callable
from typing import cast

import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from exporter.web.server.connection import Connection, ConnectionLimiter, Limits

SECONDS = 60.0


class Loop:
    """A loop whose time a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: dict[object, tuple[float, Callable[[], None]]] = {}

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, function: Callable[[], None], *_: object) -> asyncio.TimerHandle:
        key = object()
        self.due[key] = self.now + seconds, function
        return cast("asyncio.TimerHandle", Handle(self, key))

    def move(self, seconds: float) -> None:
        self.now += seconds
        for key, (at, function) in list(self.due.items()):
            if at <= self.now:
                del self.due[key]
                function()


class Handle:
    def __init__(self, loop: Loop, key: object) -> None:
        self._loop, self._key = loop, key

    def cancel(self) -> None:
        self._loop.due.pop(self._key, None)


class Transport(asyncio.Transport):
    cut = False

    def abort(self) -> None:
        self.cut = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


async def app(scope: object, receive: object, send: object) -> None: ...


def connected(limits: Limits) -> tuple[Connection, Loop, Transport]:
    """Return a connection whose response is about to be sent, with its loop and its transport."""
    loop, transport = Loop(), Transport()
    connection = Connection(
        ConnectionLimiter(limits),
        "peer",
        config=uvicorn.Config(app, interface="asgi3", log_config=None),
        server_state=ServerState(),
        app_state={},
        _loop=loop,
    )
    connection.connection_made(transport)
    loop.due.clear()
    return connection, loop, transport


# Multiples of a quarter: sums are exact.
TIMES = st.integers(0, 200).map(lambda quarters: quarters / 4)


@given(st.lists(st.tuples(TIMES, TIMES), max_size=20))
def test_the_time_in_which_a_response_waits_for_its_turn_is_not_its_clients(steps: list[tuple[float, float]]) -> None:
    """A step has the seconds in which the client reads a part, and those in which the next one waits for its turn."""
    connection, loop, transport = connected(Limits(answer_seconds=SECONDS))
    taken = 0.0
    for reads, waits in steps:
        connection.pause_writing()
        loop.move(reads)
        taken += reads
        assert transport.cut is (taken >= SECONDS)
        if transport.cut:
            return
        connection.resume_writing()
        loop.move(waits)
        assert not transport.cut


def test_a_client_keeps_its_place_among_those_to_evict_however_often_it_reads_a_bit() -> None:
    connection, loop, _ = connected(Limits(answer_seconds=SECONDS))
    for _ in range(3):
        connection.pause_writing()
        loop.move(5.0)
        assert connection.eviction_order(loop.now) == (False, 0.0)
        connection.resume_writing()
        assert connection.eviction_order(loop.now) == (False, 0.0)
