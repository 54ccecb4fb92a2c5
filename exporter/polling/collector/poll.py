"""What the steps of a poll share: the client, the list, the records in the state, and the result."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.client import Client
from exporter.exposition.catalog import REJECTED, UNKNOWN_VALUES, VANISHED
from exporter.model.family import UNKNOWN, Family, unknown_labels
from exporter.model.record import Key, Record
from exporter.polling.collector.by_id import ById
from exporter.polling.collector.known_answers import Answers
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
    """When the window begins. `now` and `since` are epoch seconds."""
    result: PollResult
    progress: Callable[[], None]
    """Called after each page of a long scan."""
    allowance: int
    """How many requests may be spent on reconciliation."""
    missing: Missing
    """Records that the API may no longer have."""
    by_id: ById
    """The results of the requests by ID."""
    slice_end: SliceEnd
    """Where the last slice of a reconciliation ended among records of the same time."""
    unknown_moment: float | None = None
    """When those records were created, if another process made that slice: it is not known which of them are done."""
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
    compared: set[str] = field(default_factory=set)
    """IDs that a reconciliation did not meet and has dealt with, with any result."""
    answers: Answers = field(default_factory=Answers)
    """Reads the answers of this poll."""
    _unknown_of_series: dict[Key, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """A cache: the unknown values of each series met so far. Records are many, and series few."""

    @property
    def can_fetch_by_id(self) -> bool:
        """Return whether the API returns the records that are requested by ID, as far as is known."""
        return self.listing.can_fetch_by_id and self.pages.ids.obeyed

    def walk(self) -> Walk:
        """Return a new scan of the list, from its newest page."""
        return Walk(self.client, self.pages)

    @property
    def observation(self) -> Observation:
        return Observation(self.now, self.records.checkpoint.horizon, self.watched)

    def ingest(self, page: Page, checkpoint: Checkpoint | None = None) -> int:
        """Write a page's records and counts, with the checkpoint. Return how many of its records changed.

        A record from before the window is kept only if it is known, because then it is still in flight.
        """
        self.met.update(page.ids)
        self.missing.met(page.ids)
        self.answers.note_written(page)
        # Those from before the window that are in flight, and known, were noted when they were decoded.
        recent = [] if page.listed is None else [moment for moment in page.times if moment >= self.since]
        if page.listed is not None and not page.records:
            self._note_times(page, recent)
            return 0
        known = self.records.get([record.id for record in page.records])
        followed = {record_id for record_id, record in known.items() if not record.deleted}
        wanted = [record for record in page.records if record.created_at >= self.since or record.id in followed]
        self._note_times(page, [*recent, *(record.created_at for record in wanted)])
        self.result.rejected.update(page.rejected)
        rejected = {REJECTED.key(reason): count for reason, count in page.rejected.items()}
        changed = self.records.apply(
            wanted,
            self.observation,
            checkpoint=checkpoint,
            known=known,
            count=lambda changed: {**rejected, **self._count_unknown(changed)},
        )
        return len(changed)

    def note_not_answered(self, ids: Sequence[str]) -> None:
        """Count records that the API has failed to return by ID, though the poll goes on."""
        if ids:
            self.result.not_answered += ids
            self.ingest(Page((), {"not_answered": len(ids)}))

    def mark_deleted(self) -> None:
        """Mark the records as deleted upstream that enough polls have missed: no answer of this poll has them."""
        by_list = not self.records.checkpoint.named
        deleted = self.missing.deleted(by_id=self.can_fetch_by_id, by_list=by_list)
        if deleted:
            changed = self.records.apply(
                (), self.observation, deleted=deleted, count=lambda changed: {VANISHED.key(): len(changed)}
            )
            self.result.deleted += [record.id for _, record in changed]

    def note_missing(self) -> None:
        """Write which records may be deleted upstream: the next poll may be made by another process."""
        notes = self.missing.notes()
        if notes != self.records.checkpoint.missing:
            self.update_checkpoint(missing=notes)

    def note_newest_page(self, page: Page) -> None:
        """Note what the newest page says about the clock of the API's hosts."""
        times = sorted(page.times)
        if times:
            self.middle = times[len(times) // 2]
            # Replicas of the API may not have the newest one yet.
            middle = len(page.ids) // 2
            self.by_id.listed = *page.ids[middle:], *page.ids[:middle]
            self.result.dated_ahead = max(0.0, times[-1] - self.now)

    def note_end(self, walk: Walk) -> None:
        """Note whether a scan reached the end of the window, or the API cut it off."""
        if not walk.cut:
            self.pages.depth.window_is_whole()
        elif walk.order.newest_first and walk.order.oldest < math.inf:
            self.cut_below = walk.order.oldest
        else:
            self.cut_below = self.now

    def update_checkpoint(self, **changes: object) -> None:
        """Write the checkpoint with some fields changed."""
        self.records.save_checkpoint(self.changed_checkpoint(**changes))

    def changed_checkpoint(self, **changes: object) -> Checkpoint:
        """Return the checkpoint with some fields changed. Nothing is written."""
        return replace(self.records.checkpoint, **changes)  # type: ignore[arg-type]

    def _note_times(self, page: Page, wanted: Sequence[float]) -> None:
        self.seen_newest = latest((self.seen_newest, max(page.times, default=None)))
        # Records before the first window count as seen. Later, the machine's clock may be wrong about the window.
        times = page.times if self.records.checkpoint.horizon is None else wanted
        self.seen_to = latest((self.seen_to, max((time for time in times if time <= self.now), default=None)))

    def _count_unknown(self, changed: Sequence[Changed]) -> Mapping[Key, int]:
        """Count the unknown values of records that changed: those that they did not have before."""
        self.answers.note_changed(record.id for _, record in changed)
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
