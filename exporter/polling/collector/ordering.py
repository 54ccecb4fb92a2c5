"""A list as if its newest page came first, whichever way it runs. What is done with a page is the caller's.

Which way it runs is found out from the records themselves, and looked at again at each first page.
"""

import logging
from dataclasses import replace

from exporter.client import JSON, Client, Request
from exporter.model.record import FetchError
from exporter.polling.collector.last_page import last_page
from exporter.polling.collector.list_end import Depth, End, judge
from exporter.polling.collector.server_limits import NO_PAGE, ServerLimits, is_refusal
from exporter.systems.base import Listing, Page

log = logging.getLogger(__name__)

ORDER_SLACK_SECONDS = 60.0
"""Rows may stand in the order of their insertion, or of another machine's clock, and still be called in order."""

_NEVER = float("-inf")


class OrderedList:
    """The pages of one list, counted from the newest one, and what was learnt of the list while reading it."""

    def __init__(self, manners: ServerLimits) -> None:
        self.manners = manners
        self.depth = Depth()
        """Where the list breaks off, as far as the polls before know; each poll has its own."""
        self.full = 1
        """The most rows that a page had: what the server gives, whatever it was asked for."""
        self._full_of = manners.rows
        self.filters = True
        """Does the list keep to a filter."""
        self._last: int | None = None
        """The number of the last page of a list that runs oldest first; None for one that runs newest first."""
        self._known = False
        """Has it been seen which way the list runs."""
        self._newest = _NEVER
        """When the newest record of the newest page was created, as it was last read."""
        self.newest_ids: frozenset[str] = frozenset()
        """The records of that page."""
        self._unproved: FetchError | None = None
        """Why the last page of a list that runs oldest first may not be the last one."""

    @property
    def top(self) -> float:
        """Nothing that was created later can be read: infinity, but for a list whose newest end can't be had."""
        return float("inf") if self._last is None or self._unproved is None else self._newest

    @property
    def oldest_first(self) -> bool:
        """Does the list run oldest first: its end, seen from its newest page, is then its page 1."""
        return self._last is not None

    def judge(self, page: Page, place: int) -> End:
        """What a page, by the server's own number, says of the end."""
        return judge(page, place, self.full, self.manners.rows)

    def page(self, client: Client, listing: Listing, number: int) -> Page:
        """A page, its newest record first. Raises FetchError."""
        if number == 1:
            return self._turned(self._newest_page(client, listing), 1)
        if not self._known:
            self._newest_page(client, listing)
        place = self.place(number)
        return self._turned(self._read(client, listing, place), number) if place > 0 else NO_PAGE

    def search_anew(self) -> None:
        """Look for the last page from page 1 on: what it was taken for may have been none."""
        if self._last is not None:
            self._last = 1

    def request(self, listing: Listing, number: int) -> Request:
        """The request for a page after the first, to be made ahead. Its answer is for `read`."""
        return self.manners.request(listing, self.place(number))

    def read(self, listing: Listing, answer: JSON | FetchError, number: int) -> Page:
        """A page asked for ahead, its newest record first. Raises FetchError."""
        if not isinstance(answer, FetchError):
            page = listing.read_page(answer)
        elif is_refusal(answer):
            page = Page((), refusal=answer)
        else:
            raise answer
        self._fill(page)
        return self._turned(page, number)

    def place(self, number: int) -> int:
        """The server's own number of a page."""
        return number if self._last is None else self._last - number + 1

    def _turned(self, page: Page, number: int) -> Page:
        if self._last is not None:
            return replace(page, records=page.records[::-1], pages=self._last)
        if number == 1 and self.judge(page, 1) is End.PROVED:
            # The order within a list of one page is of no matter.
            return replace(page, records=tuple(sorted(page.records, key=lambda one: one.created_at, reverse=True)))
        return page

    def _newest_page(self, client: Client, listing: Listing) -> Page:
        page = self._end(client, listing, self._last) if self._last else self._read(client, listing, 1)
        if self._last is None and not page.rows:
            # That says nothing of the order; whether the list is empty is the caller's to judge.
            return page
        if self._last is None and self.judge(page, 1) is End.PROVED:
            # Of a single page nothing is to be learnt for when there are more.
            self._known = False
        elif self._as_believed(page):
            self._known = True
        else:
            page = self._compared(client, listing, page)
        self._newest = _newest(page)
        self.newest_ids = frozenset(record.id for record in page.records)
        if self._last is not None and self._unproved is not None and not self.depth.breaks_off(-self._last - 1):
            self.search_anew()
            raise self._unproved
        return page

    def _as_believed(self, page: Page) -> bool:
        """A list may turn round at any time: then what is read for the newest page is the oldest one."""
        direction = self._against(page)
        if direction == 0 and not self._known:
            return False
        return direction <= 0 and _newest(page) >= self._newest

    def _against(self, page: Page) -> int:
        """1 if the rows run the other way than the list is believed to, -1 if that way, 0 if that can't be told."""
        return _direction(page) if self._last is None else -_direction(page)

    def _compared(self, client: Client, listing: Listing, page: Page) -> Page:
        """The newer one of this page and that at the other end of the list."""
        believed, was_known, against = self._last, self._known, self._against(page)
        other = self._end(client, listing, page.pages or 1) if believed is None else self._read(client, listing, 1)
        self._known = abs(_newest(other) - _newest(page)) > ORDER_SLACK_SECONDS
        # Where both ends have records of one moment, the rows between tell.
        if (_newest(other), against) <= (_newest(page), 0):
            self._last = believed
            return page
        self._last = None if believed is not None else self._last
        told = "the list has turned round" if was_known else "the list runs oldest first"
        log.info("%s: reading it from its %s", told, "end" if self._last else "beginning", extra=self.manners.where)
        return other

    def _end(self, client: Client, listing: Listing, guess: int) -> Page:
        found = last_page(lambda number: self._read(client, listing, number), self.judge, guess)
        self._last, self._unproved = found.number, found.unproved
        if self._unproved is None:
            self.depth.newest_end_is_there()
        self.depth.goes_on(-found.number)
        return found.page

    def _read(self, client: Client, listing: Listing, place: int) -> Page:
        page = self.manners.page(client, listing, place)
        self._fill(page)
        return page

    def _fill(self, page: Page) -> None:
        if self.manners.rows != self._full_of:
            self.full, self._full_of = 1, self.manners.rows
        self.full = max(self.full, page.rows)


def _direction(page: Page) -> int:
    """1 if the rows run from old to new, -1 from new to old, 0 if that can't be told."""
    if not page.records:
        return 0
    first, last = page.records[0].created_at, page.records[-1].created_at
    return (first + ORDER_SLACK_SECONDS < last) - (first > last + ORDER_SLACK_SECONDS)


def _newest(page: Page) -> float:
    return max((record.created_at for record in page.records), default=_NEVER)
