"""Where a list ends, and what proves it. A guess is no proof: a refusal or an empty page in mid-list ends nothing."""

from dataclasses import dataclass
from enum import Enum, auto

from exporter.model.record import FetchError, Reason
from exporter.systems.base import Page

ACCEPTED_AFTER = 3
"""Polls in a row that find the same page refused or empty, until that is taken for a limit of the server's."""


class End(Enum):
    """What a page says of the end of its list."""

    OPEN = auto()
    """More may follow."""
    CLAIMED = auto()
    """The server says that it is the last one and the rows add up, but it is full: the next page will tell."""
    PROVED = auto()
    """The list ends here."""
    UNCOUNTED = auto()
    """The page is empty, and the server does not say how many rows there are: only a further page can tell."""
    BROKEN = auto()
    """The page is refused or empty, though there should be more: no end at all."""


def judge(page: Page, number: int, per_page: int, asked: int) -> End:
    """What the page with this number (from 1, in the order of the list) says of the end.

    `per_page`: rows that a full page has been seen to have; `asked`: how many were asked for.
    """
    if page.refusal is not None:
        return End.BROKEN
    per_page = min(per_page, page.size or per_page)
    before = (number - 1) * per_page
    if not page.rows:
        return _empty(page, number, before, per_page)
    if not page.last or (page.total is not None and before + page.rows < page.total):
        return End.OPEN
    return End.PROVED if page.rows < min(asked, page.size or asked) else End.CLAIMED


def _empty(page: Page, number: int, before: int, per_page: int) -> End:
    if page.total is not None:
        if number > 1 and before - per_page >= page.total:
            # It gave more rows than it counts: its count is worth nothing.
            return End.UNCOUNTED
        return End.PROVED if before >= page.total else End.BROKEN
    if page.pages is None:
        return End.UNCOUNTED
    # Many servers say of an empty list that it has one page.
    first_and_only = page.last and number == page.pages == 1
    return End.PROVED if first_and_only or number > page.pages else End.BROKEN


class BrokenOff(FetchError):
    """A list breaks off where it should go on. What was read until then is kept, and proves no end."""


def broken_off(page: Page, number: int) -> BrokenOff:
    """The error for a page that is refused, empty or one that was read before."""
    if page.refusal is not None:
        told = f"{page.refusal}; page {number} is refused in the middle of the list"
        return BrokenOff(page.refusal.reason, told, page.refusal.status)
    if page.rows:
        told = f"page {number} says nothing but what the pages before it said, though the list should go on"
    else:
        told = f"page {number} is empty, though the list should go on"
    return BrokenOff(Reason.MALFORMED, told, 200)


def no_end() -> FetchError:
    """The error for a list that goes on for ever."""
    return FetchError(Reason.MALFORMED, "the list has no end", 200)


@dataclass(slots=True)
class Depth:
    """At which page a list has broken off, and in how many polls in a row. One object serves one poll."""

    page: int | None = None
    """By the server's own count; below 0 where the list runs oldest first, and its newest end can't be had."""
    polls: int = 0
    _counted: bool = False

    @property
    def accepted(self) -> bool:
        """Is that taken for a limit of the server's: what lies beyond can't be had."""
        return self.polls >= ACCEPTED_AFTER

    def breaks_off(self, page: int) -> bool:
        """Note that the list breaks off at this page. Returns whether that is accepted by now.

        One that breaks off farther down than before is taken as the same: what is read moves on as the list grows.
        """
        # Farther from the same end of the list: with the same sign.
        farther = self.page is not None and page * self.page > self.page**2
        if self.accepted and farther:
            self.page = page
        elif page != self.page:
            self.page, self.polls = page, 1
        elif not self._counted:
            self.polls = min(self.polls + 1, ACCEPTED_AFTER)
        self._counted = True
        return self.accepted

    def goes_on(self, page: int) -> None:
        """Note that this page can be read. What was accepted stays so until all can be."""
        if page == self.page and not self.accepted:
            self._clear()

    def window_is_whole(self) -> None:
        """Note that a reading came to the beginning of the window, or to the end of the list."""
        if self.page is not None and self.page > 0:
            self._clear()

    def newest_end_is_there(self) -> None:
        """Note that the newest end of a list that runs oldest first can be read."""
        if self.page is not None and self.page < 0:
            self._clear()

    def _clear(self) -> None:
        self.page, self.polls = None, 0
