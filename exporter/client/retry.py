"""What is worth asking again, and after how long. Pure: nothing waits here."""

import email.utils
from datetime import UTC, datetime

from exporter.records import Reason

ATTEMPTS = 3
BACKOFF_BASE_SECONDS = 0.5
BACKOFF_MAX_SECONDS = 10.0
RETRY_AFTER_MAX_SECONDS = 120.0
"""A server may ask for an hour; a poll that waits that long would only look like one that hangs."""

# A timeout has used up its whole deadline already; what is refused or malformed will be so again.
_WORTH_IT = frozenset({Reason.CONNECTION, Reason.RATE_LIMITED, Reason.SERVER_ERROR})


def worth_asking_again(reason: Reason, attempt: int) -> bool:
    """Should the request that failed at this attempt (from 1) be made again."""
    return attempt < ATTEMPTS and reason in _WORTH_IT


def backoff(attempt: int, random: float) -> float:
    """Seconds to wait after this attempt (from 1); `random` is in [0, 1), so that clients don't come back in step."""
    return min(BACKOFF_MAX_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** (attempt - 1)) * (0.5 + random / 2)


def retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, 10.2.3), clamped; None if it is of no use."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(RETRY_AFTER_MAX_SECONDS, float(text[:9]))
    try:
        moment = email.utils.parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.fromtimestamp(now, UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(RETRY_AFTER_MAX_SECONDS, max(0.0, seconds))
