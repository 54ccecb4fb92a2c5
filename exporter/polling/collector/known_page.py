"""The newest page of a list as the last poll read it. If its bytes are still the same, what that poll concluded holds.

A poll leaves a KnownPage only if it succeeded and changed nothing (`Poll.quiet_page`). The next poll uses it only if
the checkpoint and what is known of the list are those that the page was left with (`KnownPage.holds`, `Basis`).
"""

from dataclasses import dataclass, replace

from exporter.state import Checkpoint
from exporter.systems.base import Page


@dataclass(frozen=True, slots=True)
class Basis:
    """What is known of a list that decides which request reads its newest page, and how the answer is judged."""

    rows: int
    sort: bool
    full: int
    last: int | None
    order_known: bool
    newest: float


@dataclass(frozen=True, slots=True)
class Repeatable:
    """An answer that alone gave the newest page: the same bytes, on the same basis, give the same page."""

    digest: bytes
    basis: Basis
    ids: str
    """IDs of the records of the page, in little memory: separated by spaces, which no ID contains."""


@dataclass(frozen=True, slots=True)
class KnownPage:
    """The newest page without its records, of which there is one at least; the rows run newest first.

    There may be thousands of collectors, so this is what is kept of the page, in little memory.
    """

    answer: Repeatable
    page: Page
    """Without its records."""
    newest: float
    oldest: float
    """When these two of the records were created, epoch seconds."""
    marks: Checkpoint
    """The checkpoint of the poll."""

    @classmethod
    def of(cls, page: Page, answer: Repeatable, marks: Checkpoint) -> "KnownPage":
        """Return what is to be kept of a page that has records."""
        times = [record.created_at for record in page.records]
        return cls(
            answer=answer,
            page=replace(page, records=()),
            newest=max(times),
            oldest=min(times),
            marks=marks,
        )

    def holds(self, marks: Checkpoint, now: float) -> bool:
        """Return whether nothing but the passing of time came between the poll that left this and one at `now`."""
        polled_at = self.marks.polled_at
        return polled_at is not None and polled_at <= now and _of_polls(marks) == _of_polls(self.marks)


def _of_polls(marks: Checkpoint) -> Checkpoint:
    """Return the part of a checkpoint that polls write, not scrapes."""
    return replace(marks, scraped_at=None, published_at=None)
