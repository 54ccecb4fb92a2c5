"""What an answer that is no result becomes: an error with its reason, in words that are safe to log. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from exporter.client.request import JSON, Request
from exporter.model.record import FetchError, Reason


@dataclass(frozen=True, slots=True)
class ApiError:
    """What a vendor says in the body of an answer that is no result."""

    status: int | None
    """As an HTTP status, where the body has one."""
    words: str
    """As they came: they may quote anything."""


Refusing = Callable[[JSON], ApiError | None]
"""Reads a decoded answer as a refusal; None if it is none."""

_LONGEST_WORDS = 200
# A vendor's words may quote the request, and with it what is nobody's business.
_PRIVATE = re.compile(r"\S*://\S*|\S+@\S+|[A-Za-z0-9_+/=.\-]{24,}")


def refusal(request: Request, status: int, said: str = "") -> FetchError:
    """The error for an answer with this status; `said` is what `safe` has left of the vendor's words."""
    where = f"GET {request.endpoint} answered {status}"
    told = f" ({said})" if said else ""
    if status in (401, 403):
        return FetchError(Reason.AUTH, f"{where}: the API refuses the token{told}", status)
    if status == 429:
        return FetchError(
            Reason.RATE_LIMITED, f"{where}: too many requests (see max_requests_per_second){told}", status
        )
    if status >= 500:
        return FetchError(Reason.SERVER_ERROR, where + told, status)
    if 300 <= status < 400:
        where += ": redirects are not followed, the token is for the host of base_url only"
    if status == 404 and "{" not in request.endpoint:
        where += ": is base_url right?"
    return FetchError(Reason.CLIENT_ERROR, where + told, status)


def safe(words: str, token: str) -> str:
    """A vendor's words without the token, addresses of any kind and what looks like a key, on one line, shortened."""
    kept = _PRIVATE.sub("…", words.replace(token, "…")) if token else ""
    return " ".join("".join(one if one.isprintable() else " " for one in kept).split())[:_LONGEST_WORDS]
