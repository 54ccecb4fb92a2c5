"""Skip the decoding and the look-up of an answer whose bytes are the same as at the last poll.

An answer is left to the next poll only if all of it is in the state: the poll that read it succeeded, wrote its
records, and changed none of them. Writing them again would change nothing. If it changed some, the others are left.
The page's number, its rows and the end of the list are judged at each poll as if the answer had been decoded.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from exporter.client import JSON, Client, Request
from exporter.polling.collector.known_rows import NO_DIGEST, Listed, digests, read_changed
from exporter.state import Checkpoint
from exporter.systems.base import Origin, Page

MOST_BYTES = 65_536
"""Memory for the answers that a poll leaves, as there may be thousands of collectors. Further ones are decoded."""

_BYTES_EACH = 600
"""Memory for an answer that is left, apart from its IDs and times."""


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """What is kept of an answer, in little memory."""

    page: Page
    """Without its records."""
    ids: str
    """IDs of the records, separated by spaces, which no ID contains."""
    times: "array[float]"
    """When they were created, epoch seconds."""
    rows: "array[int]" = field(default_factory=lambda: array("q"))
    """Digests of their rows; none where it is not known which row each record comes from."""
    whole: bool = True
    """Whether all that it says is in the state. Otherwise that holds for the rows that have a digest."""

    @classmethod
    def of(cls, page: Page, rows: "array[int]") -> "KnownAnswer":
        """Return what is to be kept of the answer that gave a page."""
        rows = rows if len(rows) == len(page.ids) else rows[:0]
        return cls(replace(page, records=(), listed=None), " ".join(page.ids), array("d", page.times), rows)

    @property
    def bytes(self) -> int:
        """Return how much memory it takes, about."""
        return _BYTES_EACH + len(self.ids) + sum(numbers.itemsize * len(numbers) for numbers in (self.times, self.rows))

    def read(self) -> Page:
        """Return the page, its records known."""
        return replace(self.page, listed=(self.ids.split(), self.times.tolist()))

    def known_rows(self, changed: Collection[str]) -> Mapping[int, Listed]:
        """Return the record of each row by its digest, but for records that this poll has changed."""
        listed = zip(self.ids.split(), self.times, strict=True)
        return {
            digest: record
            for digest, record in zip(self.rows, listed, strict=False)
            if digest != NO_DIGEST and record[0] not in changed
        }

    def without(self, changed: Collection[str]) -> "KnownAnswer | None":
        """Return what is left of it without these records; None if that is nothing."""
        if not self.has_any_of(changed):
            return replace(self, whole=True)
        rows = zip(self.rows, self.ids.split(), strict=False)
        kept = array("q", (NO_DIGEST if record_id in changed else digest for digest, record_id in rows))
        return replace(self, rows=kept, whole=False) if any(kept) else None

    def has_any_of(self, ids: Collection[str]) -> bool:
        """Return whether one of these records is on the page."""
        return bool(ids) and any(record_id in ids for record_id in self.ids.split())


@dataclass(frozen=True, slots=True)
class Left:
    """The answers that a successful poll leaves to the next one."""

    answers: Mapping[int, KnownAnswer] = field(default_factory=dict)
    """By the hash of the request."""
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    """The checkpoint of that poll."""

    def holds(self, checkpoint: Checkpoint, now: float) -> bool:
        """Return whether nothing but the passing of time came between the poll that left this and one at `now`."""
        polled_at = self.checkpoint.polled_at
        return polled_at is not None and polled_at <= now and _of_polls(checkpoint) == _of_polls(self.checkpoint)


class Answers:
    """Reads the answers of one poll. Until `begin`, and if it is never called, all are decoded and none is left."""

    def __init__(self, left: Left | None = None) -> None:
        """`left` is what the last poll has left; nothing if it failed."""
        self._left = left or Left()
        self._known: Mapping[int, KnownAnswer] = {}
        """The answers that this poll believes if their bytes are the same."""
        self._read: dict[int, KnownAnswer] | None = None
        """The answers that this poll has read since `begin`."""
        self._room = MOST_BYTES
        self._written: set[Origin] = set()
        """The answers whose records are in the state."""
        self._changed: set[str] = set()
        """IDs of the records that this poll has changed."""

    def begin(self, checkpoint: Checkpoint, now: float) -> None:
        """Believe known answers from now on, if the checkpoint is as the last poll left it."""
        self._known = self._left.answers if self._left.holds(checkpoint, now) else {}
        self._left, self._read = Left(), {}

    def page(self, client: Client, request: Request, read: Callable[[JSON], Page], rows_at: str | None = None) -> Page:
        """Request a page. `read` is for an answer that is not known. Raises FetchError.

        `rows_at` is the key of the list whose rows are read one by one; None where there is no such list.
        """
        if self._read is None:
            return read(client.get(request))
        place = hash((request.path, *request.params.items()))
        known = self._known.get(place)
        expected = None
        if known is not None and known.whole and not known.has_any_of(self._changed):
            expected = known.page.origin
        digest, answer = client.get_unless(request, b"" if expected is None else expected.digest)
        origin = Origin(place, digest)
        if known is not None and origin == expected:
            self._keep(place, known)
            return known.read()
        rows = digests(answer, rows_at)
        if known is not None and rows_at is not None and known.rows:
            page = read_changed(answer, rows_at, rows, known.known_rows(self._changed), read)
        else:
            page = read(answer)
        page = replace(page, origin=origin)
        self._keep(place, KnownAnswer.of(page, rows))
        return page

    def note_written(self, page: Page) -> None:
        """Note that the records of a page are in the state."""
        if page.origin is not None:
            self._written.add(page.origin)

    def note_changed(self, ids: Iterable[str]) -> None:
        """Note that these records were changed in the state, or are no longer kept as they were."""
        if self._read is not None:
            self._changed.update(ids)

    def left(self, checkpoint: Checkpoint) -> Left:
        """Return what to leave to the next poll, after this one has succeeded and written its checkpoint."""
        read = self._read or {}
        left = ((place, self._in_state(answer)) for place, answer in read.items())
        return Left({place: answer for place, answer in left if answer is not None}, checkpoint)

    def _in_state(self, answer: KnownAnswer) -> KnownAnswer | None:
        """Return the part of an answer that is in the state; None if nothing of it is."""
        written = not answer.ids or answer.page.origin in self._written
        # Items that can't be understood count at each poll.
        return answer.without(self._changed) if written and not answer.page.rejected else None

    def _keep(self, place: int, answer: KnownAnswer) -> None:
        if self._read is not None and answer.bytes <= self._room:
            self._room -= answer.bytes
            self._read[place] = answer


NO_ANSWERS = Answers()
"""Answers outside of a poll: every answer is decoded."""


def _of_polls(checkpoint: Checkpoint) -> Checkpoint:
    """Return the part of a checkpoint that polls write, not scrapes and what is published for them."""
    return replace(checkpoint, scraped_at=None, published_at=None, buckets="", starting={})
