"""What is worth asking again, and after how long. Pure: nothing waits here."""

import email.utils
import math
import re
from datetime import UTC, datetime

from exporter.model.record import Reason

ATTEMPTS = 3
BACKOFF_BASE_SECONDS = 0.5
BACKOFF_MAX_SECONDS = 10.0
RETRY_AFTER_MAX_SECONDS = 120.0
"""A server may ask for an hour; a poll that waits that long would only look like one that hangs."""

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
_SEVERAL = re.compile(r"(?:\s*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,)?[^,]+", re.IGNORECASE)
"""Values between commas, but for the one after the day of a date: `Tue, 14 Nov 2023 22:13:50 GMT`."""

# A timeout has used up its whole deadline already; what is refused or malformed will be so again.
_WORTH_IT = frozenset({Reason.CONNECTION, Reason.RATE_LIMITED, Reason.SERVER_ERROR})


def worth_asking_again(reason: Reason, attempt: int) -> bool:
    """Should the request that failed at this attempt (from 1) be made again."""
    return attempt < ATTEMPTS and reason in _WORTH_IT


def backoff(attempt: int, random: float) -> float:
    """Seconds to wait after this attempt (from 1); `random` is in [0, 1), so that clients don't come back in step."""
    return min(BACKOFF_MAX_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** (attempt - 1)) * (0.5 + random / 2)


def retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, 10.2.3), in whole seconds.

    It is clamped; None if it is of no use. Fractions are rounded up: earlier is what the server has asked not to
    come back. Of several headers, which arrive joined by commas, the longest pause counts.
    """
    pauses = [_pause(one, now) for one in _SEVERAL.findall(value or "")]
    return max((pause for pause in pauses if pause is not None), default=None)


def _pause(text: str, now: float) -> float | None:
    if _SECONDS.fullmatch(text.strip()):
        return _clamped(float(text))
    try:
        moment = email.utils.parsedate_to_datetime(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.fromtimestamp(now, UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return _clamped(seconds)


def _clamped(seconds: float) -> float:
    return float(math.ceil(min(RETRY_AFTER_MAX_SECONDS, max(0.0, seconds))))
