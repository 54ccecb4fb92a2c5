"""Parse and validate the bounds of the buckets of duration histograms."""

import math
from collections.abc import Iterator, Sequence

from exporter.config import durations
from exporter.config.source.partial import Draft
from exporter.config.source.problems import Finding, Place

KEY = "duration_buckets"
MOST = 50
"""The maximum number of bounds: each adds a series to each histogram."""
LEAST_SECONDS = 0.001
_MOST_SHOWN = 12


def parse(value: object) -> float:
    """Return the seconds of a bound: a duration, or a number of seconds as in the label `le`.

    Raises ValueError with a message for the operator that does not quote the value.
    """
    if isinstance(value, str):
        return durations.parse(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("must be a duration such as 30s or 1h30m, or a number of seconds")
    if not math.isfinite(value):
        raise ValueError("must be finite; the bucket +Inf is always there")
    if value < LEAST_SECONDS:
        raise ValueError(f"must be at least {LEAST_SECONDS} seconds")
    if value > durations.LONGEST_SECONDS:
        raise ValueError(f"must be at most {durations.LONGEST_YEARS}y")
    return float(value)


def findings(draft: Draft, places: Sequence[Place]) -> Iterator[Finding]:
    """Yield lists of bounds at these places that are empty or too long, and the first bound that is not in order."""
    for place in places:
        bounds = draft.get(*place, KEY)
        if bounds == []:
            yield Finding((*place, KEY), "must have at least one bound; null means those of the system")
        if isinstance(bounds, list) and len(bounds) > MOST:
            yield Finding((*place, KEY), f"must have at most {MOST} bounds, not {len(bounds)}")
        before: float | None = None
        for index in draft.indexes(*place, KEY):
            value = draft.get(*place, KEY, index)
            if value is None:
                # It is reported with the types, and the next one is compared with nothing.
                before = None
                continue
            bound = parse(value)
            if before is not None and bound <= before:
                yield Finding((*place, KEY, index), _out_of_order(draft, place))
                break
            before = bound


def _out_of_order(draft: Draft, place: Place) -> str:
    """Return the message, with the bounds as they are to be if they are valid and few."""
    values = [draft.get(*place, KEY, index) for index in draft.indexes(*place, KEY)]
    if None in values or len(values) > _MOST_SHOWN:
        return "must be above the bound before it"
    bounds = sorted({parse(value) for value in values})
    return f"must be above the bound before it; write [{', '.join(map(_written, bounds))}]"


def _written(bound: float) -> str:
    """Return a bound as a duration, or as a number where that would round it."""
    text = durations.write(bound)
    return text if durations.parse(text) == bound else f"{bound}"
