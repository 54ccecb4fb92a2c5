"""Decide what an answer asks of the requests to come: how long to start none, and whether there were too many. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.client import retry
from exporter.client.rate_limit_headers import ApiLimit, api_limit, server_time

_SAYS_WHY = (401, 404, 405, 410)
"""Statuses that refuse a request for another reason, whatever their headers: no token, or no such resource."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer asks for."""

    pause: float = 0.0
    """Seconds for which to start no request."""
    limit: ApiLimit | None = None
    """The API's own rate limit, if the answer states it."""
    used_up: bool = False
    """Whether the pause is for that limit."""


def asked(status: int, headers: Mapping[str, str], under_way: int, now: float) -> Asked:
    """Return what an answer asks for.

    `under_way` is how many requests are not answered. `now`, in epoch seconds, counts where the answer has no Date.
    A Retry-After of any answer that is no result is obeyed, and counts more than the rate limit.
    """
    limit = api_limit(headers, now)
    pause = None if status == 200 else _retry_after(headers, now)
    if pause is not None:
        return Asked(pause, limit)
    if limit is not None and (pause := limit.hold(under_way, refused=is_throttled(status, headers, now))):
        return Asked(retry.clamped(pause), limit, used_up=True)
    return Asked(limit=limit)


def is_throttled(status: int, headers: Mapping[str, str], now: float) -> bool:
    """Return whether an answer refuses a request only because there were too many.

    Many APIs, gateways and firewalls refuse these with 403, and some with other statuses: with a Retry-After, or with
    a rate limit that is used up. To take that for a refusal of the token would page the wrong people.
    """
    if status == 429:
        return True
    if not 400 <= status < 500 or status in _SAYS_WHY:
        return False
    limit = api_limit(headers, now)
    used_up = limit is not None and limit.remaining == 0
    return _retry_after(headers, now) is not None or (status == 403 and used_up)


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the pause that a Retry-After asks for, a date by the API's own clock; None if there is none."""
    return retry.retry_after(headers.get("Retry-After"), server_time(headers, now))
