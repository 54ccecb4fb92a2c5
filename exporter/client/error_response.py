"""Turn an error that the API answered into a FetchError with its reason, in words that are safe to log. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from exporter.client.request import JSON, Request
from exporter.model.record import FetchError, Reason


@dataclass(frozen=True, slots=True)
class ApiError:
    """An error in the body of an answer."""

    status: int | None
    """The HTTP status in the body; None where it has none."""
    words: str
    """The vendor's message as it came. It may quote anything."""


ApiErrorReader = Callable[[JSON], ApiError | None]
"""Reads the error in a decoded answer; None if it is a result."""

_LONGEST_WORDS = 200
# A vendor's message may quote the request, and with it addresses and keys.
_PRIVATE = re.compile(r"\S*://\S*|\S+@\S+|[A-Za-z0-9_+/=.\-]{24,}")


_PASSING = (408, 425)
"""Temporary refusals: the server had closed the connection, or the request came too early for it."""


def response_error(request: Request, status: int, message: str = "", *, throttled: bool = False) -> FetchError:
    """Return the error for an answer with this status; `message` is the vendor's, redacted.

    `throttled` is whether the request was refused only because there were too many.
    """
    where = f"GET {request.endpoint} answered {status}"
    quoted = f" ({message})" if message else ""
    if status == 429 or throttled:
        return FetchError(
            Reason.RATE_LIMITED, f"{where}: too many requests (see max_requests_per_second){quoted}", status
        )
    if status in (401, 403):
        return FetchError(Reason.AUTH, f"{where}: the API refuses the token{quoted}", status)
    if status >= 500:
        return FetchError(Reason.SERVER_ERROR, where + quoted, status)
    if 300 <= status < 400:
        where += ": redirects are not followed, the token is for the host of base_url only"
    if status == 404 and "{" not in request.endpoint:
        where += ": check base_url"
    if status == 407:
        where += ": the proxy asks for a user name and password (see proxy_url)"
    return FetchError(Reason.CLIENT_ERROR, where + quoted, status, passing=status in _PASSING)


def redacted(words: str, token: str) -> str:
    """Return a vendor's message on one line of at most 200 characters, without the token, addresses and likely keys."""
    kept = _PRIVATE.sub("…", words.replace(token, "…")) if token else ""
    return " ".join("".join(char if char.isprintable() else " " for char in kept).split())[:_LONGEST_WORDS]
