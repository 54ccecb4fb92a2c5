"""How late polls come, as the API sees them. Pure."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence


def lateness(
    lists: Iterable[Sequence[float]], interval: float, begin: float, end: float, resumed: float = -math.inf
) -> list[float]:
    """Return by how many seconds each poll between `begin` and `end` was late, and each one that has not come yet.

    `lists` has the times of each list's polls, in order. A poll is due one interval after the one before it, and not
    before `resumed`, when a pause ended; the first poll of a list is due at `begin`. An early poll is 0 s late.
    """
    late: list[float] = []
    for polls in lists:
        first = bisect_left(polls, begin)
        last = bisect_left(polls, end)
        late.extend(
            max(0.0, polls[place] - _due(polls, place, interval, begin, resumed)) for place in range(first, last)
        )
        missing = end - _due(polls, last, interval, begin, resumed)
        if missing > 0.0:
            late.append(missing)
    return late


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all values do not exceed; 0 if there are none."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * share) - 1)] if ranked else 0.0


def _due(polls: Sequence[float], place: int, interval: float, begin: float, resumed: float) -> float:
    return max(polls[place - 1] + interval, resumed) if place else max(begin, resumed)
