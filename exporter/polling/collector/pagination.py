"""Reading a list page by page, newest first. What is done with a page is the caller's.

The server is not trusted: not that it sorted, nor that it counted, nor that pages did not shift meanwhile.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from exporter.client import Client
from exporter.model.record import FetchError, Reason
from exporter.polling.collector.list_end import End, broken_off
from exporter.polling.collector.ordering import ORDER_SLACK_SECONDS, OrderedList
from exporter.polling.collector.server_limits import NO_PAGE
from exporter.systems.base import Listing, Page

_REPEATS_ALLOWED = 3
_PAGES_UNSPOKEN_OF = 1000
"""How far beyond the number of pages it speaks of a server is followed."""


@dataclass(slots=True)
class Order:
    """Judges after each page, in their order, whether rows stand newest first, and how far back they reach."""

    newest_first: bool = True
    oldest: float = float("inf")
    """When the oldest record met so far was created, epoch seconds."""
    _latest: float = float("inf")
    """When the newest record of the last page was created."""
    _ids: deque[frozenset[str]] = field(default_factory=lambda: deque(maxlen=_REPEATS_ALLOWED))
    _repeats: int = 0

    def repeats(self, page: Page, newest: frozenset[str]) -> bool:
        """Were all records of this page on the newest one, or on one of the last ones."""
        ids = frozenset(record.id for record in page.records)
        return bool(ids) and not ids.difference(newest, *self._ids)

    @property
    def gives_up(self) -> bool:
        """Would one more page that repeats those before be too much."""
        return self._repeats + 1 >= _REPEATS_ALLOWED

    def take(self, page: Page, newest: frozenset[str] = frozenset()) -> None:
        """Judge the page after those that were taken before. `newest`: what stands on the newest page."""
        ids = frozenset(record.id for record in page.records)
        new = ids.difference(newest, *self._ids)
        self._repeats = 0 if new or not ids else self._repeats + 1
        for record in page.records:
            # Rows that an insertion pushed onto this page were met before: they say nothing of the order.
            if record.id in new:
                self.newest_first = self.newest_first and record.created_at <= self.oldest + ORDER_SLACK_SECONDS
                self.oldest = min(self.oldest, record.created_at)
        self._ids.append(ids)
        if page.records:
            self._latest = max(record.created_at for record in page.records)

    def reaches(self, moment: float) -> bool:
        """Is everything that was created since then on the pages taken: lies the last one wholly before.

        A single old row says nothing: records may appear late, with an old date.
        """
        return self.newest_first and self._latest < moment - ORDER_SLACK_SECONDS


class Walk:
    """Reads a list page by page, from its newest one on, and says where it ends. For one reading of one poll."""

    def __init__(self, client: Client, listing: Listing, pages: OrderedList) -> None:
        self.order = Order()
        self.ended = False
        """The list has no more pages that can be read."""
        self.cut = False
        """It has, but the server does not give them, and that is accepted: nothing is proved of what lies beyond."""
        self._client = client
        self._listing = listing
        self._pages = pages
        self._claimed: tuple[int, int | None] | None = None
        """The page that is the last one if its server is right, and how many rows it counted."""

    def page(self, number: int) -> Page:
        """A page, numbered from the newest one. Raises FetchError, BrokenOff where the list does not go on."""
        return self.take(self._read(number), number)

    def take(self, page: Page, number: int) -> Page:
        """Judge a page that was read. Returns what there is to keep of it. Raises as `page`."""
        claimed, self._claimed = self._claimed, None
        if claimed is not None and claimed[0] != number - 1:
            claimed = None
        if page.refusal is not None and claimed is not None:
            # It confirms what the server said; but a refusal may be of the moment.
            page = self._read(number)
        repeated = bool(page.rows) and self._repeats(page, number, claimed)
        if page.rows and not repeated:
            return self._fresh(page, number)
        if claimed is not None or self._nothing_is_left(page, number):
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
        """Pages from number `start`, until everything created `since` (epoch seconds) is read or the list ends.

        Where the rows turn out not to be newest first, the list is read to its end. Raises FetchError, also when the
        server goes on for ever.
        """
        first = self.page(start)
        yield first
        if self._is_over(since):
            return
        # As many pages as the server speaks of are read ahead; should there be more, they come one by one.
        spoken_of = max(start, first.pages or start)
        expected = range(start + 1, spoken_of + 1)
        total = first.total
        answers = self._client.get_each(self._pages.request(self._listing, number) for number in expected)
        for number, answer in zip(expected, answers, strict=False):
            page = self._pages.read(self._listing, answer, number)
            if page.total != total:
                # Asked for ahead, it may have been answered before a row was put in above, and the page before it
                # after: then one row was on neither.
                page = self._read(number)
            total = page.total
            yield self.take(page, number)
            if self._is_over(since):
                return
        for number in range(spoken_of + 1, 2 * spoken_of + _PAGES_UNSPOKEN_OF):
            yield self.page(number)
            if self._is_over(since):
                return
        raise FetchError(Reason.MALFORMED, "the list goes on far beyond the number of pages it speaks of", 200)

    def _is_over(self, since: float) -> bool:
        return self.ended or self.order.reaches(since)

    def _read(self, number: int) -> Page:
        return self._pages.page(self._client, self._listing, number)

    def _fresh(self, page: Page, number: int) -> Page:
        self.order.take(page, self._newest(number))
        place = self._pages.place(number)
        self._pages.depth.goes_on(place)
        if self._pages.oldest_first:
            self.ended = place <= 1
            return page
        end = self._pages.judge(page, number)
        self.ended = end is End.PROVED
        if end is End.CLAIMED:
            self._claimed = number, page.total
        return page

    def _repeats(self, page: Page, number: int, claimed: tuple[int, int | None] | None) -> bool:
        """Is it a page that was read before, in the place of one that there is not."""
        if not self.order.repeats(page, self._newest(number)):
            return False
        if claimed is not None:
            # Unless rows were put in meanwhile, and have pushed down what was read before.
            return page.total == claimed[1]
        return self.order.gives_up or self._nothing_is_left(page, number)

    def _newest(self, number: int) -> frozenset[str]:
        return self._pages.newest_ids if number > 1 else frozenset()

    def _nothing_is_left(self, page: Page, number: int) -> bool:
        """Is it proved that no page follows those before this one, which is refused, empty or a repetition."""
        if self._pages.oldest_first:
            return self._pages.place(number) < 1
        end = self._pages.judge(replace(page, records=(), rows=0), number)
        if end is End.UNCOUNTED and not page.rows:
            beyond = self._read(number + 1)
            return not beyond.rows or self.order.repeats(beyond, self._pages.newest_ids)
        return end is End.PROVED

    def _broken(self, page: Page, number: int) -> Page:
        if number == 1 or not self._pages.depth.breaks_off(self._pages.place(number)):
            self._pages.search_anew()
            raise broken_off(page, number)
        self.ended = self.cut = True
        return NO_PAGE
