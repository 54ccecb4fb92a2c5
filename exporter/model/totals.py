"""The totals of a collector's records: the numbers behind its families, as values."""

import bisect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.model.record import Key


@dataclass(frozen=True, slots=True)
class Cause:
    """The record that raised a counter last, by how much, and when that was observed (epoch seconds)."""

    record_id: str
    amount: int
    at: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A record that raised counters of failures, as the state keeps it. Times are epoch seconds."""

    record_id: str
    created_at: float
    at: float
    """When a failure of it was last observed."""
    amounts: Mapping[Key, int]
    """The increase of each counter."""
    workflow: str | None = None
    """The workflow's name; None if it has none."""


@dataclass(frozen=True, slots=True)
class CounterState:
    """A counter's series: what was counted, and how much of it is exposed."""

    counted: int
    published: int
    """The value that was last exposed; at most `counted`."""
    cause: Cause | None = None

    @property
    def rising(self) -> bool:
        """Return whether there is more to expose."""
        return self.counted > self.published


@dataclass(frozen=True, slots=True)
class Observations:
    """The observations of a histogram."""

    counts: tuple[int, ...]
    """Observations in each bucket, not cumulative; the last bucket is above all bounds."""
    total: float
    """The sum of the observed values."""
    bounds: tuple[float, ...]
    """The upper bounds of the buckets, in rising order, without infinity."""

    def within(self, bounds: tuple[float, ...]) -> "Observations":
        """Return the same observations in other buckets, each in the lowest one that it is certain to be in.

        So a bound that both have counts the same, and any other one counts no more than is known to lie below it.
        """
        if bounds == self.bounds:
            return self
        counts = [0] * (len(bounds) + 1)
        for bound, count in zip((*self.bounds, math.inf), self.counts, strict=True):
            counts[bisect.bisect_left(bounds, bound)] += count
        return Observations(tuple(counts), self.total, bounds)

    def plus(self, other: "Observations") -> "Observations":
        """Return the observations of both, with the bounds of both."""
        bounds = tuple(sorted({*self.bounds, *other.bounds}))
        pairs = zip(self.within(bounds).counts, other.within(bounds).counts, strict=True)
        return Observations(tuple(map(sum, pairs)), self.total + other.total, bounds)


@dataclass(frozen=True, slots=True)
class HistogramState:
    """A histogram's series: what was observed, and how much of it is exposed."""

    observed: Observations
    published: Observations | None = None
    """The observations that were last exposed; None before the first time."""

    @property
    def rising(self) -> bool:
        """Return whether there is more to expose."""
        return self.observed != self.published


@dataclass(frozen=True, slots=True)
class Sums:
    """All series of a collector, in the order in which they first appeared."""

    gauges: Mapping[Key, int] = field(default_factory=dict)
    counters: Mapping[Key, CounterState] = field(default_factory=dict)
    histograms: Mapping[Key, HistogramState] = field(default_factory=dict)
    oldest_in_flight: float | None = None
    """Creation time of the oldest record in flight, epoch seconds."""

    def published(self) -> frozenset[Key]:
        """Return the series of counters and histograms that were exposed above 0."""
        counters = [key for key, state in self.counters.items() if state.published]
        return frozenset(counters + [key for key, state in self.histograms.items() if state.published is not None])

    def same_as(self, other: "Sums") -> bool:
        """Return whether all series and values are the same, in the same order."""
        return self is other or (
            self.oldest_in_flight == other.oldest_in_flight
            and list(self.gauges.items()) == list(other.gauges.items())
            and list(self.counters.items()) == list(other.counters.items())
            and list(self.histograms.items()) == list(other.histograms.items())
        )

    def rising(self) -> list[Key]:
        """Return the series of counters and histograms with more to expose."""
        counters = [key for key, state in self.counters.items() if state.rising]
        return counters + [key for key, state in self.histograms.items() if state.rising]
