"""What the records of a collector come to: the numbers behind its families, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.records import Key


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
class Count:
    """A counter's series."""

    value: int
    shown: bool
    """Has it been exposed at 0: `increase()` would miss the first step of a series that begins above."""
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """A histogram's series: observations in each bucket (not cumulative, the last one beyond all bounds)."""

    counts: tuple[int, ...]
    total: float
    """The sum of what was observed."""


@dataclass(frozen=True, slots=True)
class Sums:
    """All series of a collector, in the order in which they first appeared."""

    gauges: Mapping[Key, int] = field(default_factory=dict)
    counters: Mapping[Key, Count] = field(default_factory=dict)
    histograms: Mapping[Key, Spread] = field(default_factory=dict)
    oldest_in_flight: float | None = None
    """When the oldest record still in flight was created, epoch seconds."""
