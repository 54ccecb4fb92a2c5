"""Finding the last page of a list whose server may be wrong about where it is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from exporter.model.record import FetchError
from exporter.polling.collector.list_end import End, broken_off, no_end
from exporter.systems.base import Page

_MOST_PROBES = 60
"""Doubling and halving finds any page in far fewer."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last page that has rows; of an empty list, page 1."""

    number: int
    page: Page
    unproved: FetchError | None = None
    """What hides the true end; None where this is proved to be it."""


def last_page(read: Callable[[int], Page], judge: Callable[[Page, int], End], guess: int) -> Last:
    """Find the last page.

    `read` gets a page by its number, `judge` says what it tells of the end; `guess` is where to begin. Where all is as
    it was last time and the server counts right, that is one request, or two if the page is full. Raises
    FetchError(malformed) for a list without end, and as `read`.
    """
    return _Search(read, judge).run(max(1, guess))


@dataclass(slots=True)
class _Search:
    read: Callable[[int], Page]
    judge: Callable[[Page, int], End]
    low: int = 0
    """The last page known to have rows, and the page."""
    found: Page = field(default_factory=lambda: Page(()))
    claimed: bool = False
    """Does the server say that it is the last one."""
    beyond: int | None = None
    """The first page known to have none of its own, and what was answered there."""
    nothing: Page = field(default_factory=lambda: Page(()))
    tried: dict[int, frozenset[str]] = field(default_factory=dict)

    def run(self, number: int) -> Last:
        step = 1
        for _ in range(_MOST_PROBES):
            page = self.read(number)
            fresh = self._is_fresh(page, number)
            self.tried[number] = frozenset(record.id for record in page.records)
            if fresh:
                end = self.judge(page, number)
                self.low, self.found, self.claimed = number, page, end is End.CLAIMED
                if end is End.PROVED and not self._spoken_of_before(number):
                    return Last(number, page)
            else:
                self.beyond, self.nothing = number, page
            if self.beyond is not None and self.beyond - self.low <= 1:
                return Last(max(1, self.low), self.found, self._unproved())
            following = self._next()
            if following is None:
                step *= 2
                following = self.low + step
            number = following
        raise no_end()

    def _next(self) -> int | None:
        """Where to look next; None where it is not known how far the list goes."""
        spoken_of = self.found.pages or self.low
        if self._spoken_of_before(self.low):
            # A server may answer any page beyond the end with the last one.
            return spoken_of
        if self.low and self.low + 1 not in self.tried:
            # What the server speaks of comes second: one that is wrong would be wrong at each poll.
            return self.low + 1
        if self.low < spoken_of and spoken_of not in self.tried and (self.beyond is None or spoken_of < self.beyond):
            return spoken_of
        return None if self.beyond is None else (self.low + self.beyond) // 2

    def _spoken_of_before(self, number: int) -> bool:
        """Does the server speak of fewer pages, and was the last of those not looked at."""
        return 0 < (self.found.pages or 0) < number and self.found.pages not in self.tried

    def _is_fresh(self, page: Page, number: int) -> bool:
        """Has the page rows of its own: some servers answer the last page again beyond the end, or the first one."""
        if not page.rows:
            return False
        ids = frozenset(record.id for record in page.records)
        for other, met in self.tried.items():
            if ids and ids <= met and other != number:
                if other > number and number <= (page.pages or number):
                    # It was that one which had no rows of its own.
                    self.beyond, self.nothing, self.low = min(other, self.beyond or other), page, 0
                    continue
                return False
        return not (self.claimed and number == self.low + 1 and self._is_older(page, number))

    def _is_older(self, page: Page, number: int) -> bool:
        """Stand there rows from before those of the page that is said to be the last."""
        if not page.records or not self.found.records:
            return False
        newest = max(record.created_at for record in page.records)
        if self.judge(replace(page, records=(), rows=0), number) is End.PROVED:
            # By the server's own count there is no such page.
            return newest <= max(record.created_at for record in self.found.records)
        return newest < min(record.created_at for record in self.found.records)

    def _unproved(self) -> FetchError | None:
        if self.claimed:
            return None
        number = self.low + 1
        end = self.judge(replace(self.nothing, records=(), rows=0), number)
        if end is End.UNCOUNTED and not self.read(number + 1).rows:
            return None
        return None if end is End.PROVED else broken_off(self.nothing, number)
