"""Count the records that failed in the last hour."""

from dataclasses import dataclass

from exporter.exposition.snapshot import CollectorSnapshot
from exporter.model.record import LAST_FAILURES

RECENT_SECONDS, RECENT = 3600.0, "hour"


@dataclass(frozen=True, slots=True)
class Count:
    """A number of records, a lower bound where the exporter remembers no more."""

    records: int = 0
    or_more: bool = False

    def __add__(self, other: "Count") -> "Count":
        return Count(self.records + other.records, self.or_more or other.or_more)

    def __str__(self) -> str:
        return f"{self.records} or more" if self.or_more else str(self.records)


def recent_failures(collector: CollectorSnapshot, now: float) -> Count:
    """Count a collector's records that failed within the hour before `now`, in epoch seconds."""
    records = sum(failure.at > now - RECENT_SECONDS for failure in collector.failures)
    return Count(records, records >= LAST_FAILURES)
