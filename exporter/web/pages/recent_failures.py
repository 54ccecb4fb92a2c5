"""How many records have failed lately. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

from exporter.exposition.snapshot import CollectorSnapshot
from exporter.model.record import LAST_FAILURES


class Span(NamedTuple):
    """A length of time and its name."""

    seconds: float
    name: str


RECENT = Span(3600.0, "hour")


@dataclass(frozen=True, slots=True)
class Count:
    """How many records; more of them where no more are remembered."""

    records: int = 0
    or_more: bool = False

    def __add__(self, other: "Count") -> "Count":
        return Count(self.records + other.records, self.or_more or other.or_more)

    def __str__(self) -> str:
        return f"{self.records} or more" if self.or_more else str(self.records)


def recent_failures(collector: CollectorSnapshot, now: float) -> Count:
    """The records of a collector that have failed lately."""
    records = sum(one.at > now - RECENT.seconds for one in collector.failures)
    return Count(records, records >= LAST_FAILURES)
