"""Parse and write sizes in bytes as Prometheus does, such as 512KB or 64MB. KiB and MiB are the same units."""

import re

_UNITS = ("", "K", "M", "G", "T")
PATTERN = "([0-9]{1,15})(?:([KMGT])i?)?B"
"""Matches a size, in powers of 1024 as in Prometheus. The groups are the number and the unit."""
SYNTAX = "a size such as 512KiB, 64MiB or 1GiB"


def parse(text: str) -> int:
    """Return the bytes of a size, at least 1.

    Raises ValueError with a message for the operator that does not quote the text.
    """
    match = re.fullmatch(PATTERN, text)
    if match is None:
        raise ValueError("a size needs a unit, such as 64MiB" if text.isdecimal() else f"must be {SYNTAX}")
    number, unit = match.groups(default="")
    if int(number) == 0:
        raise ValueError("must be more than 0B")
    return int(number) * int(1024 ** _UNITS.index(unit))


def write(size: int) -> str:
    """Return the text of a size in the largest unit that says it exactly, or rounded down with two digits or more."""
    for power in reversed(range(len(_UNITS))):
        whole, rest = divmod(size, 1024**power)
        if whole >= 10 or (whole and not rest):
            break
    return f"{whole}{_UNITS[power]}{'i' if power else ''}B"
