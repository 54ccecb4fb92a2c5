"""Decide which requests to retry, and when. Pure."""

import email.utils
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

from exporter.model.record import Reason

ATTEMPTS = 3
"""How often a request is made, at most."""
BACKOFF_BASE_SECONDS = 0.5
BACKOFF_MAX_SECONDS = 10.0
RETRY_AFTER_MAX_SECONDS = 120.0
"""The longest pause. A server may ask for an hour, but a poll that waits that long looks stuck."""

http_date = email.utils.parsedate_to_datetime
"""Reads a date as in headers."""

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
_SEVERAL = re.compile(r"(?:\s*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,)?[^,]+", re.IGNORECASE)
"""Matches values between commas, except the comma in a date: `Tue, 14 Nov 2023 22:13:50 GMT`."""

# After a timeout the poll has waited long enough, and other errors would only repeat.
_RETRYABLE = frozenset({Reason.CONNECTION, Reason.RATE_LIMITED, Reason.SERVER_ERROR})


def is_retryable(reason: Reason) -> bool:
    """Return whether a request that failed for this reason may succeed a moment later."""
    return reason in _RETRYABLE


def backoff(attempt: int, random: float) -> float:
    """Return the seconds to wait after this attempt, from 1. `random`, in [0, 1), spreads clients in time."""
    return min(BACKOFF_MAX_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** (attempt - 1)) * (0.5 + random / 2)


def retry_after(value: str | None, now: float) -> float | None:
    """Return the pause that a Retry-After header asks for (RFC 9110, 10.2.3), in whole seconds; None if it has none.

    The header holds seconds or a date. Fractions are rounded up, since the server asks not to come back earlier. The
    pause is clamped. Of several values, joined by commas, the longest pause counts.
    """
    pauses = [_pause(text, now) for text in _SEVERAL.findall(value or "")]
    return max((pause for pause in pauses if pause is not None), default=None)


def _pause(text: str, now: float) -> float | None:
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return clamped(float(text))
    moment = read_date(text, http_date)
    return None if moment is None else clamped(moment - now)


def clamped(seconds: float) -> float:
    """Return a pause in whole seconds, rounded up, and at most RETRY_AFTER_MAX_SECONDS."""
    return float(math.ceil(min(RETRY_AFTER_MAX_SECONDS, max(0.0, seconds))))


def read_date(text: str, *readers: Callable[[str], datetime]) -> float | None:
    """Return a date in epoch seconds, as the first reader that can reads it; None if none can. No zone means UTC."""
    for read in readers:
        try:
            moment = read(text)
            return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None
