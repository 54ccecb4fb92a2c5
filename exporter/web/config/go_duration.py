"""Durations as Go writes them, such as 1s, 1m30s or 1.5h. What a duration is for is not known here.

Syntax: https://pkg.go.dev/time#ParseDuration.
"""

import re

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(h|ms|m|s|us|µs|μs|ns)", re.ASCII)
_LONGEST_TEXT = 40
NANOSECONDS = re.compile(r"[0-9]{1,18}", re.ASCII)
"""A number without a unit, which the toolkit takes for nanoseconds."""


def parse(text: str) -> float:
    """Seconds of a duration; 0 is one. Raises ValueError with a message for the operator, without the text."""
    if NANOSECONDS.fullmatch(text):
        return int(text) * 1e-9
    if text.startswith("-"):
        raise ValueError("must not be negative")
    parts = _PART.findall(text)
    if not parts or len(text) > _LONGEST_TEXT or "".join(map("".join, parts)) != text.removeprefix("+"):
        raise ValueError("must be a duration such as 100ms, 1s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
