"""The checkpoint of a collector, as a value and as the text that the state keeps."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace

from exporter.model.record import Key


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
    unordered: bool = False
    """Whether the last scan found that the list is not sorted by creation time."""
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
    missing: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """The records that the last polls missed: what `polling.collector.missing` notes of them."""
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
    counting_since: float | None = None
    """When all counters were 0, before the first poll; None if an older version has polled. It never changes."""

    starting: Mapping[str, float] = field(default_factory=dict)
    """For each series (as JSON) that was first exposed above 0, the time of that, until a known scrape has seen it."""

    @property
    def is_blank(self) -> bool:
        """Return whether the collector was never polled: scrapes and counters do not matter."""
        return replace(self, buckets="", scraped_at=None, published_at=None, counting_since=None) == Checkpoint()

    def published(self, at: float, starting: Iterable[Key]) -> "Checkpoint":
        """Return the checkpoint after counters have risen in scrapes, some of them series that start with that."""
        new = {json.dumps(series): at for series in starting}
        unseen = {json.dumps(series): since for series, since in self.unseen().items()}
        return replace(self, published_at=at, starting={**unseen, **new})

    def unseen(self) -> Mapping[Key, float]:
        """Return the series in `starting` that no scrape has seen since they started."""
        seen = -math.inf if self.scraped_at is None else self.scraped_at
        return {tuple(json.loads(series)): since for series, since in self.starting.items() if since >= seen}

    @classmethod
    def decode(cls, text: str) -> "Checkpoint":
        """Return the checkpoint that `encode` made a text of. Raises ValueError or TypeError for another text.

        Fields that this version does not know are dropped: a newer version that needs them has another schema.
        """
        stored = dict(**json.loads(text))
        return cls(**{name: stored[name] for name, _ in _FIELDS if name in stored})

    def encode(self) -> str:
        """Return the checkpoint as JSON. What is as at first is left out: an older program may not know the field."""
        values = ((name, getattr(self, name), default) for name, default in _FIELDS)
        return json.dumps({name: value for name, value, default in values if value != default})


_FIELDS = [
    (each.name, each.default if each.default_factory is MISSING else each.default_factory())
    for each in fields(Checkpoint)
]
