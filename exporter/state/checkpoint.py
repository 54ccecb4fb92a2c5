"""The checkpoint of a collector, as a value and as the text that the state keeps."""

import json
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far the polls of a collector have come. The field names are the keys of the stored JSON.

    Times are epoch seconds; times of creation are by the API's clock.
    """

    scope: str = ""
    """The query settings. When they change, only records created from then on are new events."""
    labels: str = ""
    """The names of the optional labels that records are counted with."""
    buckets: str = ""
    """The bounds of the histograms that are exposed; empty for those of the system."""
    lookback: float = 0.0
    """How far back the window reached, in seconds."""
    complete: bool = False
    """Whether the window has been read completely."""
    named: bool = False
    """Whether it was read by ID only, because the account has no list."""
    horizon: float | None = None
    """The event watermark: a record created before, and never seen, is no new event. It was only not read until now."""
    backfilled_to: float | None = None
    """All records created since have been read: a backfill resumes here after a restart."""
    backfilled_page: int = 1
    """The page at which a backfill resumes if the list is not in order."""
    backfilling_since: float | None = None
    """When the backfill in progress began."""
    newest: float | None = None
    """When the newest record was created."""
    newest_at: float | None = None
    """When the poll began that saw it first; after a backfill, the poll that completed it. None during a backfill."""
    middle: float | None = None
    """When the record in the middle of the newest page was created."""
    seen_to: float | None = None
    """When the newest record ever known was created that did not lie in the future."""
    seen_newest: float | None = None
    """When the newest record of the last poll was created, in the future or not."""
    polled_at: float | None = None
    """When the last successful poll began."""
    ticks: float | None = None
    """The boot clock at that moment, in seconds. Nobody sets it, and it runs while the machine does."""
    boot: str = ""
    """The start of the machine that the boot clock counts from."""
    leapt_at: float | None = None
    """The boot clock when the machine's clock was first seen to have jumped since; None if it has not."""
    broken_page: int | None = None
    """The page at which the list broke off; below 0 for a list that runs oldest first."""
    broken_polls: int = 0
    """How many polls in a row it broke off there."""
    reconciled_at: float | None = None
    """When the last reconciliation was complete."""
    reconciled_to: float | None = None
    """How far the reconciliation in progress has come, a time of creation; None between two."""
    reconciled_page: int = 1
    """The page on which it stopped."""
    scraped_at: float | None = None
    """When the last known scrape began that was answered to its end; None: nobody scrapes."""
    published_at: float | None = None
    """When counters last rose in scrapes."""

    @classmethod
    def decode(cls, text: str) -> "Checkpoint":
        """Return the checkpoint that `encode` made a text of. Raises ValueError or TypeError for another text."""
        return cls(**json.loads(text))

    def encode(self) -> str:
        """Return the checkpoint as JSON. What is as at first is left out: an older program may not know the field."""
        values = ((field.name, getattr(self, field.name), field.default) for field in _FIELDS)
        return json.dumps({name: value for name, value, default in values if value != default})


_FIELDS = fields(Checkpoint)
