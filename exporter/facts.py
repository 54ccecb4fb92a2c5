"""What is known of the polling of one collector, apart from its records. Kept by its poller, read by the catalogue."""

from collections import Counter
from dataclasses import dataclass, field, replace

from exporter.records import Reason


@dataclass(slots=True)
class Facts:
    """Facts of one collector since the program started. Times are epoch seconds; None is "not yet"."""

    account: str
    system: str
    collector: str
    up: bool | None = None
    error: str | None = None
    """Why the last poll failed, safe to show."""
    reason: Reason | None = None
    """Why it failed, as one of the few kinds there are."""
    last_success: float | None = None
    last_duration: float | None = None
    """Seconds."""
    last_reconcile: float | None = None
    """When the whole window had last been read."""
    incremental: bool | None = None
    """Does a poll cost what changed; False where the order of the list can't be relied on."""
    backfilling: bool = True
    """The window has not been read completely yet."""
    finished: int = 0
    in_flight: int = 0
    oldest_in_flight: float | None = None
    """When the oldest record still in flight was created."""
    poll_errors: Counter[Reason] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    """Records that could not be understood, by why."""
    unknown_values: Counter[str] = field(default_factory=Counter)
    """Values that no API page names, by the label they became."""
    vanished: int = 0
    """Records in the window that the API no longer has."""
    abandoned: int = 0
    """Records that were in flight for longer than `in_flight_max_age`."""

    def going_on(self) -> "Facts":
        """For another poller of the same collector: what was counted and how the last poll went.

        What the polls have read is not among it: that is in the state.
        """
        return replace(
            self,
            last_success=None,
            last_reconcile=None,
            backfilling=True,
            finished=0,
            in_flight=0,
            oldest_in_flight=None,
            poll_errors=Counter(self.poll_errors),
            rejected=Counter(self.rejected),
            unknown_values=Counter(self.unknown_values),
        )
