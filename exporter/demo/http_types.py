"""HTTP/1.1 requests and responses: types, parsing and rendering."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import responses
from typing import BinaryIO, NamedTuple
from urllib.parse import parse_qsl, urlsplit

PHRASES: Mapping[int, str] = {
    **responses,
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Entity",
}
"""The reason phrase of each status. Python's own phrases of these four depend on its version."""
_LONGEST_LINE = 65_536
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    # The vendor's own client compares the content type with exactly this.
    headers: Mapping[str, str] = field(default_factory=lambda: dict(_JSON))

    def head(self, length: int | None) -> bytes:
        """Render the status line and headers. Without `length`, the body ends with the connection."""
        phrase = PHRASES.get(self.status, "Unknown")
        size = "Connection: close" if length is None else f"Content-Length: {length}"
        lines = [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([f"HTTP/1.1 {self.status} {phrase}", *lines, size, "\r\n"]).encode("latin-1")


class LoggedRequest(NamedTuple):
    """One entry of the request log, without headers and so without the token."""

    method: str
    path: str
    params: Mapping[str, str]
    status: int
    """0 if there was no response."""


def read_request(stream: BinaryIO) -> Request | None:
    """Read the next request of a connection; return None if it was closed, or if the data is not HTTP/1.x."""
    words = stream.readline(_LONGEST_LINE).decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return None
    headers: dict[str, str] = {}
    while line := stream.readline(_LONGEST_LINE).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    # No endpoint uses a body, but it must be read off the connection.
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        return None
    stream.read(int(length))
    target = urlsplit(words[1])
    return Request(words[0], target.path, dict(parse_qsl(target.query, keep_blank_values=True)), headers)


class BadParameter(Exception):
    """A parameter that the API does not accept."""


def positive(params: Mapping[str, str], name: str, default: int) -> int:
    """Return a parameter as a positive integer. Raises BadParameter."""
    text = params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise BadParameter(f"{name} must be a positive integer")
    return int(text)
