"""Answers that polls read at each interval: one that has the bytes of the last poll is not decoded or looked up.

An answer is left to the next poll only if all that it says is in the state: the poll that read it succeeded, wrote its
records, and changed none of them. To write them again would change nothing. What else a page says, of its place, its
rows and the end of the list, is judged at each poll as if it had been decoded.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from exporter.client import JSON, Client, Request
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

    @classmethod
    def of(cls, page: Page) -> "KnownAnswer":
        """Return what is to be kept of the answer that gave a page."""
        return cls(replace(page, records=(), known=None), " ".join(page.ids), array("d", page.times))

    @property
    def bytes(self) -> int:
        """Return how much memory it takes, about."""
        return _BYTES_EACH + len(self.ids) + self.times.itemsize * len(self.times)

    def read(self) -> Page:
        """Return the page, its records known."""
        return replace(self.page, known=(self.ids.split(), self.times.tolist()))

    def has_any_of(self, ids: Collection[str]) -> bool:
        """Return whether one of these records is on the page."""
        return bool(ids) and any(record_id in ids for record_id in self.ids.split())


@dataclass(frozen=True, slots=True)
class Left:
    """The answers that a successful poll leaves to the next one."""

    answers: Mapping[int, KnownAnswer] = field(default_factory=dict)
    """By the hash of the request."""
    marks: Checkpoint = field(default_factory=Checkpoint)
    """The checkpoint of that poll."""

    def holds(self, marks: Checkpoint, now: float) -> bool:
        """Return whether nothing but the passing of time came between the poll that left this and one at `now`."""
        polled_at = self.marks.polled_at
        return polled_at is not None and polled_at <= now and _of_polls(marks) == _of_polls(self.marks)


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
        """Where the pages come from whose records are in the state."""
        self._changed: set[str] = set()
        """IDs of the records that this poll has changed."""

    def begin(self, marks: Checkpoint, now: float) -> None:
        """Believe known answers from now on, if the checkpoint is as the last poll left it."""
        self._known = self._left.answers if self._left.holds(marks, now) else {}
        self._left, self._read = Left(), {}

    def page(self, client: Client, request: Request, read: Callable[[JSON], Page]) -> Page:
        """Request a page. `read` is for an answer that is not known. Raises FetchError."""
        if self._read is None:
            return read(client.get(request))
        place = hash((request.path, *request.params.items()))
        known = self._known.get(place)
        if known is not None and known.has_any_of(self._changed):
            known = None
        expected = None if known is None else known.page.origin
        digest, answer = client.get_unless(request, b"" if expected is None else expected.digest)
        origin = Origin(place, digest)
        if known is not None and origin == expected:
            self._keep(place, known)
            return known.read()
        page = replace(read(answer), origin=origin)
        self._keep(place, KnownAnswer.of(page))
        return page

    def note_written(self, page: Page) -> None:
        """Note that the records of a page are in the state."""
        if page.origin is not None:
            self._written.add(page.origin)

    def note_changed(self, ids: Iterable[str]) -> None:
        """Note that these records were changed in the state, or are no longer kept as they were."""
        if self._read is not None:
            self._changed.update(ids)

    def left(self, marks: Checkpoint) -> Left:
        """Return what to leave to the next poll, after this one has succeeded and written its checkpoint."""
        read = self._read or {}
        return Left({place: answer for place, answer in read.items() if self._is_in_state(answer)}, marks)

    def _is_in_state(self, answer: KnownAnswer) -> bool:
        # Items that can't be understood count at each poll.
        written = not answer.ids or answer.page.origin in self._written
        return written and not answer.page.rejected and not answer.has_any_of(self._changed)

    def _keep(self, place: int, answer: KnownAnswer) -> None:
        if self._read is not None and answer.bytes <= self._room:
            self._room -= answer.bytes
            self._read[place] = answer


NO_ANSWERS = Answers()
"""Those of no poll: every answer is decoded."""


def _of_polls(marks: Checkpoint) -> Checkpoint:
    """Return the part of a checkpoint that polls write, not scrapes and what is published for them."""
    return replace(marks, scraped_at=None, published_at=None, buckets="", starting={})
