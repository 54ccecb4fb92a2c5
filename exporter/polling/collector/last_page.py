"""Find the last page of a list whose server may be wrong about where it is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from exporter.model.record import FetchError
from exporter.polling.collector.list_end import End, broken_off, no_end
from exporter.systems.base import Page

_FARTHEST = 2**31
"""A list with more pages counts as endless."""
_MOST_PROBES = 200
"""A bound for a server whose answers contradict each other: a search needs far fewer."""
_MOST_HINTS = 4
"""How many pages are read because of the server's count: a server may count one page more at each page."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last page that has rows; page 1 of an empty list."""

    number: int
    page: Page
    unproved: FetchError | None = None
    """The error that hides the true end; None if this page is proved to be the last."""


def last_page(
    read: Callable[[int], Page], judge: Callable[[Page, int], End], guess: int, first: Page | None = None
) -> Last:
    """Find the last page.

    `read` returns a page by its number, `judge` what the page says about the end. The search begins at `guess`: the
    last page as an earlier search found it or, if page 1 was read and is passed as `first`, as the server counts. If
    an earlier search's page is still the last, that is one request, or two if the page is full. Otherwise the number of
    requests grows with the logarithm of the number of pages. Raises FetchError(malformed) for a list without end, and
    as `read` does.
    """
    search = _Search(read, judge)
    if first is not None:
        search.pages[1], search.counted = first, first.pages or 0
    return search.run(max(1, guess))


@dataclass(slots=True)
class _Search:
    """The pages read so far, and what follows from them.

    A page that repeats a page with a lower number lies beyond the end: some servers return the last page there, or the
    first one. Such a page is recognized only by its like, so that it is taken for a part of the list until then.
    """

    read: Callable[[int], Page]
    judge: Callable[[Page, int], End]
    pages: dict[int, Page] = field(default_factory=dict)
    counted: int = 0
    """How many pages there are by the server's latest count; 0 if it has none."""
    hints: int = 0
    """How many pages were read because of the server's count."""
    step: int = 1
    """How far above the last page known the search goes next."""

    def run(self, guess: int) -> Last:
        """Search from `guess`."""
        if guess not in self.pages:
            searched_before = not self.pages
            page = self._probe(guess)
            if searched_before and page.rows and self._says(guess) is End.PROVED and not self._denied(guess):
                return Last(guess, page)
        while (following := self._next()) is not None:
            if following > _FARTHEST or len(self.pages) >= _MOST_PROBES:
                raise no_end()
            self._probe(following)
        return self._found()

    def _probe(self, number: int) -> Page:
        page = self.pages[number] = self.read(number)
        self.counted = page.pages or self.counted
        return page

    def _next(self) -> int | None:
        """Return the page to read next; None if the last page is found."""
        low, beyond = self._bounds()
        if beyond is not None and low > 1 and self._repeats(beyond, low):
            return self._first_of_repeated(low)
        if low and self._says(low) is End.PROVED:
            return self._unconfirmed(low)
        if beyond is None:
            return self._farther(low)
        if beyond - low == 1:
            # It may be a remnant: the rows of the page before that overlap with a page beyond the end.
            return low - 1 if self._is_short(low) and low - 1 not in self.pages else None
        return self._hint(low, beyond) or (low + beyond) // 2

    def _bounds(self) -> tuple[int, int | None]:
        """Return the last page known to have rows, 0 if there is none, and the first page known to lie beyond."""
        low = 0
        for number in sorted(self.pages):
            if self._is_beyond(number):
                return low, number
            low = number
        return low, None

    def _is_beyond(self, number: int) -> bool:
        return not self.pages[number].rows or any(
            self._repeats(number, other) for other in self.pages if other < number
        )

    def _repeats(self, number: int, other: int) -> bool:
        """Return whether a page has records, and none that are not on the other page."""
        ids = _ids(self.pages[number])
        return bool(ids) and ids <= _ids(self.pages[other])

    def _first_of_repeated(self, low: int) -> int | None:
        """Return the page to read next, if the page `low` is returned beyond the end: it may lie beyond itself.

        The last page is then the first one of its like. If page 1 is one, all others lie beyond.
        """
        if 1 not in self.pages:
            return 1
        other = max(number for number in self.pages if number < low)
        if low - other == 1:
            return None
        # Near the last page as known, most often; so go down in steps that double.
        run = max(number for number in self.pages if self._repeats(number, low)) - low
        return max((other + low) // 2, low - run)

    def _unconfirmed(self, low: int) -> int | None:
        """Return a page to read, to be sure that a page that proves to be the last is not repeated there."""
        return next((number for number in (1, low - 1) if number and number not in self.pages), None)

    def _is_short(self, low: int) -> bool:
        """Return whether a page after the first has fewer rows than were requested."""
        return low > 1 and self.judge(replace(self.pages[low], last=True, total=None), low) is End.PROVED

    def _farther(self, low: int) -> int:
        """Return a page above all that were read."""
        if self.step > 1 and (hint := self._hint(low, _FARTHEST)):
            return hint
        following, self.step = low + self.step, self.step * 2
        return following

    def _hint(self, low: int, beyond: int) -> int:
        """Return the last page by the server's count, or the one after it, if it lies between two pages; or 0."""
        hint = next((number for number in (self.counted, self.counted + 1) if low < number < beyond), 0)
        if not self.counted or self.hints >= _MOST_HINTS:
            return 0
        self.hints += bool(hint)
        return hint

    def _says(self, number: int) -> End:
        return self.judge(self.pages[number], number)

    def _would_end(self, number: int, page: Page) -> End:
        """Return what an empty page would say in the place of this one: whether the server counts it."""
        return self.judge(replace(page, records=(), rows=0), number)

    def _denied(self, number: int) -> bool:
        """Return whether by the server's own count this page does not exist."""
        page = self.pages[number]
        counts = page.pages is not None or page.total is not None
        return counts and self._would_end(number, page) is not End.BROKEN

    def _found(self) -> Last:
        low, beyond = self._bounds()
        found = Last(max(1, low), self.pages[low] if low else Page(()))
        if beyond is None or (low and self._says(low) in (End.PROVED, End.CLAIMED)):
            return found
        nothing = self.pages[beyond]
        end = self._would_end(low + 1, nothing)
        if end is End.UNCOUNTED:
            if low + 2 not in self.pages:
                self._probe(low + 2)
            end = End.PROVED if self._is_beyond(low + 2) else end
        return found if end is End.PROVED else replace(found, unproved=broken_off(nothing, low + 1))


def _ids(page: Page) -> frozenset[str]:
    return frozenset(page.ids)
