"""Readers that check the fields of a server's answer, which may hold anything. Every system uses them.

A reader raises Unreadable where a value can't be understood. A record needs its ID, its time of creation and its
status, and is rejected without one of them; all else is read with `optional` or `label`, and costs itself alone.
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from exporter.client import JSON
from exporter.model.family import NONE, UNKNOWN
from exporter.model.record import FetchError, Key, Reason, Record

FAILURES = frozenset({"failed", "timed_out", "expired", "error"})
"""Statuses that mean failure, in the words of any API."""
FINAL = FAILURES | {"completed", "cancelled", "canceled"}
"""Statuses after which no more work is done, in the words of any API. Every other word means open work."""
MOST_ENTRIES = 100
"""The number of destinations or phases of a record that keep their names; further ones are `unknown`."""

_LARGEST_AMOUNT = 2**31
"""No batch has as many documents."""
_LARGEST_SUM = MOST_ENTRIES * _LARGEST_AMOUNT
"""The sum of a million such records still fits into the state."""
_LONGEST_WORD = 64
_LONGEST_READ = 1024
"""Characters of a name that are looked at."""
_LONGEST_ID = 128
_JOINERS = "\u200c\u200d"
"""Joiners are invisible, but many scripts need them."""
_INVISIBLE = re.compile(
    f"[{_JOINERS}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""Invisible letters and marks: names that differ only in them look the same."""
_DIGITS = re.compile(r"[0-9]{1,10}")
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.:\-]{{0,{_LONGEST_ID - 1}}}")

_EMPTY: tuple[JSON, ...] = (None, "", [], {})

ALWAYS_NEEDED = ("id", "not_an_object", "not_answered", "unreadable")
"""Why an item of any list may be rejected: no ID, not an object, missing from an answer by ID, or unreadable."""

_WHATEVER = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading an unexpected value may raise, such as for a number that no float can hold."""

_Entry = TypeVar("_Entry")
_Read = TypeVar("_Read")


class Unreadable(Exception):
    """A value can't be read. The message is a value of the `reason` label of rejected records."""


def optional(read: Callable[[JSON, str], _Read], value: JSON, field: str, default: _Read, unknown: set[str]) -> _Read:
    """Read a field that no record needs; if it can't be read, add its name to `unknown` and return the default."""
    try:
        return read(value, field)
    except Unreadable:
        unknown.add(field)
        return default


def word(value: JSON, reason: str) -> str:
    """Return a status or a name as a label value: `In Progress` is `in_progress`; null is `none`.

    Letters and digits of every script stay; names that differ in case, width or normal form alone are one. Text
    without a letter or digit is `unknown`.
    """
    if value is None:
        return NONE
    if not isinstance(value, str):
        raise Unreadable(reason)
    return _normalized(value.strip()[:_LONGEST_READ])


def label(value: JSON) -> str:
    """Return a status or a name that no record needs as a label value; what is not text is `unknown`."""
    if isinstance(value, str):
        return _normalized(value.strip()[:_LONGEST_READ])
    return NONE if value is None else UNKNOWN


def name(key: str) -> str:
    """Return the name of an entry as a label value. Never `none`, which says that there is no entry."""
    found = label(key)
    return UNKNOWN if found == NONE else found


@functools.lru_cache(maxsize=1024)
def known_as(found: str, known: frozenset[str]) -> str:
    """Return a known word in place of one that differs from it in its separators alone: `timedout` is `timed_out`.

    Serializers write `TimedOut`, and hosts of an API may have different ones for a while.
    """
    return found if found in known else _joined(known).get(found.replace("_", ""), found)


@functools.lru_cache(maxsize=16)
def _joined(known: frozenset[str]) -> Mapping[str, str]:
    return {word.replace("_", ""): word for word in known}


# A million records have few distinct words; the bound is for a server that invents them.
@functools.lru_cache(maxsize=1024)
def _normalized(value: str) -> str:
    if not value:
        return NONE
    found = _NOT_A_WORD.sub("_", value.lower()) if value.isascii() else _letters(value)
    return found.strip("_")[:_LONGEST_WORD].rstrip("_") or UNKNOWN


def _letters(value: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _INVISIBLE.sub("", value)).casefold())
    kept: list[str] = []
    for character in _INVISIBLE.sub("", folded):
        kind = unicodedata.category(character)[0]
        on_a_letter = bool(kept) and kept[-1] != "_"
        if kind in "LN" or (kind == "M" and on_a_letter):
            kept.append(character)
        elif kind != "M" and on_a_letter:
            kept.append("_")
    return "".join(kept)


def text(value: JSON, reason: str) -> str:
    """Return free text as a label value, shortened; null is the empty text.

    Unprintable characters become `?`: half of a surrogate pair, which JSON can hold, and control characters that a
    terminal or a page would obey, which must not reach an alert.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(reason)
    words = " ".join(value.split())[:_LONGEST_ID]
    if words.isprintable():
        return words
    return "".join(char if char.isprintable() or char in _JOINERS else "?" for char in words)


def identifier(value: JSON, reason: str = "id") -> str:
    """Return an ID. It goes into paths and exemplars, so only characters of an ID are accepted."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Unreadable(reason)
    return value


def is_absent(value: JSON) -> bool:
    """Return whether a field has no value: null or an empty text, which serializers without a null write for it."""
    return value is None or value == ""


def amount(value: JSON, reason: str) -> int:
    """Return a count; null and an empty text are 0. `3.0` and `"3"` are 3: some serializers have no integers."""
    if type(value) is int and 0 <= value <= _LARGEST_AMOUNT:
        return value
    if is_absent(value):
        return 0
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LARGEST_AMOUNT:
        raise Unreadable(reason)
    if value != int(value):
        raise Unreadable(reason)
    return int(value)


def mapping(value: JSON, reason: str) -> Mapping[str, JSON]:
    """Return an object; null, an empty text and an empty list are an empty one: many serializers write them for it."""
    if value in _EMPTY:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(reason)
    return value


def sequence(value: JSON, reason: str) -> Sequence[JSON]:
    """Return a list; null, an empty text and an empty object are an empty one, as for `mapping`."""
    if value in _EMPTY:
        return ()
    if not isinstance(value, list):
        raise Unreadable(reason)
    return value


def bounded(entries: Iterable[_Entry], field: str, unknown: set[str]) -> Iterator[tuple[_Entry, bool]]:
    """Yield each entry, and whether it keeps its own name: this bounds the series that one record can create."""
    for place, entry in enumerate(entries):
        if place == MOST_ENTRIES:
            unknown.add(field)
        yield entry, place < MOST_ENTRIES


def items(answer: JSON, key: str, endpoint: str) -> list[JSON]:
    """Return the list under `key` of an answer. Raises FetchError(malformed) if there is none."""
    found = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise FetchError(Reason.MALFORMED, f'GET {endpoint}: the answer has no list "{key}"', 200)
    return found


def records(
    found: Iterable[JSON], to_record: Callable[[Mapping[str, JSON]], Record]
) -> tuple[tuple[Record, ...], Mapping[str, int]]:
    """Read the items that are records; return them, and by reason how many others were rejected."""
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
            # A value that no reader expects must not cost the other records.
            rejected["unreadable"] += 1
    return tuple(read), rejected


def positive(contributions: Mapping[Key, int]) -> Mapping[Key, int]:
    """Return what a record adds to series, without zeros."""
    return {key: min(_LARGEST_SUM, count) for key, count in contributions.items() if count}


def count_or_none(value: JSON) -> int | None:
    """Return a number of a server's paging, 0 or more; None if it can't be read, because it is only a hint."""
    try:
        return None if value is None else amount(value, "")
    except Unreadable:
        return None


def flag(value: JSON) -> bool:
    """Return a yes or no of a server's paging, which may be a number or a word too; what can't be read is a no."""
    return value is True or value == 1 or (isinstance(value, str) and value.strip().lower() in ("true", "1", "yes"))


def positive_or_none(value: JSON) -> int | None:
    """Return a number of a server's paging above 0; None if it is 0 or can't be read."""
    return count_or_none(value) or None
