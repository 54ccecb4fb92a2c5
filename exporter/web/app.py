"""The ASGI application: HTTP in and out of the values of messages.py. What the pages answer is in routes.py."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import NotRequired, TypedDict
from urllib.parse import parse_qs

from exporter.config.diff import Outcome
from exporter.exposition.scrape import Exposition
from exporter.exposition.snapshot import SnapshotStore
from exporter.web.messages import Request, Response, answer
from exporter.web.reload import Reload, lifecycle
from exporter.web.routes import Probes, routes

PIECE_BYTES = 2**18
"""What is given to a connection at a time, and so about the most that it holds for a client that doesn't read."""

_EVERY_ANSWER = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class Scope(TypedDict):
    """What is used of an ASGI scope (asgi.readthedocs.io, "HTTP Connection Scope")."""

    method: str
    path: str
    query_string: bytes
    headers: list[tuple[bytes, bytes]]
    on_sent: NotRequired[Callable[[], None]]
    """Not of the specification: called by the connection when the client has taken the whole answer."""


Send = Callable[[dict[str, object]], Awaitable[None]]
Receive = Callable[[], Awaitable[object]]


class App:
    """Answers each request by a table of routes. Nothing but a reload is waited for, apart from the client.

    Each part of an answer waits until the client has read most of those before; the last one is empty, so that an
    answer is complete only when it is read. The body of an answer to HEAD is left out by the server.
    """

    def __init__(
        self,
        exposition: Exposition,
        board: SnapshotStore,
        healthy: Callable[[], bool],
        ready: Callable[[], bool],
        *,
        telemetry_path: str = "/metrics",
        reload: Reload | None = None,
        reload_failed: Callable[[], Outcome | None] = lambda: None,
    ) -> None:
        """Without `reload` there is none to be had by HTTP. `reload_failed` tells how the last one failed, if so."""
        probes = Probes(healthy, ready, reload_failed)
        self.routes = lifecycle(reload) | routes(exposition, board, probes, telemetry_path)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        found = answer(self.routes, _request(scope))
        await respond(scope, send, found if isinstance(found, Response) else await found)


async def respond(scope: Scope, send: Send, response: Response) -> None:
    """Send an answer."""
    if response.on_sent is not None and scope["method"] == "GET":
        scope["on_sent"] = response.on_sent
    has_body = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
    await send({"type": "http.response.start", "status": response.status, "headers": _head(response, has_body)})
    for piece in _pieces(response.chunks):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        # Others get their turn, and the connection learns here that its client has gone.
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


def _pieces(chunks: tuple[bytes, ...]) -> Iterator[bytes | memoryview]:
    """The chunks in pieces: what a slow client has not read yet is copied for it, and that must not be all of it."""
    for chunk in chunks:
        if len(chunk) <= PIECE_BYTES:
            yield chunk
        else:
            whole = memoryview(chunk)
            yield from (whole[start : start + PIECE_BYTES] for start in range(0, len(chunk), PIECE_BYTES))


def _request(scope: Scope) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return Request(scope["method"], scope["path"], headers, query)


def _head(response: Response, has_body: bool) -> list[tuple[bytes, bytes]]:
    """The response's headers. A request's body ends its connection: to read it to its end would serve no one."""
    length = sum(map(len, response.chunks))
    named = (("content-type", response.content_type), ("content-length", str(length)), *response.headers)
    head = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in named]
    return [*head, *_EVERY_ANSWER, *([(b"connection", b"close")] if has_body else [])]
