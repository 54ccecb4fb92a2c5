"""Requests and responses as values, and the table that leads from one to the other. Bytes on the wire are in app.py."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Its body is never read."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case; one that came several times is joined with commas."""
    query: Mapping[str, list[str]]
    """Every value of every parameter, the empty ones too."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, complete."""

    status: int
    content_type: str
    chunks: tuple[bytes, ...]
    headers: tuple[tuple[str, str], ...] = ()
    on_sent: Callable[[], None] | None = None
    """Called once the client has taken all of it."""


Answer = Response | Awaitable[Response]
"""What there is to say, now or as soon as it is known."""
Handler = Callable[[Request], Answer]
Routes = Mapping[str, Mapping[str, Handler]]
"""Path to method to what answers. A path that answers GET answers HEAD too."""


def text(status: int, message: str, *headers: tuple[str, str]) -> Response:
    """An answer of plain text, for people and probes."""
    return Response(status, _TEXT, (f"{message}\n".encode("utf-8", "replace"),), headers)


def answer(routes: Routes, request: Request) -> Answer:
    """The answer to a request: 404 where no route has its path, 405 where the route doesn't know its method."""
    methods = routes.get(request.path)
    if methods is None:
        return text(404, "Not found.")
    handler = methods.get("GET" if request.method == "HEAD" else request.method)
    if handler is None:
        allowed = sorted({*methods, "HEAD"} if "GET" in methods else methods)
        return text(405, "Method not allowed.", ("allow", ", ".join(allowed)))
    return handler(request)
