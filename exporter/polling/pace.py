"""How often a collector is polled, and how long its counters keep a value."""

from dataclasses import dataclass

STANDS_SECONDS = 60.0
"""The longest time for which a counter keeps a value if polls may be requested. Prometheus must scrape as often."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When to poll, how long gauges stay fresh, and when a record is stuck. Seconds."""

    interval: float
    stale_after: float
    stuck_after: float
    asked: bool = False
    """Whether polls may be asked for between two intervals."""

    @property
    def stands(self) -> float:
        """For how long a counter keeps a value before it rises, so that each Prometheus has seen it."""
        return min(self.interval, STANDS_SECONDS) if self.asked else self.interval
