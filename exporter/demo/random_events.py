"""The times of random events in the demo, for any API."""

import math
import random
from collections.abc import Iterator, Sequence

_WAVE = 300.0
"""Seconds from one peak of arrivals to the next."""


def within(elapsed: float, mean: float) -> float:
    """Return the probability that an event with a mean of `mean` seconds happens within `elapsed` seconds."""
    return 1.0 - math.exp(-elapsed / mean)


def arrivals(rng: random.Random, rate: float, since: float, now: float) -> Iterator[float]:
    """Yield the times (epoch seconds) of events that happen `rate` times a second on average, in waves."""
    at = since
    while (at := at + rng.expovariate(2 * rate)) < now:
        if rng.random() < (1 + math.sin(2 * math.pi * at / _WAVE)) / 2:
            yield at


class Bursts:
    """Bursts of failures: each affects one of `targets` for a while."""

    def __init__(self, rng: random.Random, targets: Sequence[str]) -> None:
        self.target: str | None = None
        """The target at which most work fails now; None without a burst."""
        self._rng = rng
        self._targets = targets
        self._ends = 0.0

    def step(self, now: float, elapsed: float, rate: float, lasts: float) -> None:
        """Advance by `elapsed` seconds; bursts begin `rate` times a second and last `lasts` seconds."""
        if now >= self._ends:
            self.target = None
            if self._rng.random() < within(elapsed, 1 / rate):
                self.target = self._rng.choice(self._targets)
                self._ends = now + lasts
