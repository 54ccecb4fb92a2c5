"""Finding the last page of a list whose server may be wrong about where it is."""

from collections.abc import Callable

from exporter.records import FetchError, Reason
from exporter.sources.listing import Page

_MOST_PROBES = 60
"""Doubling and halving finds any page in far fewer."""


def last_page(read: Callable[[int], Page], guess: int) -> tuple[int, Page]:
    """The number of the last page that has rows, and the page; of an empty list, page 1.

    `read` gets a page by its number; `guess` is where to begin. Where all is as it was last time and the server
    counts right, that is one request. Raises FetchError(malformed) for a list without end, and as `read`.
    """
    low, found = 0, Page(())
    beyond: int | None = None
    number, step = max(1, guess), 1
    tried: set[int] = set()
    for _ in range(_MOST_PROBES):
        page = read(number)
        tried.add(number)
        if page.rows:
            low, found = number, page
            if page.last:
                return low, found
        else:
            beyond = number
        if beyond is not None and beyond - low <= 1:
            return max(1, low), found
        spoken_of = page.pages or 0
        if low and low + 1 not in tried:
            # What the server speaks of comes second: one that is wrong would be wrong at each poll.
            number = low + 1
        elif low < spoken_of and spoken_of not in tried and (beyond is None or spoken_of < beyond):
            number = spoken_of
        elif beyond is not None:
            number = (low + beyond) // 2
        else:
            step *= 2
            number = low + step
    raise FetchError(Reason.MALFORMED, "the list has no end", 200)
