"""Where a collector's polls have got to, as a value. How it is kept: records.py."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a collector's polls have got to. Times are epoch seconds; what is created is dated by the vendor."""

    scope: str = ""
    """What is asked for. Another scope begins anew."""
    lookback: float = 0.0
    """How far back the window reached, in seconds."""
    complete: bool = False
    """The window has been read completely."""
    named: bool = False
    """It was read by ids alone, for want of a list."""
    horizon: float | None = None
    """A record that was created before and never met is no news: it was only not looked at until now."""
    backfilled_to: float | None = None
    """All of the window that was created since is read: where a backfill goes on after a restart."""
    newest: float | None = None
    """When the newest record was created."""
    polled_at: float | None = None
    """When the last successful poll began."""
    reconciled_at: float | None = None
    """When the whole window had last been read again."""
    reconciled_to: float | None = None
    """How far a reconciliation that is under way has come; None between two."""
    reconciled_page: int = 1
    """The page on which that was."""
    scraped: bool = False
    """Somebody scrapes: a scrape was answered since the collector was first polled."""
