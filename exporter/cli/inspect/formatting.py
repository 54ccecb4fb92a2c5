"""Format single values for a terminal, whatever a server has put into them. Pure."""

import re

from exporter.model.iso_time import format_iso_time
from exporter.systems.detail import Moment, Span, Value, Words

MASK = "…"
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_LONGEST = 500
_LONGEST_READ = 2_000
# A quotation mark within a word, as in "doesn't", does not count. An open quotation extends to the end.
_QUOTED = re.compile(r"""(?<!\w)(["'`]).*?(?:\1(?!\w)|$)|“[^”]*”?|«[^»]*»?|‘[^’]*’?""")
_SEVERAL = re.compile(rf"{MASK}(?: {MASK})+")


def clean(text: str) -> str:
    """Return text without line breaks and terminal escapes, cut off after 500 characters."""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:_LONGEST])
    return shown + MASK * (len(text) > _LONGEST)


def masked(text: str, numbers: bool = False) -> str:
    """Return text with addresses and quotations replaced by `…`; with `numbers`, numbers too."""
    start = text if len(text) <= _LONGEST_READ else text[:_LONGEST_READ].rpartition(" ")[0]
    words = _QUOTED.sub(MASK, " ".join(start.split())).split()
    return _SEVERAL.sub(MASK, " ".join(MASK if _hides(word, numbers) else word for word in words))


def _hides(word: str, numbers: bool) -> bool:
    return "@" in word or "://" in word or (numbers and any(char.isdigit() for char in word))


def shown(value: Value, now: float, show_data: bool) -> str:
    """Return a value for people. `now`, in epoch seconds, is what ages refer to."""
    if isinstance(value, Moment):
        return f"{format_iso_time(value.seconds)} ({_age(now - value.seconds)})"
    if isinstance(value, Span):
        return span(value.seconds)
    if isinstance(value, Words):
        return clean(value.text if show_data else masked(value.text))
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if value is None else clean(str(value))


def plain(value: Value, show_data: bool) -> str | int | float | None:
    """Return a value for programs: times in ISO 8601, lengths of time in seconds."""
    if isinstance(value, Moment):
        return format_iso_time(value.seconds)
    if isinstance(value, Span):
        return value.seconds
    if isinstance(value, Words):
        return value.text if show_data else masked(value.text)
    return value


def span(seconds: float, units: int = 2) -> str:
    """Return a length of time in its largest units: `2 h 5 min`."""
    left = round(max(0.0, seconds))
    parts: list[tuple[int, str]] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count:,} {unit}" for count, unit in parts[:units] if count) or "0 s"


def _age(seconds: float) -> str:
    return f"in {span(-seconds, 1)}" if seconds <= -1 else f"{span(seconds, 1)} ago"
