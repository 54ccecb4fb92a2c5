"""Reading the window for the first time, newest first, from where a restart has interrupted it."""

from exporter.engine.pages import Order, sweep
from exporter.engine.poll import Poll


def backfill(poll: Poll) -> None:
    """Read the whole window. What is met is no news, however it ends. Raises PollError; what was read is kept."""
    order = Order()
    start = _resume(poll)
    for page in sweep(poll.client, poll.listing, poll.manners, poll.since, order, start):
        reached = poll.marks(backfilled_to=order.oldest) if order.newest_first and order.oldest < float("inf") else None
        poll.take(page, reached)
        poll.progress()
    poll.found.incremental = order.newest_first


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
