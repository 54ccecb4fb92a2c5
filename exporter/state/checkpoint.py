"""Where a collector's polls have got to, as a value. How it is kept: records.py."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a collector's polls have got to. Times are epoch seconds; what is created is dated by the vendor."""

    scope: str = ""
    """What is asked for. With another one, only what is created from then on is a new event."""
    labels: str = ""
    """Which of the labels that only some accounts have the records are counted with."""
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
    backfilled_page: int = 1
    """The page on which a backfill goes on where the list has no order."""
    backfilling_since: float | None = None
    """When the backfill that is under way began."""
    newest: float | None = None
    """When the newest record was created."""
    newest_at: float | None = None
    """When the poll began that first met it."""
    middle: float | None = None
    """When the record in the middle of the newest page was created."""
    seen_to: float | None = None
    """When the newest of all records was created that were ever known and did not lie in the future."""
    seen_newest: float | None = None
    """When the newest of those was created that the last poll met, in the future or not."""
    polled_at: float | None = None
    """When the last successful poll began."""
    ticks: float | None = None
    """What a clock said then that nobody sets, and that goes on while the machine runs."""
    boot: str = ""
    """Since which start of the machine that clock goes."""
    leapt_at: float | None = None
    """What it said when the machine's clock was first seen to have leapt since; None where it has not."""
    broken_page: int | None = None
    """The page at which the list broke off, though it should go on; below 0 as in `engine.ends.Depth`."""
    broken_polls: int = 0
    """In how many polls in a row."""
    reconciled_at: float | None = None
    """When the whole window had last been read again."""
    reconciled_to: float | None = None
    """How far a reconciliation that is under way has come; None between two."""
    reconciled_page: int = 1
    """The page on which that was."""
    scraped_at: float | None = None
    """When the last scrape began that was answered to its end, as far as that is known; None: nobody scrapes."""
    published_at: float | None = None
    """When counters rose last in scrapes."""
