"""Readers of times in a server's answer, which may hold anything. They raise Unreadable, as those in `fields` do."""

import functools
import math
import re
from datetime import UTC, datetime

from exporter.client import JSON
from exporter.systems.fields import Unreadable

_UNITS = ((1e17, 10**9), (1e14, 10**6), (1e11, 10**3))
"""From which number on a time is in nanoseconds, microseconds or milliseconds. Each of them is the year 1973 in its own
unit, and later than the year 5000 in the next larger one."""

_END_OF_TIME = 253_402_300_800.0
"""The year 10000, which no ISO 8601 timestamp can express."""
_DAY = 86_400
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_DATE = r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})"
_TIME_OF_DAY = r"([0-9]{2}):?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]+))?)?"
_ZONE = r"(?:[Zz]|UTC|GMT|([+-])([0-9]{2})(?::?([0-9]{2}))?(?: UTC)?)"
_SUFFIX = r"(?:\[!?[A-Za-z0-9_/+=:.\-]{1,64}\]){0,4}"
"""The name of a zone or a calendar (RFC 9557). Only the offset before it counts."""
_TIME = re.compile(f"{_DATE}(?:(?:[Tt]| +){_TIME_OF_DAY} *(?:{_ZONE}{_SUFFIX})?)?")


def iso_time(value: JSON, reason: str = "created_at") -> float:
    """Read a time of RFC 3339, or of ISO 8601 as far as it is alike, as epoch seconds; without a zone it is UTC.

    Leap seconds, `24:00`, spaces around it and fractions of any length are accepted. Times before 1970 are unreadable:
    programs write zero times such as `0001-01-01T00:00:00Z` for an unknown time.
    """
    found = _TIME.fullmatch(value.strip(" \t\r\n")) if isinstance(value, str) else None
    if found is None:
        raise Unreadable(reason)
    year, _, month, day, hour, minute, second, fraction, sign, *offset = found.groups("0")
    try:
        seconds = (
            _midnight(year, month, day)
            + _of_day(int(hour), int(minute), int(second), fraction)
            - _offset(sign, *offset)
        )
    except ValueError:
        raise Unreadable(reason) from None
    # The same arithmetic as datetime, for the same float.
    return _possible((seconds * 10**6 + int(fraction[:6].ljust(6, "0"))) / 10**6, reason)


# The records of a window were created on few days.
@functools.lru_cache(maxsize=1024)
def _midnight(year: str, month: str, day: str) -> int:
    """Return when a day begins, epoch seconds. Raises ValueError."""
    return int(datetime(int(year), int(month), int(day), tzinfo=UTC).timestamp())


def _of_day(hour: int, minute: int, second: int, fraction: str) -> int:
    """Return the seconds since midnight. Raises ValueError."""
    if hour == 24 and not minute and not second and not fraction.strip("0"):
        return _DAY
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError
    return hour * 3600 + minute * 60 + second


def _offset(sign: str, hours: str, minutes: str) -> int:
    """Return the seconds ahead of UTC. Raises ValueError."""
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError
    seconds = int(hours) * 3600 + int(minutes) * 60
    return -seconds if sign == "-" else seconds


def _possible(seconds: float, reason: str) -> float:
    if not 0 < seconds < _END_OF_TIME:
        raise Unreadable(reason)
    return seconds


def epoch_time(value: JSON, reason: str) -> float:
    """Return epoch seconds, given as a number or text, in s, ms, µs or ns, or as ISO 8601."""
    if isinstance(value, str):
        value = value.strip(" \t\r\n")
        if not _NUMBER.fullmatch(value):
            return iso_time(value, reason)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Unreadable(reason)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    unit = next((unit for least, unit in _UNITS if number >= least), 1)
    return _possible(number / unit, reason)
