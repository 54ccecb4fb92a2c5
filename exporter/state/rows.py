"""The rows of one collector, and the protocol of the databases that keep them. No SQL here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

FINISHED, IN_FLIGHT, DELETED = 0, 1, 2
"""The states of a record's row."""


class SeriesRow(NamedTuple):
    """One series: its gauge, its counter or its histogram."""

    number: int
    """Names the series within its collector. The program that writes it chooses the number: the highest plus one."""
    key: str
    """JSON of the family's name and the label values."""
    total: int = 0
    """The gauge."""
    events: int = 0
    """What the counter has counted."""
    published: int = 0
    """How much of that scrapes may have shown."""
    cause: str | None = None
    """JSON of the record that raised the counter last."""
    spread: str | None = None
    """JSON of the histogram."""
    published_spread: str | None = None
    """How much of that scrapes may have shown."""
    rose: int | None = None
    """The place in the order in which counters first rose; None: it never did."""


class RecordRow(NamedTuple):
    """One record."""

    id: str
    created_at: float
    """Epoch seconds."""
    state: int
    """`FINISHED`, `IN_FLIGHT` or `DELETED`."""
    amounts: str
    """What it adds to each series: `number:amount`, separated by spaces."""
    batch_id: str | None


class FailureRow(NamedTuple):
    """One of the last records that failed."""

    id: str
    turn: int
    """The number of the poll that observed it, among the polls that observed failures."""
    created_at: float
    """Epoch seconds."""
    at: float
    """When the failure was observed, epoch seconds."""
    amounts: str
    """The increase of each counter, in the form of `RecordRow`."""
    workflow: str | None


@dataclass(frozen=True, slots=True)
class Write:
    """Everything that one transaction writes for one collector. It is applied in the order of the fields."""

    start_over: float | None = None
    """Mark all records as deleted, except those in flight that were created before this time, epoch seconds."""
    series: Sequence[SeriesRow] = ()
    """Whole rows to insert or to replace, by number."""
    dropped_series: Sequence[int] = ()
    """Numbers of series to delete."""
    records: Sequence[RecordRow] = ()
    """Whole rows to insert or to replace, by ID. Each ID occurs once."""
    forgotten: Sequence[str] = ()
    """IDs of records to delete."""
    failures: Sequence[FailureRow] = ()
    """Whole rows to insert or to replace, by ID. Each ID occurs once."""
    dropped_failures: Sequence[str] = ()
    """IDs of failures to delete."""
    marks: str | None = None
    """The checkpoint as JSON; None: it stays."""


class Rows(Protocol):
    """The rows of one collector in a database. One object serves one poll.

    Every method raises StateError if the database fails; the `with` block of `State.records` may do so for it. After
    an error the object can't be used any more. Times are epoch seconds.
    """

    def marks(self) -> str:
        """Return the checkpoint as JSON; `{}` for a collector that was never polled."""

    def series(self) -> Sequence[SeriesRow]:
        """Return all series, by number."""

    def failures(self) -> Sequence[FailureRow]:
        """Return all failures, in any order."""

    def get(self, ids: Sequence[str]) -> Iterable[RecordRow]:
        """Return the records with these IDs that exist, in any order."""

    def following(self, record_id: str, limit: int) -> Iterable[RecordRow]:
        """Return up to `limit` records with IDs after this one, by the bytes of the ID."""

    def finished_before(self, moment: float, limit: int) -> Iterable[RecordRow]:
        """Return up to `limit` records, finished or deleted, that were created before."""

    def stuck_before(self, moment: float) -> Iterable[RecordRow]:
        """Return the records in flight that were created before."""

    def newest(self) -> float | None:
        """Return when the newest record was created, a deleted one too; None if there is no record."""

    def oldest_in_flight(self) -> float | None:
        """Return when the oldest record in flight was created; None if there is none."""

    def between(self, low: float, high: float) -> Sequence[tuple[str, float]]:
        """Return IDs and times of creation of records created in (low, high] and not deleted.

        The newest comes first; records of the same time are in the order of their IDs.
        """

    def count_between(self, low: float, high: float) -> int:
        """Return how many records were created in (low, high], deleted ones too."""

    def in_flight(self, since: float, before: float) -> Sequence[tuple[str, float]]:
        """Return IDs and times of creation of records in flight created in [since, before), newest first."""

    def count_in_flight(self, before: float) -> int:
        """Return how many records in flight were created before."""

    def batch_ids(self, collector: str, since: float) -> Sequence[str]:
        """Return the IDs of batches that records of another collector of the account, created since, belong to.

        Deleted records do not count. Each ID occurs once.
        """

    def amounts_in_use(self) -> Iterable[str]:
        """Return the distinct amounts of all records and failures."""

    def write(self, write: Write) -> None:
        """Write everything or nothing."""
