"""What the steps of a poll share: whom to ask, where to keep what they say, and what was met."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from exporter.client import Client
from exporter.engine.newest_first import NewestFirst
from exporter.families import UNKNOWN, Family
from exporter.records import Key, Record
from exporter.rows import unknown_labels
from exporter.sources.listing import Listing, Page
from exporter.state import Marks, Records, Sight


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
    window_truncated: bool = False
    """True if the API does not give the whole window."""


@dataclass(slots=True)
class Poll:
    """One poll under way."""

    client: Client
    listing: Listing
    families: tuple[Family, ...]
    pages: NewestFirst
    records: Records
    now: float
    since: float
    """When the window begins. Both in epoch seconds."""
    found: Found
    progress: Callable[[], None]
    """Called after each page of a long reading."""
    allowance: int
    """How many requests may be spent on what is not urgent."""
    unfound: set[str]
    """Ids that are named somewhere and that the API did not have. They are asked for again at reconciliations."""
    watched: bool = True
    """Did the last successful poll end so lately that what has finished since did so about now."""
    met: set[str] = field(default_factory=set)
    """Ids of the records that were up to date when this poll read them."""
    _judged: dict[Key, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """What is unknown of each series met so far: records are many, and series few."""

    @property
    def sight(self) -> Sight:
        return Sight(self.now, self.records.marks.horizon, self.watched)

    def take(self, page: Page, marks: Marks | None = None) -> int:
        """Keep what a page says, with the marks. Returns how many of its records were not as they were known.

        A record from before the window is looked at only if it is known: it is in flight still.
        """
        self.found.rejected.update(page.rejected)
        known = self.records.get([record.id for record in page.records])
        wanted = [one for one in page.records if one.created_at >= self.since or one.id in known]
        for record in wanted:
            before = known.get(record.id)
            if before != record:
                self.found.unknown.update(self._unknown(record) - (self._unknown(before) if before else set()))
        self.met.update(record.id for record in page.records)
        return self.records.apply(wanted, self.sight, marks=marks, known=known)

    def lose(self, ids: Iterable[str]) -> None:
        """Note that the API no longer has these records."""
        self.found.vanished += self.records.apply((), self.sight, gone=list(ids))

    def mark(self, **changes: object) -> None:
        """Write some of the marks anew."""
        self.records.mark(self.marks(**changes))

    def marks(self, **changes: object) -> Marks:
        """The marks with some of them changed, not yet written."""
        return replace(self.records.marks, **changes)  # type: ignore[arg-type]

    def _unknown(self, record: Record) -> set[tuple[str, str]]:
        for key in record.adds:
            if key not in self._judged:
                self._judged[key] = tuple(unknown_labels(self.families, self.listing.name, key))
        return {one for key in record.adds for one in self._judged[key]} | {(one, UNKNOWN) for one in record.unknown}
