"""Name accounts in the log: how many there are, and the first ones."""

from collections.abc import Iterable

_NAMED = 5
"""How many accounts a line of the log names."""


def named(accounts: Iterable[str]) -> dict[str, object]:
    """Return the fields of the log that say how many accounts there are, and name the first ones."""
    ordered = sorted(set(accounts))
    names = [*ordered[:_NAMED], *(["…"] if len(ordered) > _NAMED else [])]
    return {"accounts": len(ordered), "names": ", ".join(names)}
