"""The part of ASGI that is used here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NotRequired, TypedDict

Turn = Callable[[int], Awaitable[bool]]
"""Waits until the next of so many bytes that are left may be sent. Returns False if the client has gone."""


class Scope(TypedDict):
    """The part of an ASGI scope that is used here (asgi.readthedocs.io, "HTTP Connection Scope")."""

    method: str
    path: str
    raw_path: bytes
    """The path as it was sent, without the query."""
    query_string: bytes
    headers: list[tuple[bytes, bytes]]
    on_sent: NotRequired[Callable[[], None]]
    """Not in the specification: the connection calls it when the client has read the whole response."""
    turn: NotRequired[Turn]
    """Not in the specification: called before each part of a response. Without it, they follow each other at once."""
    body_awaited: NotRequired[Callable[[bool], None]]
    """Not in the specification: called with whether the application waits for the client to send the body."""
    anonymous: NotRequired[bool]
    """Not in the specification: the middleware let the request through without a password that is right."""


Send = Callable[[dict[str, object]], Awaitable[None]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
