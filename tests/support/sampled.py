"""A Prometheus as a list of samples: what it has of each series, on a clock of the test's."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from exporter.exposition.snapshot import SnapshotStore

_HEAD_SECONDS = 3600.0
"""How old a sample may be that Prometheus takes for a new series: half of the time that a block covers."""


@dataclass
class Scraper:
    """A Prometheus, as far as it matters here."""

    period: float
    phase: float
    zeros: bool = False
    """Whether it takes the start of a series for a sample of 0, as with `created-timestamp-zero-ingestion`."""
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """By series, times and values."""
    instance: str = ""
    """What it calls the program. Series of others are other series."""

    def take(self, now: float, store: SnapshotStore) -> None:
        """Scrape what is exposed."""
        for shown in store.snapshot.collectors:
            for block in shown.counters.values():
                starts = dict(_starts(block.openmetrics.decode())) if self.zeros else {}
                for line in block.text.decode().splitlines():
                    series, _, value = line.rpartition(" ")
                    self._append(self.instance + series, now, float(value), starts.get(_point(series)))

    def _append(self, series: str, now: float, value: float, start: float | None) -> None:
        samples = self.samples.setdefault(series, [])
        last = samples[-1][0] if samples else now - _HEAD_SECONDS
        if start is not None and last < start < now:
            samples.append((start, 0.0))
        samples.append((now, value))


def _starts(lines: str) -> Iterator[tuple[str, float]]:
    for name, labels, value in re.findall(r"^(\w+)_created(\{.*\}) (\S+)$", lines, re.MULTILINE):
        yield name + labels, float(value)


def _point(series: str) -> str:
    """Return what the lines of a counter or a histogram have in common with the line about its start."""
    name, brace, labels = series.partition("{")
    labels = re.sub(r',?\ble="[^"]*"', "", labels)
    return re.sub(r"_(total|bucket|count|sum)$", "", name) + brace + labels.replace("{,", "{")
