"""Reading the window for the first time, newest first, from where a restart has interrupted it."""

from dataclasses import replace

from exporter.engine.pages import Order, sweep
from exporter.engine.poll import Poll


def backfill(poll: Poll) -> int:
    """Read the whole window. What is met is no news, however it ends. Raises PollError; what was read is kept.

    Returns how many pages that took. The mark `newest` stays as of page 1: what came after it was not looked at.
    """
    order = Order()
    start = _resume(poll)
    pages = 0
    for page in sweep(poll.client, poll.listing, poll.manners, poll.since, order, start):
        pages += 1
        marks = poll.records.marks
        if start == pages == 1:
            marks = poll.marks(newest=max((record.created_at for record in page.records), default=None))
        in_order = order.newest_first and order.oldest < float("inf")
        poll.take(page, replace(marks, backfilled_to=order.oldest if in_order else None))
        # A window may hold a million records: their ids are not kept in memory.
        poll.met.clear()
        poll.progress()
    poll.found.incremental = order.newest_first
    return start + pages - 1


def _resume(poll: Poll) -> int:
    """The page to go on from: one on which something stands that is known already, so that there is no gap."""
    reached = poll.records.marks.backfilled_to
    if reached is None:
        return 1
    page = poll.records.count_between(reached, float("inf")) // poll.manners.rows
    while page > 1:
        read = poll.manners.page(poll.client, poll.listing, page)
        if any(record.created_at > reached for record in read.records):
            return page
        page //= 2
    return 1
