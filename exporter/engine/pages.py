"""Reading a list page by page, newest first. What is done with a page is the caller's.

The server is not trusted: not that it sorted, nor that it counted, nor that pages did not shift meanwhile.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from exporter.client import JSON, Client
from exporter.engine.manners import BEYOND_THE_END, NO_PAGE
from exporter.engine.newest_first import ORDER_SLACK_SECONDS, NewestFirst
from exporter.records import FetchError, Reason
from exporter.sources.listing import Listing, Page

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

    @property
    def untouched(self) -> bool:
        """No page was taken yet."""
        return not self._ids

    def take(self, page: Page) -> None:
        """Raises FetchError(malformed) after several pages in a row that repeat the ones before."""
        ids = frozenset(record.id for record in page.records)
        new = ids.difference(*self._ids)
        self._repeats = 0 if new or not ids else self._repeats + 1
        if self._repeats >= _REPEATS_ALLOWED:
            raise FetchError(Reason.MALFORMED, "the list goes on, but its pages repeat themselves", 200)
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


def sweep(
    client: Client, listing: Listing, pages: NewestFirst, since: float, order: Order, start: int = 1
) -> Iterator[Page]:
    """Pages of the list from number `start`, until everything created `since` (epoch seconds) is read or the list ends.

    Where the rows turn out not to be newest first, the list is read to its end. `order` is up to date with each
    page. Raises FetchError, also when the server goes on for ever.
    """
    first = pages.page(client, listing, start)
    order.take(first)
    yield first
    if ends(first) or order.reaches(since):
        return
    # As many pages as the server speaks of are read ahead; should there be more, they come one by one.
    spoken_of = max(start, first.pages or start)
    expected = range(start + 1, spoken_of + 1)
    previous = first
    answers = client.get_each(pages.request(listing, number) for number in expected)
    for number in expected:
        page = pages.read(_next(answers, listing), number)
        if page.total != previous.total:
            # Asked for ahead, it may have been answered before a row was put in above, and the page before it after:
            # then one row was on neither.
            page = pages.page(client, listing, number)
        order.take(page)
        yield page
        if ends(page) or order.reaches(since):
            return
        previous = page
    for number in range(spoken_of + 1, 2 * spoken_of + _PAGES_UNSPOKEN_OF):
        page = pages.page(client, listing, number)
        order.take(page)
        yield page
        if ends(page) or order.reaches(since):
            return
    raise FetchError(Reason.MALFORMED, "the list goes on far beyond the number of pages it speaks of", 200)


def _next(answers: Iterator[JSON], listing: Listing) -> Page:
    try:
        return listing.read_page(next(answers))
    except FetchError as error:
        if error.status not in BEYOND_THE_END:
            raise
        return NO_PAGE


def ends(page: Page) -> bool:
    """Does the list end with this page."""
    return page.last or page.rows == 0
