"""Times as text."""

from datetime import UTC, datetime
from typing import Literal

_FIRST = -62_135_596_800
_LAST = 253_402_300_799
"""Epoch seconds of the first and the last second that Python's calendar has."""


def format_iso_time(seconds: float, timespec: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """Return a time in epoch seconds as ISO 8601 in UTC, cut off after its seconds or milliseconds.

    A time that no calendar reaches, which an API may send, becomes the first or the last that it does.
    """
    moment = datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), UTC)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
