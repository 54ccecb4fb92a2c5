"""Keep lines that differ between accounts only in the account's name once, without the name."""

from typing import NamedTuple

MOST_BYTES = 4096
"""Longer lines are not shared: they have names, such as those of workflows, that no other account has."""
_MOST_KNOWN = 1024
_PLACE = b'{account="'
"""The place of the account's name. No label value contains it, as quotes are escaped."""

_KNOWN: dict[bytes, bytes] = {}
"""The lines that were shared so far: the first object that had these bytes."""


class SharedLines(NamedTuple):
    """Lines that all accounts share which show the same."""

    lines: bytes
    """Without the account's name."""
    account: str


Lines = bytes | SharedLines
"""Sample lines of one family, as they are kept."""


def shared(lines: bytes, account: str) -> Lines:
    """Return the lines of an account so that equal ones of other accounts take no more memory."""
    if len(lines) > MOST_BYTES:
        return lines
    nameless = lines.replace(_PLACE + _name(account) + b'"', _PLACE + b'"')
    known = _KNOWN.get(nameless)
    if known is None:
        known = _KNOWN[nameless] = nameless
        if len(_KNOWN) > _MOST_KNOWN:
            # Where they are in use they stay in memory, and are shared no further.
            del _KNOWN[next(iter(_KNOWN))]
    return SharedLines(known, account)


def whole(lines: Lines) -> bytes:
    """Return the lines as they are exposed."""
    return lines if isinstance(lines, bytes) else lines.lines.replace(_PLACE, _PLACE + _name(lines.account))


def length(lines: Lines) -> int:
    """Return the number of bytes of `whole`."""
    if isinstance(lines, bytes):
        return len(lines)
    return len(lines.lines) + lines.lines.count(_PLACE) * len(_name(lines.account))


def escaped(value: str) -> str:
    """Return the value of a label as it stands in a line."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def encoded(text: str) -> bytes:
    """Encode as UTF-8. Half a surrogate pair, which JSON can hold and UTF-8 can't, becomes a question mark."""
    return text.encode("utf-8", "replace")


def _name(account: str) -> bytes:
    return encoded(escaped(account))
