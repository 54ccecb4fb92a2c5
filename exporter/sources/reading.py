"""Reading what a server sends, which may be anything: small checked readers that every source uses."""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from exporter.client import JSON
from exporter.families import NONE
from exporter.records import FetchError, Key, Reason, Record

FINAL = frozenset({"completed", "failed", "timed_out", "expired", "cancelled", "canceled", "error"})
"""Statuses after which a vendor does no more work. Every other word, known or not, means that work is open."""

_LARGEST_AMOUNT = 2**31
"""No batch has as many documents. A million of such records still add up to a number that the state can hold."""
_MOST_KEYS = 100
_LEAST_MILLISECONDS = 1e11
"""As seconds, that would be the year 5138; as milliseconds, it is 1973."""
_LONGEST_WORD = 64
_LONGEST_ID = 128
_JOINERS = "\u200c\u200d"
"""They print nothing, but many scripts are not written without them."""
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.:\-]{{0,{_LONGEST_ID - 1}}}")


ALWAYS_NEEDED = ("id", "not_an_object", "not_answered")
"""Why an item of any list may be rejected: it has no ID, it is none, or the API fails to answer for it by ID."""

_WHATEVER = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading an odd value may raise: numbers that no float can hold, for one."""


class Unreadable(Exception):
    """An item that can't be understood. Its text is a value of the `reason` label of rejected records."""


def word(value: JSON, reason: str) -> str:
    """A status or a name as a label value: `In Progress` is `in_progress`; nothing is `none`."""
    if value is None:
        return NONE
    if not isinstance(value, str):
        raise Unreadable(reason)
    return _normalized(value)


# A million records come with a handful of words; the bound is for a server that makes them up.
@functools.lru_cache(maxsize=1024)
def _normalized(value: str) -> str:
    return _NOT_A_WORD.sub("_", value.lower()).strip("_")[:_LONGEST_WORD] or NONE


def text(value: JSON, reason: str) -> str:
    """Free text that may become a label value, shortened; nothing is the empty text.

    Half of a surrogate pair, which JSON can hold, is no character; what a terminal or a page would obey (escapes, signs
    that turn the direction of what follows) must not stand in an alert.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(reason)
    words = " ".join(value.split())[:_LONGEST_ID]
    return "".join(one if one.isprintable() or one in _JOINERS else "?" for one in words)


def identifier(value: JSON) -> str:
    """An id. It goes into paths and exemplars, so nothing but the characters of an id is taken."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Unreadable("id")
    return value


def amount(value: JSON, reason: str) -> int:
    """A count of things; nothing is 0."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_AMOUNT:
        raise Unreadable(reason)
    return value


def mapping(value: JSON, reason: str) -> Mapping[str, JSON]:
    """An object; nothing is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > _MOST_KEYS:
        raise Unreadable(reason)
    return value


def sequence(value: JSON, reason: str) -> Sequence[JSON]:
    """A list; nothing is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MOST_KEYS:
        raise Unreadable(reason)
    return value


def iso_time(value: JSON, reason: str = "created_at") -> float:
    """ISO 8601 as epoch seconds; without a zone it is UTC."""
    if not isinstance(value, str):
        raise Unreadable(reason)
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise Unreadable(reason) from None


def epoch_time(value: JSON, reason: str) -> float:
    """Epoch seconds, however they are written: as a number or as text, in milliseconds, or as ISO 8601."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return iso_time(value, reason)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Unreadable(reason)
    number = float(value)
    seconds = number / 1000 if number >= _LEAST_MILLISECONDS else number
    if not 0 < seconds < _LEAST_MILLISECONDS:
        raise Unreadable(reason)
    return seconds


def items(answer: JSON, key: str, endpoint: str) -> list[JSON]:
    """The list under `key` of a list answer. Raises FetchError(malformed) where there is none."""
    found = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise FetchError(Reason.MALFORMED, f'GET {endpoint}: the answer has no list "{key}"', 200)
    return found


def records(
    found: Iterable[JSON], to_record: Callable[[Mapping[str, JSON]], Record]
) -> tuple[tuple[Record, ...], Mapping[str, int]]:
    """The records among the items, and why and how many others were rejected."""
    read: list[Record] = []
    rejected: Counter[str] = Counter()
    for item in found:
        try:
            if not isinstance(item, dict):
                raise Unreadable("not_an_object")
            read.append(to_record(item))
        except Unreadable as error:
            rejected[str(error)] += 1
        except _WHATEVER:
            # A record costs at most itself, whatever it holds that no reader has thought of.
            rejected["unreadable"] += 1
    return tuple(read), rejected


def positive(adds: Counter[Key]) -> Mapping[Key, int]:
    """What a record adds, without what it adds nothing to."""
    return {key: count for key, count in adds.items() if count}


def count_or_none(value: JSON) -> int | None:
    """A number of a server's paging, 0 or more: a hint, so what is none is no error."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= _LARGEST_AMOUNT else None


def positive_or_none(value: JSON) -> int | None:
    """Like `count_or_none`, but 0 is none either."""
    return count_or_none(value) or None
