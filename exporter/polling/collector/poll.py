"""What the steps of a poll share: the client, the list, the records in the state, and the result."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.client import Client
from exporter.exposition.catalog import REJECTED, UNKNOWN_VALUES, VANISHED
from exporter.model.family import UNKNOWN, Family, unknown_labels
from exporter.model.record import Key, Record
from exporter.polling.collector.known_page import KnownPage
from exporter.polling.collector.missing import Missing
from exporter.polling.collector.paged_list import PagedList
from exporter.polling.collector.pagination import Walk
from exporter.polling.collector.result import PollResult
from exporter.state import Changed, Checkpoint, Observation, Records
from exporter.systems.base import Listing, Page


def latest(times: Iterable[float | None]) -> float | None:
    """Return the latest of some times; None if there is none."""
    return max((time for time in times if time is not None), default=None)


@dataclass(slots=True)
class SliceEnd:
    """Records created at the same time, where a slice of a reconciliation ended among them. Kept in memory."""

    created_at: float | None = None
    done: frozenset[str] = frozenset()
    """IDs of those that the slice has dealt with."""


@dataclass(slots=True)
class Poll:
    """One poll in progress."""

    client: Client
    listing: Listing
    families: tuple[Family, ...]
    pages: PagedList
    records: Records
    now: float
    since: float
    """When the window begins. Both are epoch seconds."""
    result: PollResult
    progress: Callable[[], None]
    """Called after each page of a long scan."""
    allowance: int
    """How many requests may be spent on reconciliation."""
    missing: Missing
    """Records that the API may no longer have."""
    slice_end: SliceEnd
    """Where the last slice of a reconciliation ended among records of the same time."""
    middle: float | None = None
    """When the record in the middle of the newest page was created."""
    cut_below: float | None = None
    """The oldest record of a scan that the API cut off: it does not give older ones."""
    seen_to: float | None = None
    """When the newest record was created that this poll kept, and that does not lie in the future."""
    seen_newest: float | None = None
    """When the newest record was created that this poll met."""
    watched: bool = True
    """Whether the last successful poll is recent enough for what has finished since to have finished about now."""
    met: set[str] = field(default_factory=set)
    """IDs of the records that this poll has brought up to date."""
    fetched: set[str] = field(default_factory=set)
    """IDs that were fetched by ID, whatever came of it."""
    compared: set[str] = field(default_factory=set)
    """IDs that a reconciliation did not meet and has dealt with, whatever came of it."""
    known: KnownPage | None = None
    """The newest page as the last poll left it, unless that one failed or found anything."""
    newest_page: KnownPage | None = None
    """The newest page as this poll read it, if its bytes alone decide what the poll concluded from it."""
    _changed: int = 0
    """How many records changed: those that changed twice count twice."""
    _unknown_of_series: dict[Key, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """A cache: the unknown values of each series met so far. Records are many, and series few."""

    def walk(self) -> Walk:
        """Return a new scan of the list, from its newest page."""
        return Walk(self.client, self.pages)

    @property
    def observation(self) -> Observation:
        return Observation(self.now, self.records.marks.horizon, self.watched)

    def ingest(self, page: Page, marks: Checkpoint | None = None) -> int:
        """Write a page's records and counts, with the checkpoint. Return how many of its records changed.

        A record from before the window is kept only if it is known, because then it is still in flight.
        """
        known = self.records.get([record.id for record in page.records])
        followed = {record_id for record_id, record in known.items() if not record.deleted}
        wanted = [record for record in page.records if record.created_at >= self.since or record.id in followed]
        ids = [record.id for record in page.records]
        self.met.update(ids)
        self.missing.met(ids)
        self._note_times(page, wanted)
        self.result.rejected.update(page.rejected)
        rejected = {REJECTED.key(reason): count for reason, count in page.rejected.items()}
        changed = self.records.apply(
            wanted,
            self.observation,
            marks=marks,
            known=known,
            count=lambda changed: {**rejected, **self._count_unknown(changed)},
        )
        self._changed += len(changed)
        return len(changed)

    def meet_known(self, page: KnownPage) -> None:
        """Take the records of the newest page for up to date. What else it says of times is in the checkpoint."""
        self.newest_page = page
        self.met.update(page.answer.ids.split())
        self.seen_newest = latest((self.seen_newest, page.newest))

    def quiet_page(self) -> KnownPage | None:
        """Return the newest page for the next poll, after this one has succeeded. None if this one found anything.

        Rejected items and unknown values count at each poll, and rows that are dated ahead do not stay so. Records
        that have left the window are on the page and not in the state; they are not wanted from now on.
        """
        result, page = self.result, self.newest_page
        found = self._changed or result.rejected or result.unknown or result.abandoned
        return None if page is None or found or page.newest > self.now else replace(page, marks=self.records.marks)

    def mark_deleted(self) -> None:
        """Mark the records as deleted upstream that enough polls have missed."""
        by_list = not self.records.marks.named
        deleted = self.missing.deleted(by_id=self.listing.can_fetch_by_id, by_list=by_list)
        if deleted:
            changed = self.records.apply(
                (), self.observation, deleted=deleted, count=lambda changed: {VANISHED.key(): len(changed)}
            )
            self.result.deleted += len(changed)
            self._changed += len(changed)

    def note_newest_page(self, page: Page) -> None:
        """Note what the newest page says about the clock of the API's hosts."""
        times = sorted(record.created_at for record in page.records)
        if times:
            self.middle = times[len(times) // 2]
            self.result.dated_ahead = max(0.0, times[-1] - self.now)

    def note_end(self, walk: Walk) -> None:
        """Note whether a scan reached the end of the window, or the API cut it off."""
        if not walk.cut:
            self.pages.depth.window_is_whole()
        elif walk.order.newest_first and walk.order.oldest < math.inf:
            self.cut_below = walk.order.oldest
        else:
            self.cut_below = self.now

    def mark(self, **changes: object) -> None:
        """Write the checkpoint with some fields changed."""
        self.records.mark(self.marks(**changes))

    def marks(self, **changes: object) -> Checkpoint:
        """Return the checkpoint with some fields changed. Nothing is written."""
        return replace(self.records.marks, **changes)  # type: ignore[arg-type]

    def _note_times(self, page: Page, wanted: Iterable[Record]) -> None:
        self.seen_newest = latest((self.seen_newest, *(record.created_at for record in page.records)))
        # Records before the first window count as seen. Later, the machine's clock may be wrong about the window.
        known = page.records if self.records.marks.horizon is None else wanted
        times = (record.created_at for record in known)
        self.seen_to = latest((self.seen_to, *(time for time in times if time <= self.now)))

    def _count_unknown(self, changed: Sequence[Changed]) -> Mapping[Key, int]:
        """Count the unknown values of records that changed: those that they did not have before."""
        new: Counter[tuple[str, str]] = Counter()
        for before, record in changed:
            new.update(self._unknown(record) - (self._unknown(before) if before else set()))
        self.result.unknown.update(new)
        events: Counter[Key] = Counter()
        for (label, _), count in new.items():
            events[UNKNOWN_VALUES.key(label)] += count
        return events

    def _unknown(self, record: Record) -> set[tuple[str, str]]:
        for key in record.contributions:
            if key not in self._unknown_of_series:
                self._unknown_of_series[key] = tuple(unknown_labels(self.families, self.listing.name, key))
        values = {value for key in record.contributions for value in self._unknown_of_series[key]}
        return values | {(name, UNKNOWN) for name in record.unknown}
