"""What the steps of a poll share: whom to ask, where to keep what they say, and what was met."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from exporter.client import Client
from exporter.model.family import UNKNOWN, Family, unknown_labels
from exporter.model.record import Key, Record
from exporter.polling.collector.missing import Missing
from exporter.polling.collector.ordering import OrderedList
from exporter.polling.collector.pagination import Walk
from exporter.state import Checkpoint, Observation, Records
from exporter.systems.base import Listing, Page


@dataclass(slots=True)
class Found:
    """What a poll met, apart from the records themselves."""

    rejected: Counter[str] = field(default_factory=Counter)
    """By reason: how many items could not be understood."""
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By label and value: how many records came with a value that no API page names."""
    vanished: int = 0
    abandoned: int = 0
    incremental: bool = True
    """False if the order of the list could not be relied on, and the whole window was read."""
    window_truncated: bool | None = None
    """The API does not give the whole window: the list breaks off at the same page in poll after poll."""
    dated_ahead: float | None = None
    """By how many seconds the newest record of the newest page lies in the future."""


@dataclass(slots=True)
class Midway:
    """Records of one and the same time, where a slice of a reconciliation has ended among them. Kept in memory."""

    created_at: float | None = None
    done: frozenset[str] = frozenset()
    """Those of them that were come to."""


@dataclass(slots=True)
class Poll:
    """One poll under way."""

    client: Client
    listing: Listing
    families: tuple[Family, ...]
    pages: OrderedList
    records: Records
    now: float
    since: float
    """When the window begins. Both in epoch seconds."""
    found: Found
    progress: Callable[[], None]
    """Called after each page of a long reading."""
    allowance: int
    """How many requests may be spent on what is not urgent."""
    doubts: Missing
    """Records that the API seems to have no longer."""
    midway: Midway
    """Where slices of a reconciliation end among records of one and the same time."""
    watched: bool
    """Did the last successful poll end so lately that what has finished since did so about now."""
    middle: float | None = None
    """When the record in the middle of the newest page was created."""
    cut_below: float | None = None
    """What was created before is not given by the API: the oldest record of a reading that was cut off there."""
    seen_to: float = 0.0
    """When the newest record was created that this poll has kept, and that does not lie in the future."""
    seen_newest: float = 0.0
    """When the newest record was created that this poll has met."""
    met: set[str] = field(default_factory=set)
    """Ids of the records that were up to date when this poll read them."""
    asked: set[str] = field(default_factory=set)
    """Ids that were asked for, whatever came of it."""
    compared: set[str] = field(default_factory=set)
    """Ids that a reconciliation has missed and seen to, whatever came of it."""
    _judged: dict[Key, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """What is unknown of each series met so far: records are many, and series few."""

    def walk(self) -> Walk:
        """A new reading of the list, from its newest page."""
        return Walk(self.client, self.listing, self.pages)

    @property
    def sight(self) -> Observation:
        return Observation(self.now, self.records.marks.horizon, self.watched)

    def take(self, page: Page, marks: Checkpoint | None = None) -> int:
        """Keep what a page says, with the marks. Returns how many of its records were not as they were known.

        A record from before the window is looked at only if it is known: it is in flight still.
        """
        self.found.rejected.update(page.rejected)
        known = self.records.get([record.id for record in page.records])
        followed = {one for one, record in known.items() if not record.deleted}
        wanted = [one for one in page.records if one.created_at >= self.since or one.id in followed]
        for record in wanted:
            before = known.get(record.id)
            if before != record and self.records.kept(before, record) != before:
                self.found.unknown.update(self._unknown(record) - (self._unknown(before) if before else set()))
        self.met.update(record.id for record in page.records)
        self._look_at_times(page, wanted)
        self.doubts.met(record.id for record in page.records)
        return self.records.apply(wanted, self.sight, marks=marks, known=known)

    def _look_at_times(self, page: Page, wanted: Iterable[Record]) -> None:
        self.seen_newest = max((self.seen_newest, *(record.created_at for record in page.records)))
        # What the first reading takes for too old is not looked at, and old. Later it may be the clock that is wrong.
        known = page.records if self.records.marks.horizon is None else wanted
        times = (record.created_at for record in known)
        self.seen_to = max((self.seen_to, *(one for one in times if one <= self.now)))

    def look_at_newest(self, page: Page) -> None:
        """Note what the newest page says of the time at the API's."""
        times = sorted(record.created_at for record in page.records)
        if times:
            self.middle = times[len(times) // 2]
            self.found.dated_ahead = max(0.0, times[-1] - self.now)

    def ended(self, walk: Walk) -> None:
        """Note whether a reading of the window came to its end, or to where the API gives no more."""
        if not walk.cut:
            self.pages.depth.window_is_whole()
        elif walk.order.newest_first and walk.order.oldest < float("inf"):
            self.cut_below = walk.order.oldest
        else:
            self.cut_below = self.now

    def lose(self) -> None:
        """Note which records the API no longer has, by all that the last polls say."""
        by_list = not self.records.marks.named
        deleted = self.doubts.deleted(by_id=self.listing.by_id, by_list=by_list)
        if deleted:
            self.found.vanished += self.records.apply((), self.sight, deleted=deleted)

    def mark(self, **changes: object) -> None:
        """Write some of the marks anew."""
        self.records.mark(self.marks(**changes))

    def marks(self, **changes: object) -> Checkpoint:
        """The marks with some of them changed, not yet written."""
        return replace(self.records.marks, **changes)  # type: ignore[arg-type]

    def _unknown(self, record: Record) -> set[tuple[str, str]]:
        for key in record.contributions:
            if key not in self._judged:
                self._judged[key] = tuple(unknown_labels(self.families, self.listing.name, key))
        return {one for key in record.contributions for one in self._judged[key]} | {
            (one, UNKNOWN) for one in record.unknown
        }
