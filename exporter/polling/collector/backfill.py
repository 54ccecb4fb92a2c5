"""Reading the window for the first time, newest first, from where a restart has interrupted it."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from exporter.model.record import PollError
from exporter.polling.collector.poll import Poll
from exporter.systems.base import Page

_PAGES_AT_ONCE = 10
_SECONDS_AT_ONCE = 1.0


def backfill(poll: Poll) -> int:
    """Read the whole window. What is met is no news, however it ends. Raises PollError; what was read is kept.

    Returns how many pages that took. The mark `newest` stays as of page 1: what came after it was not looked at.
    """
    walk = poll.walk()
    order = walk.order
    if poll.records.marks.backfilling_since is None:
        poll.mark(backfilling_since=poll.now)
    start = _resume(poll)
    # An order that was not there on the pages before is not there on those that follow.
    order.newest_first = poll.records.marks.backfilled_page == 1
    pages = 0
    for some in _gathered(walk.sweep(poll.since, start)):
        marks = poll.records.marks
        if start == 1 and not pages:
            poll.look_at_newest(some[0])
            marks = poll.marks(newest=max((record.created_at for record in some[0].records), default=None))
        pages += len(some)
        marks = replace(
            marks,
            backfilled_to=order.oldest if order.newest_first else None,
            backfilled_page=1 if order.newest_first else start + pages - 1,
        )
        poll.take(_joined(some), marks)
        # A window may hold a million records: their ids are not kept in memory.
        poll.met.clear()
        poll.progress()
    poll.ended(walk)
    poll.found.incremental = order.newest_first
    return start + pages - 1


def _gathered(pages: Iterable[Page]) -> Iterator[Sequence[Page]]:
    """As many pages as come within a second: kept in one transaction, they cost half of it. Raises as `pages`."""
    held: list[Page] = []
    begun = time.monotonic()
    try:
        for page in pages:
            held.append(page)
            if len(held) == _PAGES_AT_ONCE or time.monotonic() - begun > _SECONDS_AT_ONCE:
                yield held
                held, begun = [], time.monotonic()
    except PollError:
        if held:
            yield held
        raise
    if held:
        yield held


def _joined(pages: Sequence[Page]) -> Page:
    rejected: Counter[str] = Counter()
    for page in pages:
        rejected.update(page.rejected)
    return Page(tuple(record for page in pages for record in page.records), rejected)


def _resume(poll: Poll) -> int:
    """The page to go on from: one on which something stands that is known already, so that there is no gap.

    Where the list has no order, rows that have moved meanwhile are found by the next reading, and are no news then.
    """
    marks = poll.records.marks
    reached = marks.backfilled_to
    if reached is None:
        return marks.backfilled_page
    page = poll.records.count_between(reached, float("inf")) // poll.pages.manners.rows
    while page > 1:
        read = poll.pages.page(poll.client, poll.listing, page)
        if any(record.created_at > reached for record in read.records):
            return page
        page //= 2
    return 1
