"""When things happen by chance in the demo, for any API; what happens is not here."""

import math
import random
from collections.abc import Iterator, Sequence

_WAVE = 300.0
"""Seconds from one busy time to the next."""


def within(elapsed: float, mean: float) -> float:
    """The probability that what takes `mean` seconds on average has happened within `elapsed` seconds."""
    return 1.0 - math.exp(-elapsed / mean)


def arrivals(rng: random.Random, rate: float, since: float, now: float) -> Iterator[float]:
    """The times (epoch seconds) at which something happens that comes `rate` times a second on average, in waves."""
    at = since
    while (at := at + rng.expovariate(2 * rate)) < now:
        if rng.random() < (1 + math.sin(2 * math.pi * at / _WAVE)) / 2:
            yield at


class Bursts:
    """Bursts of failures: each befalls one of `targets`, and passes."""

    def __init__(self, rng: random.Random, targets: Sequence[str]) -> None:
        self.target: str | None = None
        """Where most fails at the moment."""
        self._rng = rng
        self._targets = targets
        self._ends = 0.0

    def step(self, now: float, elapsed: float, rate: float, lasts: float) -> None:
        """Let `elapsed` seconds pass, in which bursts come `rate` times a second and last so many seconds."""
        if now >= self._ends:
            self.target = None
            if self._rng.random() < within(elapsed, 1 / rate):
                self.target = self._rng.choice(self._targets)
                self._ends = now + lasts
