"""The status of one collector's polling. The poller updates it, and the catalog's rows read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from exporter.model.record import STATE_REASONS, Reason

_NO_ERRORS: Mapping[Reason, int] = dict.fromkeys(STATE_REASONS, 0)
"""One object shared by all collectors, to save memory."""


@dataclass(slots=True)
class CollectorStatus:
    """The status of one collector since the program started. Times are epoch seconds; None is "not yet"."""

    account: str
    system: str
    collector: str
    up: bool | None = None
    error: str | None = None
    """The error of the last poll, safe to show."""
    reason: Reason | None = None
    """The reason of the error, as the label of poll errors has it."""
    last_success: float | None = None
    last_duration: float | None = None
    """The duration of the last poll, in seconds."""
    lateness: float | None = None
    """How many seconds after it was due the last poll began."""
    backoff: float | None = None
    """How many seconds longer than the interval it is until the next poll, because the API does not answer."""
    last_reconcile: float | None = None
    """When the last full scan of the lookback window ended."""
    state_created: float | None = None
    """When the state of the collector was new, and all its counters were 0; None if an older version has made it."""
    incremental: bool | None = None
    """Whether polling is incremental; False if it scans the whole window because the list is not ordered."""
    backfilling: bool = True
    """Whether the first scan of the window is incomplete."""
    finished: int = 0
    in_flight: int = 0
    oldest_in_flight: float | None = None
    """Creation time of the oldest record in flight."""
    state_errors: Mapping[Reason, int] = field(default_factory=lambda: _NO_ERRORS)
    state_errors_published: Mapping[Reason, int] = field(default_factory=lambda: _NO_ERRORS)
    """Polls that failed because of the state file: the only counts that the state can't keep. Replaced, not changed."""
    stuck: int = 0
    """Records in flight for longer than `stuck_after`."""
    stuck_ids: tuple[str, ...] = ()
    """IDs of the oldest of them, oldest first. Frozen at each poll."""
    stuck_alert: str = ""
    """The alert about them."""
    window_truncated: bool = False
    """Whether the API returns only a part of the window."""
    dated_ahead: float = 0.0
    """By how many seconds the newest record was created in the future."""
    poll_interval: float | None = None
    stale_after: float | None = None
    reconcile_interval: float | None = None
    lookback: float | None = None
    """The configured value, in seconds, as are the next three."""

    def count_state_error(self, reason: Reason) -> None:
        """Count a poll that failed because of the state file."""
        self.state_errors = {**self.state_errors, reason: self.state_errors[reason] + 1}

    def going_on(self) -> "CollectorStatus":
        """Return the status for the next poller of the same collector: the result of the last poll.

        It resets what the next poller reads from the state.
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
            stuck_ids=(),
        )
