"""What is known of the polling of one collector, apart from its records. Kept by its poller, read by the catalogue."""

from dataclasses import dataclass, replace

from exporter.model.record import Reason


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
    state_errors: int = 0
    state_errors_published: int = 0
    """Polls that failed because of the state: the one count of them that the state can't keep."""
    stuck: int = 0
    """Records in flight for longer than `stuck_after`."""
    window_truncated: bool = False
    """The API does not give the whole window."""
    dated_ahead: float = 0.0
    """By how many seconds the newest record lies in the future."""
    poll_interval: float | None = None
    stale_after: float | None = None
    reconcile_interval: float | None = None
    """All three as configured, in seconds."""

    def going_on(self) -> "Facts":
        """For another poller of the same collector: how the last poll went.

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
            stuck=0,
        )
