"""What the records of a collector come to: the numbers behind its families, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.model.record import Key


@dataclass(frozen=True, slots=True)
class Cause:
    """Which record raised a counter last, by how much, and when that was noticed (epoch seconds)."""

    record_id: str
    amount: int
    at: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A record that raised counters of failures. Times are epoch seconds."""

    record_id: str
    created_at: float
    at: float
    """When it was noticed last that something of it has failed."""
    amounts: Mapping[Key, int]
    """By how much it has raised which of them."""
    workflow: str | None = None
    """The workflow's name, where it has one."""


@dataclass(frozen=True, slots=True)
class CounterState:
    """A counter's series: what was counted, and how much of it scrapes may show."""

    counted: int
    published: int
    """The value that was published last; at most `counted`."""
    cause: Cause | None = None

    @property
    def rising(self) -> bool:
        """Is there more to publish."""
        return self.counted > self.published


@dataclass(frozen=True, slots=True)
class Observations:
    """What a histogram has observed."""

    counts: tuple[int, ...]
    """Observations in each bucket: not cumulative, the last one beyond all bounds."""
    total: float
    """The sum of what was observed."""


@dataclass(frozen=True, slots=True)
class HistogramState:
    """A histogram's series: what was observed, and how much of it scrapes may show."""

    observed: Observations
    published: Observations | None = None
    """What was published last; None: nothing yet."""

    @property
    def rising(self) -> bool:
        """Is there more to publish."""
        return self.observed != self.published


@dataclass(frozen=True, slots=True)
class Sums:
    """All series of a collector, in the order in which they first appeared."""

    gauges: Mapping[Key, int] = field(default_factory=dict)
    counters: Mapping[Key, CounterState] = field(default_factory=dict)
    histograms: Mapping[Key, HistogramState] = field(default_factory=dict)
    oldest_in_flight: float | None = None
    """When the oldest record still in flight was created, epoch seconds."""

    def published(self) -> frozenset[Key]:
        """The series of counters and histograms that were published above 0."""
        counters = [key for key, state in self.counters.items() if state.published]
        return frozenset(counters + [key for key, state in self.histograms.items() if state.published is not None])

    def rising(self) -> list[Key]:
        """The series of counters and histograms of which there is more to publish."""
        counters = [key for key, state in self.counters.items() if state.rising]
        return counters + [key for key, state in self.histograms.items() if state.rising]
