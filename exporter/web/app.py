"""The ASGI application: turns HTTP into the values of messages.py and back. The responses are made in routes.py."""

import asyncio
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qs

from exporter.exposition.scrape import Exposition
from exporter.exposition.snapshot import SnapshotStore
from exporter.web.asgi import Receive, Scope, Send, Turn
from exporter.web.messages import Request, Response, answer, text
from exporter.web.reload import Reload, lifecycle
from exporter.web.routes import Probes, routes
from exporter.web.webhooks import Webhooks

PIECE_BYTES = 2**18
"""The most bytes given to a connection at once, which it holds for a client that doesn't read."""

_SMALL_BYTES = 2**16
"""Chunks up to this are copied into one piece with others: sending them one by one is more expensive."""

_COMMON_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class App:
    """Answers each request by a table of routes. Only a reload and the client are waited for.

    Each part of a response waits until the client has read most of those before. The last part is empty, so that a
    response is complete only when it is read. The server leaves out the body of a response to HEAD.
    """

    def __init__(
        self,
        exposition: Exposition,
        store: SnapshotStore,
        probes: Probes,
        *,
        telemetry_path: str = "/metrics",
        reload: Reload | None = None,
        max_requests: int = 0,
        webhooks: Webhooks | None = None,
    ) -> None:
        """Make the application. Without `reload` the lifecycle API is off, without `webhooks` none are received.

        `max_requests` is how many scrapes may be made at the same time; 0 is no limit.
        """
        self.routes = lifecycle(reload) | routes(exposition, store, probes, telemetry_path)
        self._telemetry_path = telemetry_path
        self._most_scrapes = max_requests
        self._scrapes = 0
        self._webhooks = webhooks

    def is_signed(self, scope: Scope) -> bool:
        """Return whether a request proves by itself that it may be made: it needs no password."""
        return self._webhooks is not None and self._webhooks.receives(scope["path"]) and scope["method"] == "POST"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._webhooks is not None and self._webhooks.receives(scope["path"]):
            await respond(scope, send, await self._webhooks.answer(scope, receive))
            return
        answering = self._scrape if scope["path"] == self._telemetry_path else self._answer
        await respond(scope, send, await answering(scope))

    async def _answer(self, scope: Scope) -> Response:
        response = answer(self.routes, _request(scope))
        return response if isinstance(response, Response) else await response

    async def _scrape(self, scope: Scope) -> Response:
        """Answer a scrape, or refuse it in the words of Go's promhttp if too many are being made.

        One that is made does not count any more: a client that reads it slowly keeps no other out.
        """
        if self._most_scrapes and self._scrapes >= self._most_scrapes:
            return text(503, f"Limit of concurrent requests reached ({self._most_scrapes}), try again later.")
        self._scrapes += 1
        try:
            return await self._answer(scope)
        finally:
            self._scrapes -= 1


async def respond(scope: Scope, send: Send, response: Response) -> None:
    """Send a response in pieces, each when the client has read most of those before."""
    if response.on_sent is not None and scope["method"] == "GET":
        scope["on_sent"] = response.on_sent
    has_body = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
    size = response.size
    await send({"type": "http.response.start", "status": response.status, "headers": _head(response, size, has_body)})
    if scope["method"] != "HEAD":
        await _send_pieces(send, _pieces(response.chunks), size, scope.get("turn", _next_pass))
    await send({"type": "http.response.body", "body": b""})


async def _send_pieces(send: Send, pieces: Iterator[bytes | memoryview], left: int, turn: Turn) -> None:
    """Send pieces of so many bytes together, each made when it is its turn, until the client has gone."""
    while left > 0 and await turn(left):
        piece = next(pieces)
        left -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _next_pass(_: int) -> bool:
    await asyncio.sleep(0)
    return True


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    """Join small chunks and cut large ones: each piece is a call, and is copied for a client that reads slowly."""
    small: list[bytes] = []
    size = 0
    for chunk in chunks:
        if small and (len(chunk) > _SMALL_BYTES or size + len(chunk) > PIECE_BYTES):
            yield b"".join(small)
            small, size = [], 0
        if len(chunk) <= _SMALL_BYTES:
            small.append(chunk)
            size += len(chunk)
        else:
            view = memoryview(chunk)
            yield from (view[start : start + PIECE_BYTES] for start in range(0, len(chunk), PIECE_BYTES))
    if small:
        yield b"".join(small)


def _request(scope: Scope) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return Request(scope["method"], scope["path"], headers, query, scope.get("anonymous", False))


def _head(response: Response, size: int, has_body: bool) -> list[tuple[bytes, bytes]]:
    """Return the response's headers. The connection of a request with a body is closed instead of reading the body."""
    named = (("content-type", response.content_type), ("content-length", str(size)), *response.headers)
    head = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in named]
    return [*head, *_COMMON_HEADERS, *([(b"connection", b"close")] if has_body else [])]
