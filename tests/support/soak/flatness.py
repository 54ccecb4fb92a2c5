"""What a process uses over time, and whether that is flat. Pure, but for `used`."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_MOST_POINTS = 200
"""A fit looks at each pair of points."""
_MIB = 1024.0 * 1024.0
_BURST_BYTES = 16 * 1024.0
"""What is logged at once where all collectors fail and recover, in one tenth of the time."""

Point = tuple[float, float]
"""A moment in seconds, and a value."""


class Sample(NamedTuple):
    """What the process uses at a moment. Sizes are in bytes."""

    at: float
    memory: float
    descriptors: float
    threads: float
    state: float
    write_ahead_log: float
    logged: float
    """All that has been logged so far, in bytes."""
    records: float
    """All records that the worlds have made so far."""


class Limit(NamedTuple):
    """By how much a fit may rise over the time it is made of: this share of the middle value, or this many."""

    share: float
    slack: float


LIMITS = {
    "memory": Limit(0.1, 12 * _MIB),
    "descriptors": Limit(0.1, 24),
    "threads": Limit(0.1, 24),
    "state": Limit(0.1, _MIB / 4),
    "write_ahead_log": Limit(0.5, 16 * _MIB),
    "log_rate": Limit(0.5, 2048),
}
"""By what is measured; the slack is what a short and busy run needs, in which a pool that fills looks like a leak.

`state` is scaled to the records that there were in the beginning: the state remembers each of them, deleted ones too,
until it leaves `lookback`, which is longer than a soak. `log_rate` is in bytes a second.
"""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a value went over some time."""

    name: str
    middle: float
    highest: float
    rise: float
    """By how much the fit rises from the first point to the last."""
    allowed: float

    @property
    def flat(self) -> bool:
        return self.rise <= self.allowed

    def text(self) -> str:
        verdict = "flat" if self.flat else "NOT FLAT"
        figures = f"median {self.middle:.4g}, highest {self.highest:.4g}, rise {self.rise:.3g}"
        return f"{self.name}: {figures} of {self.allowed:.3g} allowed: {verdict}"


def slope(points: Sequence[Point]) -> float:
    """Return the median slope of all pairs of points (Theil and Sen), which a burst or a pause does not tilt."""
    chosen = points[:: -(-len(points) // _MOST_POINTS) or 1]
    pairs = ((before, after) for before, after in itertools.combinations(chosen, 2) if after[0] > before[0])
    slopes = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairs]
    return statistics.median(slopes) if slopes else 0.0


def rates(points: Sequence[Point], slices: int = 10) -> list[Point]:
    """Return how fast a value rose in each of so many equal parts of the time."""
    if not points:
        return []
    first, last = points[0][0], points[-1][0]
    width = (last - first) / slices or 1.0
    edges = [first + width * number for number in range(slices + 1)]
    at_edges = [
        max((point for point in points if point[0] <= edge + 1e-9), key=lambda point: point[0]) for edge in edges
    ]
    return [
        ((before[0] + after[0]) / 2, (after[1] - before[1]) / (after[0] - before[0]))
        for before, after in itertools.pairwise(at_edges)
        if after[0] > before[0]
    ]


def fit(name: str, points: Sequence[Point], slack: float = 0.0) -> Fit:
    """Fit the points, and judge by the limit of that name, or by this slack if it is larger."""
    values = [value for _, value in points] or [0.0]
    seconds = points[-1][0] - points[0][0] if points else 0.0
    middle = statistics.median(values)
    limit = LIMITS[name]
    # Of a few points that rise and then stay, the fit would leave the range that was measured.
    rise = min(slope(points) * seconds, max(values) - min(values))
    return Fit(name, middle, max(values), rise, max(limit.share * middle, limit.slack, slack))


def fits(samples: Sequence[Sample]) -> list[Fit]:
    """Fit everything that is measured."""
    points = {name: [(sample.at, getattr(sample, name)) for sample in samples] for name in LIMITS if name != "log_rate"}
    points["state"] = [(sample.at, sample.state * samples[0].records / sample.records) for sample in samples]
    points["log_rate"] = rates([(sample.at, sample.logged) for sample in samples])
    tenth = (samples[-1].at - samples[0].at) / 10 if len(samples) > 1 else 1.0
    slack = {"log_rate": _BURST_BYTES / tenth}
    return [fit(name, points[name], slack.get(name, 0.0)) for name in LIMITS]


def used(pid: int) -> tuple[float, float, float]:
    """Return the resident bytes, the file descriptors and the threads of a process. Raises OSError if it is gone."""
    process = Path(f"/proc/{pid}")
    fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    descriptors = sum(1 for _ in (process / "fd").iterdir())
    if "VmRSS" not in fields:
        raise ProcessLookupError(pid)
    return float(fields["VmRSS"].split()[0]) * 1024, float(descriptors), float(fields["Threads"])
