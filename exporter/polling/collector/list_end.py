"""Prove where a list ends. A page that is refused or empty in the middle of the list is no proof."""

from dataclasses import dataclass
from enum import Enum, auto

from exporter.model.record import FetchError, Reason
from exporter.systems.base import Page

ACCEPTED_AFTER = 3
"""Polls in a row that find the same page refused or empty, until that is accepted as a limit of the server."""


class End(Enum):
    """What a page says about the end of its list."""

    OPEN = auto()
    """More may follow."""
    CLAIMED = auto()
    """The server says that it is the last one, but it is full or has nothing to add up: the next page must prove it."""
    PROVED = auto()
    """The list ends here."""
    UNCOUNTED = auto()
    """The page is empty, and the server has no count of rows: only a further page can prove the end."""
    BROKEN = auto()
    """The page is refused or empty, though there should be more: the list breaks off."""


def judge(page: Page, number: int, per_page: int, asked: int) -> End:
    """Return what the page with this number (from 1, in list order) says about the end.

    `per_page`: rows of a full page, as seen so far. `asked`: how many rows were requested.
    """
    if page.refusal is not None:
        return End.BROKEN
    per_page = min(per_page, page.size or per_page)
    before = (number - 1) * per_page
    if not page.rows:
        return _empty(page, number, before, per_page)
    if not page.last or (page.total is not None and before + page.rows < page.total):
        return End.OPEN
    # Without any figure of the server's, its pages may have fewer rows than were requested.
    says_nothing = page.size is None and page.total is None and page.pages is None
    full = per_page if says_nothing else min(asked, page.size or asked)
    return End.PROVED if page.rows < full else End.CLAIMED


def _empty(page: Page, number: int, before: int, per_page: int) -> End:
    if page.total is not None:
        if before - per_page >= page.total:
            # The server returned more rows than it counts: its count is unreliable.
            return End.UNCOUNTED
        return End.PROVED if before >= page.total else End.BROKEN
    if page.pages is None:
        return End.UNCOUNTED
    # Many servers count one page for an empty list.
    first_and_only = page.last and number == page.pages == 1
    return End.PROVED if first_and_only or number > page.pages else End.BROKEN


class BrokenOff(FetchError):
    """A list breaks off where it should continue. What was read until then is kept, and proves no end."""


def broken_off(page: Page, number: int) -> BrokenOff:
    """Return the error for a page that is refused, empty or repeated."""
    if page.refusal is not None:
        message = f"{page.refusal}; page {number} is refused in the middle of the list"
        return BrokenOff(page.refusal.reason, message, page.refusal.status)
    if page.rows:
        message = f"page {number} repeats earlier pages, though the list should continue"
    else:
        message = f"page {number} is empty, though the list should continue"
    return BrokenOff(Reason.MALFORMED, message, 200)


def no_end() -> FetchError:
    """Return the error for a list that never ends."""
    return FetchError(Reason.MALFORMED, "the list has no end", 200)


@dataclass(slots=True)
class Depth:
    """The page at which a list breaks off, and in how many polls in a row. One object serves one poll."""

    page: int | None = None
    """The server's own number; below 0 if the list runs oldest first and its newest end can't be read."""
    polls: int = 0
    _counted: bool = False

    @property
    def accepted(self) -> bool:
        """Whether that is accepted as a limit of the server."""
        return self.polls >= ACCEPTED_AFTER

    def breaks_off(self, page: int) -> bool:
        """Note that the list breaks off at this page. Return whether that is accepted by now.

        A page farther down than the accepted one counts as the same: it moves on as the list grows.
        """
        # As far from the same end of the list, or farther: with the same sign.
        as_far = self.page is not None and page * self.page >= self.page**2
        if self.accepted and as_far:
            self.page = page
        elif page != self.page:
            self.page, self.polls = page, 1
        elif not self._counted:
            self.polls += 1
        self._counted = True
        return self.accepted

    def goes_on(self, page: int) -> None:
        """Note that this page can be read. An accepted limit stays accepted until the whole list can be read."""
        if page == self.page and not self.accepted:
            self._clear()

    def window_is_whole(self) -> None:
        """Note that a scan reached the beginning of the window, or the end of the list."""
        if self.page is not None and self.page > 0:
            self._clear()

    def newest_end_is_there(self) -> None:
        """Note that the newest end of a list that runs oldest first can be read."""
        if self.page is not None and self.page < 0:
            self._clear()

    def _clear(self) -> None:
        self.page, self.polls = None, 0
