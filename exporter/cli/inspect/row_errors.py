"""Count the rows of a batch's errors file by error. Pure."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from exporter.cli.inspect.formatting import MASK, masked
from exporter.systems.detail import RowError

_PLACE = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-\[\]]{0,63}")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,63}|[0-9]{1,4}")
_INDEX = re.compile(r"[0-9]+")
_SHORTEST = 3
"""Characters. A shorter value may appear in a text by chance."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The errors of an errors file, counted."""

    rows: int
    kinds: tuple[tuple[str, int], ...]
    """Each error with the number of its rows, the most frequent first."""


def summary(rows: Iterable[tuple[RowError, ...]], show_data: bool) -> Summary:
    """Count the rows of each error. Raises what reading the rows raises.

    Without `show_data` texts lose what they quote of the row, which also makes equal errors one.
    """
    kinds: Counter[str] = Counter()
    total = 0
    for errors in rows:
        total += 1
        kinds.update({_message(error, show_data) for error in errors})
    return Summary(total, tuple(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))))


def _message(error: RowError, show_data: bool) -> str:
    where, text, code = (error.where, error.text, error.code) if show_data else _anonymous(error)
    words = " ".join(text.split()) or "no message"
    return (f"{where}: " if where else "") + words + (f" [{code}]" if code else "")


def _anonymous(error: RowError) -> tuple[str, str, str]:
    text = error.text
    for value in sorted(error.quotable, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, MASK)
    # `contacts[3].email` is the same field in every row. What does not look like a name may hold anything.
    where = _INDEX.sub(MASK, error.where) if _PLACE.fullmatch(error.where) else masked(error.where, numbers=True)
    code = error.code if _CODE.fullmatch(error.code) else masked(error.code, numbers=True)
    return where, masked(text, numbers=True), code
