"""Reading a list, newest first, as far back as the window reaches. What is done with a page is the caller's.

The server is not trusted: not that it sorted, nor that it counted, nor that pages did not shift meanwhile.
"""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.client import Client, Request
from exporter.records import FetchError, Reason
from exporter.sources.listing import Listing, Page

log = logging.getLogger(__name__)

SMALLEST_PAGE = 25
"""The page size of the vendor's own default, which it can't refuse."""

ORDER_SLACK_SECONDS = 60.0
"""Rows may stand in the order of their insertion, or of another machine's clock, and still be called newest first."""

_REPEATS_ALLOWED = 3


@dataclass(slots=True)
class Manners:
    """How the server lets itself be asked: learnt from what it refuses, since no page of its reference says it."""

    rows: int
    """Records to ask for at once."""
    sort: bool = True

    def request(self, listing: Listing, number: int) -> Request:
        return listing.page(number, self.rows, self.sort)

    def first_page(self, client: Client, listing: Listing) -> Page:
        """The newest page, with fewer rows or without `sort` where the server refuses those. Raises FetchError."""
        try:
            return listing.read_page(client.get(self.request(listing, 1)))
        except FetchError as error:
            refusal = error
        for humbler in self._humbler():
            if refusal.status not in (400, 422):
                break
            try:
                page = listing.read_page(client.get(humbler.request(listing, 1)))
            except FetchError as error:
                refusal = error
                continue
            # Said only now: it was that which was refused, since the same request without it was not.
            log.warning("%s", humbler.told(self), extra={"collector": listing.name})
            self.rows, self.sort = humbler.rows, humbler.sort
            return page
        raise refusal

    def told(self, before: "Manners") -> str:
        """What the server has refused, for the log."""
        refused = [f"page_size={before.rows}"] if self.rows != before.rows else []
        refused += ["sort"] if self.sort != before.sort else []
        return f"the API refuses {' and '.join(refused)}: asking for {self.rows} rows a page from now on"

    def _humbler(self) -> "list[Manners]":
        fewer = min(self.rows, SMALLEST_PAGE)
        tries = [Manners(fewer, self.sort), Manners(self.rows, False), Manners(fewer, False)]
        return [one for place, one in enumerate(tries) if one != self and one not in tries[:place]]


def sweep(client: Client, listing: Listing, manners: Manners, since: float) -> Iterator[Page]:
    """Pages of the list, newest first, until one lies wholly before `since` (epoch seconds) or the list ends.

    Where the rows turn out not to be newest first, the whole list is read. Raises FetchError, also when the server
    goes on for ever without a new record.
    """
    end = _End(since)
    first = manners.first_page(client, listing)
    yield first
    if end.reached(first):
        return
    # As many pages as the server speaks of are read ahead; should there be more, they come one by one.
    spoken_of = first.pages or 1
    expected = range(2, spoken_of + 1)
    previous = first
    for number, answer in zip(
        expected, client.get_each(manners.request(listing, one) for one in expected), strict=True
    ):
        page = listing.read_page(answer)
        if page.total != previous.total:
            # Asked for ahead, it may have been answered before a row was put in above, and the page before it after:
            # then one row was on neither.
            page = listing.read_page(client.get(manners.request(listing, number)))
        yield page
        if end.reached(page):
            return
        previous = page
    for number in itertools.count(spoken_of + 1):
        page = listing.read_page(client.get(manners.request(listing, number)))
        yield page
        if end.reached(page):
            return


class _End:
    """Decides after each page whether it was the last one to read."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._oldest = float("inf")
        self._newest_first = True
        self._ids: set[str] = set()
        self._repeats = 0

    def reached(self, page: Page) -> bool:
        """Raises FetchError(malformed) after several pages in a row without a record that was not there before."""
        new = {record.id for record in page.records} - self._ids
        self._ids |= new
        if page.last or page.rows == 0:
            return True
        self._repeats = 0 if new or not page.records else self._repeats + 1
        if self._repeats >= _REPEATS_ALLOWED:
            raise FetchError(Reason.MALFORMED, "the list goes on, but its pages repeat themselves", 200)
        for record in page.records:
            # Rows that an insertion pushed onto this page were met before: they say nothing of the order.
            if record.id in new:
                self._newest_first = self._newest_first and record.created_at <= self._oldest + ORDER_SLACK_SECONDS
                self._oldest = min(self._oldest, record.created_at)
        return self._newest_first and self._oldest < self._since - ORDER_SLACK_SECONDS
