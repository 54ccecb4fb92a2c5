"""Requests and responses as values, and the table of routes. HTTP itself is in app.py."""

import posixpath
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Its body is never read."""

    method: str
    path: str
    headers: Mapping[str, str]
    """The headers by name in lower case. The values of a repeated header are joined with commas."""
    query: Mapping[str, list[str]]
    """All values of each parameter, empty ones too."""
    anonymous: bool = False
    """Whether it needed a password and came without one that is right."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response."""

    status: int
    content_type: str
    chunks: Iterable[bytes]
    """The body in chunks, which may be made only when they are sent."""
    headers: tuple[tuple[str, str], ...] = ()
    on_sent: Callable[[], None] | None = None
    """Called once the client has read all of it."""
    given_size: int | None = None
    """The number of bytes of all chunks, where they are made when they are sent."""

    @property
    def size(self) -> int:
        """Return the number of bytes of all chunks."""
        return sum(map(len, self.chunks)) if self.given_size is None else self.given_size


Answer = Response | Awaitable[Response]
"""A response, now or later."""
Handler = Callable[[Request], Answer]
Methods = Mapping[str, Handler]
Routes = Mapping[str, Methods]
"""Path to method to handler. A path with GET has HEAD too, and each has OPTIONS."""

_OF_THE_SERVER: Methods = {}


def text(status: int, message: str, *headers: tuple[str, str]) -> Response:
    """Return a response of one line of plain text, for people and probes."""
    return Response(status, _TEXT, (f"{message}\n".encode("utf-8", "replace"),), headers)


def answer(routes: Routes, request: Request) -> Answer:
    """Return the response to a request: 404 if no route has its path, 405 if the route doesn't have its method.

    As Go's ServeMux does, a path such as `//metrics` or `/./metrics` is redirected to the route that it stands for.
    OPTIONS is answered with the methods, also for `*`, the server as a whole: load balancers check with it.
    """
    methods = _OF_THE_SERVER if (request.method, request.path) == ("OPTIONS", "*") else routes.get(request.path)
    if methods is None:
        return _redirect(routes, request) or text(404, "Not found.")
    handler = methods.get("GET" if request.method == "HEAD" else request.method)
    if handler is not None:
        return handler(request)
    allowed = ", ".join(sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}))
    if request.method == "OPTIONS":
        return Response(200, _TEXT, (), (("allow", allowed),))
    return text(405, "Method not allowed.", ("allow", allowed))


def _redirect(routes: Routes, request: Request) -> Response | None:
    """Return the redirect to a route for a path with empty parts or dots; None if there is no such route.

    The address is a route's own path, so that it leads to no other host. It is not answered at once: a proxy before the
    exporter may allow some paths alone.
    """
    if request.method not in ("GET", "HEAD") or not request.path.startswith("/"):
        return None
    path = posixpath.normpath("/" + request.path.lstrip("/"))
    if path not in routes or (request.path.endswith("/") and path != "/"):
        return None
    query = f"?{urlencode(request.query, doseq=True)}" if request.query else ""
    return text(307, f"Temporary redirect: {path}", ("location", path + query))
