"""Limits of what a collector reads."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How far back, how often and how much a collector reads. Times are in seconds."""

    lookback: float
    reconcile_interval: float
    in_flight_max_age: float
    page_size: int
    allowance: int
    """Requests that a poll may spend on reconciliation."""
    stale_after: float = math.inf
    """How long polls may be absent for records that finish meanwhile to have a duration."""
    naming_interval: float = 0.0
    """Between two polls of the collector whose records name those of this one."""
    interval: float = 0.0
    """What `allowance` is meant for, if polls may come in between; 0 if they don't."""

    def allowance_after(self, seconds: float) -> int:
        """Return the requests for reconciliation of a poll that begins so long after the last one: a smaller share."""
        if self.interval == 0.0 or seconds >= self.interval:
            return self.allowance
        return int(self.allowance * max(0.0, seconds) / self.interval)
