"""Compute defaults of durations that depend on other durations. Plain defaults are in schema.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.config import durations, schema


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The keys whose values bound a default."""

    at_least: str
    at_most: str | None = None


_BOUNDS: Mapping[str, _Bounds] = {
    "in_flight_max_age": _Bounds("lookback"),
    "stuck_after": _Bounds("poll_interval", "in_flight_max_age"),
}


def followed(key: str) -> tuple[str | None, ...]:
    """Return the keys that bound the default of this key."""
    bounds = _BOUNDS.get(key)
    return () if bounds is None else (bounds.at_least, bounds.at_most)


def seconds(key: str, other: Callable[[str], float | None]) -> float:
    """Return the default of a duration in seconds.

    `other` returns the seconds of another key, or None if they are not known. Then the key is no bound.
    """
    default = durations.parse(schema.Tuning.model_fields[key].default)
    bounds = _BOUNDS.get(key)
    if bounds is None:
        return default
    least = other(bounds.at_least)
    most = None if bounds.at_most is None else other(bounds.at_most)
    raised = default if least is None else max(default, least)
    return raised if most is None else min(raised, most)
