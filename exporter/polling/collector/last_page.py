"""Find the last page of a list whose server may be wrong about where it is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from exporter.model.record import FetchError
from exporter.polling.collector.list_end import End, broken_off, no_end
from exporter.systems.base import Page

_MOST_PROBES = 60
"""A bound: doubling and halving needs far fewer."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last page that has rows; page 1 of an empty list."""

    number: int
    page: Page
    unproved: FetchError | None = None
    """The error that hides the true end; None if this page is proved to be the last."""


def last_page(read: Callable[[int], Page], judge: Callable[[Page, int], End], guess: int) -> Last:
    """Find the last page.

    `read` returns a page by its number, `judge` what the page says about the end; the search begins at `guess`. If the
    guess is right, that is one request, or two if the page is full. Raises FetchError(malformed) for a list without
    end, and as `read` does.
    """
    return _Search(read, judge).run(max(1, guess))


@dataclass(slots=True)
class _Search:
    read: Callable[[int], Page]
    judge: Callable[[Page, int], End]
    low: int = 0
    """The number of the last page known to have rows; `found` is that page."""
    found: Page = field(default_factory=lambda: Page(()))
    claimed: bool = False
    """Whether the server says that it is the last one."""
    beyond: int | None = None
    """The number of the first page known to have no rows of its own; `nothing` is the answer for it."""
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
                if end is End.PROVED and not self._counted_before(number):
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
        """Return the page to read next; None while it is unknown how far the list goes."""
        counted = self.found.pages or 0
        if self._counted_before(self.low):
            # Some servers answer every page beyond the end with the last one.
            return counted
        if self.low and self.low + 1 not in self.tried:
            # The server's count comes second: a wrong one would be wrong at each poll.
            return self.low + 1
        if self.low < counted and counted not in self.tried and (self.beyond is None or counted < self.beyond):
            return counted
        return None if self.beyond is None else (self.low + self.beyond) // 2

    def _counted_before(self, number: int) -> bool:
        """Return whether the server counts fewer pages, and the last of those was not read yet."""
        return 0 < (self.found.pages or 0) < number and self.found.pages not in self.tried

    def _is_fresh(self, page: Page, number: int) -> bool:
        """Return whether a page has rows of its own: some servers repeat the last page or the first beyond the end."""
        if not page.rows:
            return False
        ids = frozenset(record.id for record in page.records)
        for other, met in self.tried.items():
            if ids and ids <= met and other != number:
                if other > number and number <= (page.pages or number):
                    # The other page is the repeated one.
                    self.beyond, self.nothing, self.low = min(other, self.beyond or other), page, 0
                    continue
                return False
        return not (self.claimed and number == self.low + 1 and self._is_older(page, number))

    def _is_older(self, page: Page, number: int) -> bool:
        """Return whether the rows are older than those of the page that the server says is the last."""
        if not page.records or not self.found.records:
            return False
        newest = max(record.created_at for record in page.records)
        if self.judge(replace(page, records=(), rows=0), number) is End.PROVED:
            # By the server's own count this page does not exist.
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
