"""Parse and write durations as Prometheus does, such as 30s or 1h30m.

Syntax: https://prometheus.io/docs/prometheus/latest/configuration/configuration/ (`<duration>`).
"""

import re

_MILLISECONDS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}
PATTERN = "".join(f"(?:([0-9]+){unit})?" for unit in _MILLISECONDS)
"""Matches a duration or an empty text. One group per unit, the largest first."""
_PARTS_IN_ANY_ORDER = re.compile(r"(?:[0-9]+(?:ms|[ywdhms]))+")
LONGEST_YEARS = 100
LONGEST_SECONDS = LONGEST_YEARS * _MILLISECONDS["y"] / 1000
_LONGEST_TEXT = 100
SYNTAX = "a duration such as 30s, 5m, 1h30m or 7d"


def parse(text: str) -> float:
    """Return the seconds of a duration, more than 0 and at most 100 years.

    Raises ValueError with a message for the operator that does not quote the text.
    """
    match = re.fullmatch(PATTERN, text)
    if match is None or not 0 < len(text) <= _LONGEST_TEXT:
        raise ValueError(_wrong_syntax(text))
    milliseconds = sum(
        int(number) * size for number, size in zip(match.groups(default="0"), _MILLISECONDS.values(), strict=True)
    )
    if milliseconds == 0:
        raise ValueError("must be longer than 0")
    if milliseconds > 1000 * LONGEST_SECONDS:
        raise ValueError(f"must be at most {LONGEST_YEARS}y")
    return milliseconds / 1000


def write(seconds: float) -> str:
    """Return the text of a duration in seconds, to the millisecond. `parse` reverses it."""
    left = round(seconds * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        number, left = divmod(left, _MILLISECONDS[unit])
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def _wrong_syntax(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        return f"must be {SYNTAX}"
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
        return "a duration needs a unit, such as 60s"
    if text.startswith("-"):
        return "must be longer than 0"
    if _PARTS_IN_ANY_ORDER.fullmatch(text):
        return "each unit may stand once, the largest first, such as 1h30m"
    return f"must be {SYNTAX}"
