"""Scan a list page by page, newest first. The caller decides what to do with a page.

The server is not trusted to sort, to count, or to keep rows on their pages while they are read.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from exporter.client import Client
from exporter.model.record import FetchError, Reason
from exporter.polling.collector.list_end import End, broken_off, no_end
from exporter.polling.collector.paged_list import NO_PAGE, ORDER_SLACK_SECONDS, PagedList
from exporter.systems.base import Page

_REPEATS_ALLOWED = 3
_PAGES_UNCOUNTED = 1000
"""How many pages beyond twice the server's own page count are read."""
MOST_UNREADABLE = 1000
"""How many pages in a row may have no record that can be understood. Nothing shows whether such pages repeat others."""


@dataclass(slots=True)
class Order:
    """Judge, page by page, whether rows are sorted newest first, and how far back they reach."""

    newest_first: bool = True
    oldest: float = float("inf")
    """When the oldest record so far was created, epoch seconds."""
    _latest: float = float("inf")
    """When the newest record of the last page was created."""
    _ids: deque[frozenset[str]] = field(default_factory=lambda: deque(maxlen=_REPEATS_ALLOWED))
    _repeats: int = 0

    def repeats(self, page: Page, newest: frozenset[str]) -> bool:
        """Return whether all records of this page were on the newest page, or on one of the last pages."""
        ids = frozenset(page.ids)
        return bool(ids) and not ids.difference(newest, *self._ids)

    @property
    def gives_up(self) -> bool:
        """Whether one more page that repeats those before is one too many."""
        return self._repeats + 1 >= _REPEATS_ALLOWED

    def add(self, page: Page, newest: frozenset[str] = frozenset()) -> None:
        """Judge the next page. `newest` is the IDs of the newest page."""
        ids, times = frozenset(page.ids), page.times
        new = ids.difference(newest, *self._ids)
        self._repeats = 0 if new or not ids else self._repeats + 1
        for record_id, created_at in zip(page.ids, times, strict=True):
            # Rows that an insertion pushed onto this page were read before: they say nothing about the order.
            if record_id in new:
                if created_at < self.oldest:
                    self.oldest = created_at
                elif created_at > self.oldest + ORDER_SLACK_SECONDS:
                    self.newest_first = False
        self._ids.append(ids)
        if times:
            self._latest = max(times)

    def reaches(self, moment: float) -> bool:
        """Return whether the pages so far have everything that was created since: the last one is older as a whole.

        A single old row proves nothing: records may appear late, with an old date.
        """
        return self.newest_first and self._latest < moment - ORDER_SLACK_SECONDS


class Walk:
    """Scan a list page by page, from its newest page, and detect its end. One object serves one scan of one poll."""

    def __init__(self, client: Client, pages: PagedList) -> None:
        self.order = Order()
        self.ended = False
        """Whether the list has no more pages that can be read."""
        self.cut = False
        """Whether it has more, but the server is known not to give them: nothing is proved about older records."""
        self._client = client
        self._pages = pages
        self._unreadable = 0
        """How many of the last pages have rows, but no record that can be understood."""
        self._claimed: tuple[int, int | None] | None = None
        """The page that is the last one according to the server, and the server's count of rows."""

    def page(self, number: int) -> Page:
        """Return a page, numbered from the newest one. Raises FetchError, and BrokenOff if the list breaks off."""
        return self.accept(self._read(number), number)

    def accept(self, page: Page, number: int) -> Page:
        """Judge a page that was read, and return the part of it to keep. Raises as `page` does."""
        claimed, self._claimed = self._claimed, None
        if claimed is not None and claimed[0] != number - 1:
            claimed = None
        if page.refusal is not None and claimed is not None:
            # It confirms the server's page count; but a refusal may be temporary.
            page = self._read(number)
        repeated = bool(page.rows) and self._repeats(page, number, claimed)
        if page.rows and not repeated:
            return self._fresh(page, number)
        if claimed is not None or self._list_is_over(page, number):
            self.ended = True
            return NO_PAGE
        if page.refusal is not None and number > 1 and not self._pages.oldest_first:
            # The list may have become shorter since the page before was read.
            before = self._read(number - 1)
            if before.rows and self._pages.judge(before, number - 1) in (End.PROVED, End.CLAIMED):
                self.ended = True
                return before
        return self._broken(page, number)

    def sweep(self, since: float, start: int = 1) -> Iterator[Page]:
        """Yield pages from number `start`, until everything created `since` (epoch seconds) is read or the list ends.

        If the rows are not sorted newest first, the list is read to its end. Raises FetchError, also for a list
        without end.
        """
        first = self.page(start)
        yield first
        if self._is_over(since):
            return
        # The pages that the server counts are read ahead; if there are more, they are read one by one.
        counted = max(start, first.pages or start)
        expected = range(start + 1, counted + 1)
        total = first.total
        answers = self._client.get_each(map(self._pages.request, expected), self._pages.listing.read_page)
        for number, answer in zip(expected, answers, strict=False):
            page = self._pages.accept(answer, number)
            if None not in (page.total, total) and page.total != total:
                # Read ahead, it may have been answered before a row was inserted above, and the page before it
                # after: one row was then on neither.
                page = self._read(number)
            total = total if page.total is None else page.total
            yield self.accept(page, number)
            if self._is_over(since):
                return
        for number in range(counted + 1, 2 * counted + _PAGES_UNCOUNTED):
            yield self.page(number)
            if self._is_over(since):
                return
        raise FetchError(Reason.MALFORMED, "the list goes on far beyond the page count of the API", 200)

    def _is_over(self, since: float) -> bool:
        return self.ended or self.order.reaches(since)

    def _read(self, number: int) -> Page:
        return self._pages.page(self._client, number)

    def _fresh(self, page: Page, number: int) -> Page:
        self._unreadable = 0 if page.ids else self._unreadable + 1
        if self._unreadable > MOST_UNREADABLE:
            raise no_end()
        self.order.add(page, self._newest(number))
        self._note_place(page, number)
        return page

    def _note_place(self, page: Page, number: int) -> None:
        """Note what a page with rows says about the end of the list. Its records are not looked at."""
        place = self._pages.place(number)
        self._pages.depth.goes_on(place)
        if self._pages.oldest_first:
            self.ended = place <= 1
            self.cut = self.ended and self._pages.order_unknown
            return
        end = self._pages.judge(page, number)
        self.ended = end is End.PROVED
        if end is End.CLAIMED:
            self._claimed = number, page.total

    def _repeats(self, page: Page, number: int, claimed: tuple[int, int | None] | None) -> bool:
        """Return whether it is a page read before, given in the place of one that does not exist."""
        if not self.order.repeats(page, self._newest(number)):
            return False
        if claimed is not None:
            # Unless rows were inserted meanwhile, and pushed down what was read before.
            return page.total == claimed[1]
        return self.order.gives_up or self._list_is_over(page, number)

    def _newest(self, number: int) -> frozenset[str]:
        return self._pages.newest_ids if number > 1 else frozenset()

    def _list_is_over(self, page: Page, number: int) -> bool:
        """Return whether it is proved that the list ends before this page, which is refused, empty or repeated."""
        if self._pages.oldest_first:
            return self._pages.place(number) < 1
        end = self._pages.judge(replace(page, records=(), rows=0), number)
        if end is End.UNCOUNTED and not page.rows:
            beyond = self._read(number + 1)
            return not beyond.rows or self.order.repeats(beyond, self._pages.newest_ids)
        return end is End.PROVED

    def _broken(self, page: Page, number: int) -> Page:
        if number == 1 or not self._pages.depth.breaks_off(self._pages.place(number)):
            self._pages.forget_last_page()
            raise broken_off(page, number)
        self.ended = self.cut = True
        return NO_PAGE
