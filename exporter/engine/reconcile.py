"""Reading the window again, a slice at each poll, for what changed late and what vanished."""

import math
from collections.abc import Iterable, Sequence

from exporter.engine.asking import ask
from exporter.engine.pages import Order, ends, sweep
from exporter.engine.poll import Poll
from exporter.sources.listing import Page

_LEAST_REQUESTS = 2
"""A slice begins with the page on which the last one ended, so that there is no gap: a further one brings it on."""


def due(poll: Poll, interval: float) -> bool:
    """Is a reconciliation under way, or is it time for one."""
    marks = poll.records.marks
    return marks.reconciled_to is not None or poll.now - (marks.reconciled_at or 0.0) >= interval


def reconcile(poll: Poll) -> None:
    """Read on from where the last slice ended, as far as the poll's allowance goes. Raises PollError."""
    marks = poll.records.marks
    high = math.inf if marks.reconciled_to is None else marks.reconciled_to
    if high <= poll.since:
        finish(poll)
        return
    poll.allowance = max(poll.allowance, _LEAST_REQUESTS)
    number, page = _resume(poll, high)
    order = Order()
    while True:
        order.take(page)
        poll.take(page)
        if not order.newest_first:
            read_window(poll)
            return
        done = ends(page) or order.reaches(poll.since)
        low = poll.since if done else min(order.oldest, high)
        further = compare(poll, low, high, number)
        if done and further is None:
            finish(poll)
            return
        high = low if further is None else further
        # A slice does not end among rows of one and the same time: which of them it has seen would be forgotten.
        within_a_moment = len({record.created_at for record in page.records}) == 1
        if further is not None or (poll.allowance <= 0 and not within_a_moment):
            poll.mark(reconciled_to=high, reconciled_page=number)
            return
        number += 1
        page = _page(poll, number)


def read_window(poll: Poll) -> None:
    """Read the whole window in one go, where the order of the list can't be relied on. Raises PollError."""
    order = Order()
    for page in sweep(poll.client, poll.listing, poll.pages, poll.since, order):
        poll.take(page)
        poll.progress()
    compare(poll, poll.since, math.inf, 0)
    poll.found.incremental = order.newest_first
    finish(poll)


def finish(poll: Poll) -> None:
    """The window has been read. What is older and still in flight is asked for now, and only now. Raises PollError."""
    reached = poll.records.marks.reconciled_to
    # Of several that were created at the very moment that was reached, some may stand on the next page.
    before = poll.since if reached is None else min(math.nextafter(reached, math.inf), poll.since)
    old = [one for one in poll.records.in_flight(0.0, before) if one[0] not in poll.met]
    further = _ask_some(poll, old)
    if further is None:
        poll.mark(reconciled_to=None, reconciled_page=1, reconciled_at=poll.now)
    else:
        poll.mark(reconciled_to=further, reconciled_page=1)


def compare(poll: Poll, low: float, high: float, number: int) -> float | None:
    """Confirm the records that should stand between two times on this page (0: on any), and were not met.

    They are gone, or a deletion pulled them up to a page already read. Returns before when those were created that
    it did not come to: a list that ends too early must not cost a request for each record it does not show.
    """
    missing = [one for one in poll.records.between(low, high) if one[0] not in poll.met]
    if not missing:
        return None
    if poll.listing.by_id:
        return _ask_some(poll, missing)
    pages = [_page(poll, one) for one in (number - 1, number, number + 1) if number and one > 0]
    for page in pages:
        poll.take(page)
    if not any(page.rejected for page in pages):
        poll.lose(one for one, _ in missing if one not in _ids(pages))
    return None


def _resume(poll: Poll, high: float) -> tuple[int, Page]:
    """The page on which the last slice ended: one with a row that was created at `high` or later.

    Where rows were inserted above it is further down, and is come to; where rows were deleted it is further up.
    """
    number, back = poll.records.marks.reconciled_page, 1
    while True:
        page = _page(poll, number)
        if number == 1 or any(record.created_at >= high for record in page.records):
            return number, page
        number, back = max(1, number - back), back * 2


def _ask_some(poll: Poll, waiting: Sequence[tuple[str, float]]) -> float | None:
    """Ask for records, newest first, within the allowance. Returns before when those were created that are left."""
    most = max(1, poll.allowance) * poll.listing.ids_per_request
    oldest = waiting[most - 1][1] if len(waiting) > most else -math.inf
    # What was created at one and the same time is asked for together, so that a time tells how far it came.
    some = [one for one, created in waiting if created >= oldest]
    poll.allowance -= math.ceil(len(some) / poll.listing.ids_per_request)
    missing = ask(poll, some)
    if poll.listing.by_id:
        poll.lose(missing)
    return math.nextafter(oldest, -math.inf) if len(some) < len(waiting) else None


def _page(poll: Poll, number: int) -> Page:
    poll.allowance -= 1
    return poll.pages.page(poll.client, poll.listing, number)


def _ids(pages: Iterable[Page]) -> set[str]:
    return {record.id for page in pages for record in page.records}
