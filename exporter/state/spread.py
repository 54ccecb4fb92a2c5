"""The observations of a histogram, as values and as the text that the state keeps. Pure.

The bounds of an account's histograms may change, and replicas with different configurations may take turns. So the
state keeps each observation with every bound that the histogram has had: a bucket never counts less than it ever did.
"""

import bisect
import json
from collections.abc import Iterable

from exporter.model.totals import Observations

MOST_BOUNDS = 500
"""The most bounds that are kept of a histogram. Beyond, those that are no longer configured are forgotten."""


def decoded(text: str, own: tuple[float, ...]) -> Observations:
    """Return the observations that this is the text of. A text without bounds has the family's `own`."""
    counts, total, *rest = json.loads(text)
    bounds = tuple(rest[0]) if rest else own
    if len(counts) != len(bounds) + 1:
        # They were observed with bounds that nobody knows any more: only their number and sum are certain.
        return Observations((sum(counts),), total, ())
    return Observations(tuple(counts), total, bounds)


def encoded(observations: Observations, own: tuple[float, ...]) -> str:
    """Return the text. It has bounds only where they are not the family's `own`."""
    values = [observations.counts, observations.total]
    return json.dumps(values if observations.bounds == own else [*values, observations.bounds])


def observed(
    before: Observations | None, seconds: Iterable[tuple[int, float]], bounds: tuple[float, ...]
) -> Observations:
    """Return the observations with others, how often and what, in buckets that have at least these bounds."""
    kept = before or Observations((0,) * (len(bounds) + 1), 0.0, bounds)
    every = tuple(sorted({*kept.bounds, *bounds}))
    kept = kept.within(every if len(every) <= MOST_BOUNDS else bounds)
    counts, total = list(kept.counts), kept.total
    for times, value in seconds:
        counts[bisect.bisect_left(kept.bounds, value)] += times
        total += times * value
    return Observations(tuple(counts), total, kept.bounds)
