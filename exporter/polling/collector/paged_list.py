"""Read a list's pages newest first, in either list order. The caller decides what to do with a page.

The list order is detected from the records themselves, and checked again at each newest page.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from exporter.client import Client, Request
from exporter.model.record import FetchError
from exporter.polling.collector.known_answers import NO_ANSWERS, Answers
from exporter.polling.collector.last_page import last_page
from exporter.polling.collector.list_end import Depth, End, judge
from exporter.polling.collector.server_limits import ServerLimits, refused_page
from exporter.systems.base import Listing, Page

log = logging.getLogger(__name__)

ORDER_SLACK_SECONDS = 60.0
"""Rows in the order of their insertion, or of another machine's clock, still count as sorted by creation time."""

NO_PAGE = Page(())
_NEVER = float("-inf")


@dataclass(slots=True)
class Parameter:
    """A parameter that a server may ignore. It may be restarted with another version, so what is known may change."""

    obeyed: bool = True
    _ignored_at: float | None = None
    """When the next poll began after the list ignored it."""

    def try_again(self, now: float, after: float) -> None:
        """Send the parameter again if it was ignored so many seconds ago."""
        if not self.obeyed:
            self._ignored_at = now if self._ignored_at is None else self._ignored_at
            self.obeyed = now - self._ignored_at >= after
        if self.obeyed:
            self._ignored_at = None


class PagedList:
    """The pages of one list, numbered from the newest one, and what was learned about the list while reading it."""

    def __init__(self, listing: Listing, page_size: int, where: Mapping[str, str] | None = None) -> None:
        """Begin with pages of `page_size` rows. `where` names the collector, for the log."""
        self.listing = listing
        self.where = where or {}
        self._limits = ServerLimits(listing, page_size, where=self.where)
        self._tell: Callable[[str], None] = self._log
        self.depth = Depth()
        """The page at which the list breaks off, as far as earlier polls know; each poll has its own."""
        self.full = 1
        """The most rows that a page had: what the server gives, whatever was requested."""
        self._full_of = page_size
        self.filters = Parameter()
        """A filter by status."""
        self.ids = Parameter()
        """A filter by ID."""
        self._last: int | None = None
        """The number of the last page of a list that runs oldest first; None for one that runs newest first."""
        self._known = False
        """Whether the list order has been detected."""
        self._placed = False
        """Whether this poll has read the newest page: the numbers of its pages stay, also if the order is in doubt."""
        self._newest = _NEVER
        """When the newest record of the newest page was created, as last read."""
        self._newest_ids = ""
        """IDs of the records of the newest page, separated by spaces."""
        self._newest_rows = page_size
        """How many rows were requested for that page."""
        self._unproved: FetchError | None = None
        """Why the last page of a list that runs oldest first may not be the last one."""
        self.order_unknown = False
        """Whether the list order is unknown because one end can't be read. It may be either end: the list is read
        as one that runs oldest first, and neither newer nor older records are known to be absent."""

    def read_with(self, answers: Answers, tell: Callable[[str], None]) -> None:
        """Read pages with the answers of this poll, until `end_poll`. `tell` is called when the list order changes."""
        self._limits.answers, self._tell = answers, tell

    def end_poll(self, *, succeeded: bool) -> None:
        """Keep nothing of the answers of a poll. One that failed may resume below the newest page."""
        self._limits.answers, self._tell = NO_ANSWERS, self._log
        self._placed = False
        if succeeded:
            self._newest_ids = ""

    def try_again(self, now: float, after: float) -> None:
        """Request from now on what the server refused or did not obey, if that is so many seconds ago."""
        for parameter in (self.filters, self.ids):
            parameter.try_again(now, after)
        if self._limits.try_again(now, after):
            # Only a refusal of page 1 is learned from, and pages may have another size.
            self.forget_last_page()

    @property
    def rows(self) -> int:
        """How many rows are requested for each page, after what the server refused."""
        return self._limits.rows

    @property
    def top(self) -> float:
        """Records created later can't be read: infinity, but for a list whose newest end is out of reach."""
        return float("inf") if self._last is None or self._unproved is None else self._newest

    @property
    def oldest_first(self) -> bool:
        """Whether the list runs oldest first: its end, seen from its newest page, is then its page 1."""
        return self._last is not None

    @property
    def newest_ids(self) -> frozenset[str]:
        """The IDs of the records of the newest page; none if the page size has changed since."""
        return frozenset(self._newest_ids.split()) if self._newest_rows == self.rows else frozenset()

    def judge(self, page: Page, place: int) -> End:
        """Return what a page, by the server's own number, says about the end of the list."""
        return judge(page, place, self.full, self.rows)

    def page(self, client: Client, number: int) -> Page:
        """Return a page, its newest record first; without a request an empty one, if its number can't exist.

        Raises FetchError.
        """
        if number == 1:
            return self._newest_first(self._newest_page(client), 1)
        if not (self._known or self._placed):
            self._newest_page(client)
        place = self.place(number)
        return self._newest_first(self._read(client, place), number) if place > 0 else NO_PAGE

    def forget_last_page(self) -> None:
        """Search for the last page from page 1 the next time: the one found may not be the last."""
        if self._last is not None:
            self._last = 1

    def request(self, number: int) -> Request:
        """Return the request for a page after the first, to be made ahead. Its answer is for `accept`."""
        return self._limits.request(self.place(number))

    def filtered(self, number: int, filters: Mapping[str, str]) -> Request:
        """Return the request for a page, by the server's own number, of the list with these filters."""
        request = self._limits.request(number)
        return replace(request, params={**request.params, **filters}, most=None)

    def accept(self, answer: Page | FetchError, number: int) -> Page:
        """Return a page that was requested ahead, its newest record first. Raises FetchError."""
        page = refused_page(answer) if isinstance(answer, FetchError) else answer
        self._fill(page)
        return self._newest_first(page, number)

    def place(self, number: int) -> int:
        """Return the server's own number of a page."""
        return number if self._last is None else self._last - number + 1

    def _newest_first(self, page: Page, number: int) -> Page:
        times = page.times
        places = range(len(times))
        if self._last is not None:
            newest_first = page.arranged(places[::-1])
            return replace(newest_first, last=self.place(number) == 1, pages=self._last)
        if number == 1 and self.judge(page, 1) is End.PROVED:
            # The order within a list of a single page does not matter.
            return page.arranged(sorted(places, key=times.__getitem__, reverse=True))
        return page

    def _newest_page(self, client: Client) -> Page:
        """Return the newest page in the order of the list."""
        page = self._end(client, self._last) if self._last else self._read(client, 1)
        self._placed = True
        self.order_unknown = False
        if self._last is None and not page.rows:
            # It says nothing about the order; the caller judges whether the list is empty.
            return page
        if self._last is None and self.judge(page, 1) is End.PROVED:
            # A single page says nothing about the order of a longer list.
            self._known = False
        elif self._as_expected(page):
            self._known = True
        else:
            page = self._compare_ends(client, page)
        self._newest = _newest(page)
        self._newest_ids, self._newest_rows = " ".join(page.ids), self.rows
        if self._last is None:
            self.depth.newest_end_is_there()
        elif self._unproved is not None and not self.depth.breaks_off(-self._last - 1):
            self._last = None if self.order_unknown else 1
            raise self._unproved
        return page

    def _as_expected(self, page: Page) -> bool:
        """Return whether a page can be the newest one. A list may be reversed at any time: then it is the oldest."""
        direction = self._against(page)
        if direction == 0 and not self._known:
            return False
        return direction <= 0 and _newest(page) >= self._newest

    def _against(self, page: Page) -> int:
        """Return 1 if the rows run against the expected list order, -1 if they follow it, 0 if unknown."""
        return _direction(page) if self._last is None else -_direction(page)

    def _compare_ends(self, client: Client, page: Page) -> Page:
        """Return the newer one of this page and the one at the other end of the list."""
        expected, was_known, against = self._last, self._known, self._against(page)
        other = self._end(client, page.pages or 1, page) if expected is None else self._read(client, 1)
        reached = self._last
        self._known = abs(_newest(other) - _newest(page)) > ORDER_SLACK_SECONDS
        # If both ends have records of the same time, the rows between decide.
        stays = (_newest(other), against) <= (_newest(page), 0)
        newest = page if stays else other
        oldest_first = not stays if expected is None else stays
        self._last = reached if oldest_first else None
        if not self._known and self._unproved is not None and self._against(newest) >= 0:
            self._last, self.order_unknown = reached, True
            return other if expected is None else page
        if not stays:
            event, start = (
                ("list runs oldest first", "end") if oldest_first else ("list runs newest first", "beginning")
            )
            event = "list order has reversed" if was_known else event
            self._tell(f"{event}: reading it from its {start}")
        return newest

    def _end(self, client: Client, guess: int, first: Page | None = None) -> Page:
        found = last_page(lambda number: self._read(client, number), self.judge, guess, first)
        self._last, self._unproved = found.number, found.unproved
        if self._unproved is None:
            self.depth.newest_end_is_there()
        self.depth.goes_on(-found.number)
        return found.page

    def _log(self, message: str) -> None:
        log.info("%s", message, extra=self.where)

    def _read(self, client: Client, place: int) -> Page:
        page = self._limits.page(client, place)
        self._fill(page)
        return page

    def _fill(self, page: Page) -> None:
        if self.rows != self._full_of:
            self.full, self._full_of = 1, self.rows
        self.full = max(self.full, page.rows)


def _direction(page: Page) -> int:
    """Return 1 if the rows run from old to new, -1 from new to old, 0 if unknown."""
    times = page.times
    if not times:
        return 0
    first, last = times[0], times[-1]
    return (first + ORDER_SLACK_SECONDS < last) - (first > last + ORDER_SLACK_SECONDS)


def _newest(page: Page) -> float:
    return max(page.times, default=_NEVER)
