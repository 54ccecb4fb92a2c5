"""Decide when to log a lasting condition: when it begins, and then once an hour. Pure."""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field

AGAIN_SECONDS = 3600.0
"""How often the message about a lasting condition is repeated."""

_MOST = 100
"""How many conditions are remembered: an API may make up values."""


@dataclass(slots=True)
class _Told:
    at: float
    count: int = 0
    """The sum since it was last logged."""


@dataclass(slots=True)
class Notices:
    """The conditions that were logged. Times are seconds of one clock."""

    _told: dict[Hashable, _Told] = field(default_factory=dict)

    def note(self, condition: Hashable, now: float, count: int = 1) -> int:
        """Note a condition that holds, with a number to add up, such as polls or records.

        Return the sum since it was last logged if it is to be logged now, or else 0.
        """
        told = self._told.get(condition)
        if told is not None:
            told.count += count
            if now - told.at < AGAIN_SECONDS:
                return 0
            count = told.count
        elif len(self._told) >= _MOST:
            del self._told[min(self._told, key=lambda known: self._told[known].at)]
        self._told[condition] = _Told(now)
        return count

    def logged(self, kind: type, now: float) -> Collection[Hashable]:
        """Return the conditions of a type that were logged within the last hour."""
        return [
            known for known, told in self._told.items() if isinstance(known, kind) and now - told.at < AGAIN_SECONDS
        ]

    def end(self, condition: Hashable) -> None:
        """Note that a condition no longer holds: it is logged at once when it comes again."""
        self._told.pop(condition, None)
