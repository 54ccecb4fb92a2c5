"""A model of what the exporter must say of one collector's records, by other means than the exporter's.

What it counts: of a record that is known, each rise between two readings; of a record met for the first time all that
it stands for, if it was created after the horizon (the beginning of the window at the last good poll). A record is
known from when it was met until it leaves the window finished, or is given up.
"""

from collections import Counter
from dataclasses import dataclass, field

from exporter.demo.items import Item, Kind
from exporter.model.record import Key
from tests.support import counting
from tests.support.rig import DAY, Clock


@dataclass
class Tracked:
    """A record of the world, and what the exporter must know of it."""

    item: Item
    there: bool = True
    known: bool = False
    moved: bool = False
    """It has changed or come back since it first appeared: a poll between may have met it, and counted the rise."""
    counted: Counter[Key] = field(default_factory=Counter)
    """The most that it stood for whenever it was surely read."""

    @property
    def created(self) -> float:
        return counting.created_at(self.item)

    def rises(self, kind: Kind | counting.Batches) -> Counter[Key]:
        """Return the counts that are higher than ever before: a failure that gets a name is no new one."""
        rises = counting.finished(kind, self.item) - self.counted
        named = [key for key in rises if key[0] == counting.UNNAMED[0] and key[2] == "failed" and key[1] != "none"]
        if self.counted[counting.UNNAMED] and named:
            rises[named[0]] -= 1
        if any(key[0] == counting.UNNAMED[0] and key[2] == "failed" for key in self.counted):
            del rises[counting.UNNAMED]
        return +rises

    def account(self, kind: Kind | counting.Batches) -> None:
        """Note that the record was surely read as it is now."""
        now = counting.finished(kind, self.item)
        if any(key[0] == counting.UNNAMED[0] and key[2] == "failed" and key[1] != "none" for key in now):
            del self.counted[counting.UNNAMED]
        self.counted |= now


class Model:
    """All records there ever were, and what is certain and what is possible of the counters."""

    def __init__(self, kind: Kind | counting.Batches, clock: Clock, lookback: float, max_age: float) -> None:
        self.kind = kind
        self.clock = clock
        self.lookback = lookback
        self.max_age = max_age
        self.records: dict[str, Tracked] = {}
        self.begun = False
        """The window has been read completely. What was there until then is no new event."""
        self.horizons = (0.0, 0.0)
        """What it may be, from and to: a poll that was cut off may have moved it."""
        self.watched_since = 0.0
        """What was created before and never met may be no new event: the query was another, or failed."""
        self.certain: Counter[Key] = Counter()
        self.possible: Counter[Key] = Counter()
        """Above what is certain: what was seen or not before its record went away."""

    def put(self, item: Item) -> None:
        """Add a record, change it, or bring it back."""
        before = self.records.get(item["id"])
        tracked = self.records.setdefault(item["id"], Tracked(item))
        tracked.moved = before is not None
        tracked.item, tracked.there = item, True

    def polled(self, good: bool) -> None:
        low, high = self.horizons
        since = self.clock.now - self.lookback
        self.horizons = (max(low, since) if good else low, max(high, since))

    def gauges(self) -> Counter[Key]:
        return counting.gauges(
            self.kind, (tracked.item for tracked in self.records.values() if tracked.there and tracked.known)
        )

    def inside(self, tracked: Tracked) -> bool:
        return tracked.created >= self.clock.now - self.lookback

    def pending(self) -> Counter[Key]:
        """Return the events that deleted records may have been seen to have before."""
        total: Counter[Key] = Counter()
        for tracked in self.records.values():
            if not tracked.there:
                total += tracked.rises(self.kind)
        return total

    def account_for_everything(self) -> None:
        """Count everything that is there, which has been read now, and note what has left the window."""
        for tracked in self.records.values():
            if tracked.there and (tracked.known or self.inside(tracked)):
                self.account_for(tracked)
            open_work = tracked.there and counting.in_flight(self.kind, tracked.item)
            young = tracked.created >= self.clock.now - self.max_age
            if not self.inside(tracked) and not (open_work and young):
                if not tracked.there:
                    self.possible += tracked.rises(self.kind)
                    tracked.account(self.kind)
                tracked.known = False
        self.begun = True

    def account_for(self, tracked: Tracked) -> None:
        low, high = self.event_watermarks
        if self.begun and (tracked.known or tracked.created >= high):
            self.certain += tracked.rises(self.kind)
        elif self.begun and (tracked.created >= low or tracked.moved):
            self.possible += tracked.rises(self.kind)
        tracked.account(self.kind)
        tracked.known = True

    @property
    def event_watermarks(self) -> tuple[float, float]:
        """Since when a record may be a new event, and since when it surely is one."""
        since = self.clock.now - self.lookback
        low, high = (max(since, horizon) - DAY / 4 for horizon in self.horizons)
        return low, max(high, self.watched_since)

    def no_new_event_before(self, moment: float) -> None:
        """Let records that were created before, and are not known for sure, count or not."""
        self.watched_since = max(self.watched_since, moment)

    def asked_for_something_else(self) -> None:
        """Stop following what is known outside the window."""
        for tracked in self.records.values():
            if tracked.known and not self.inside(tracked):
                self.possible += tracked.rises(self.kind)
                tracked.known = False
