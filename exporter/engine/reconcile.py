"""Reading the window again, a slice at each poll, for what changed late and what vanished."""

from collections.abc import Iterable

from exporter.engine.asking import ask
from exporter.engine.pages import Order, ends, sweep
from exporter.engine.poll import Poll
from exporter.sources.listing import Page


def due(poll: Poll, interval: float) -> bool:
    """Is a reconciliation under way, or is it time for one."""
    marks = poll.records.marks
    return marks.reconciled_to is not None or poll.now - (marks.reconciled_at or 0.0) >= interval


def reconcile(poll: Poll) -> None:
    """Read as many pages as the poll allows from where the last slice ended; note what vanished. Raises PollError."""
    marks = poll.records.marks
    high = float("inf") if marks.reconciled_to is None else marks.reconciled_to
    number = marks.reconciled_page
    order = Order()
    at_high: set[str] = set()
    for _ in range(poll.allowance):
        page = poll.manners.page(poll.client, poll.listing, number)
        here = {record.id: record.created_at for record in page.records}
        if order.untouched and number > 1 and not any(created >= high for created in here.values()):
            # Rows were deleted above: between the last slice and this page there is a gap.
            number //= 2
            continue
        order.take(page)
        poll.take(page)
        if not order.newest_first:
            read_window(poll)
            return
        done = ends(page) or order.reaches(poll.since)
        low = poll.since if done else min(order.oldest, high)
        compare(poll, low, high, {*here, *at_high}, number)
        if done:
            finish(poll)
            return
        at_high = {one for one, created in here.items() if created <= low} | (at_high if low == high else set())
        high = low
        number += 1
    poll.mark(reconciled_to=high, reconciled_page=number)


def read_window(poll: Poll) -> None:
    """Read the whole window in one go, where the order of the list can't be relied on. Raises PollError."""
    order = Order()
    for page in sweep(poll.client, poll.listing, poll.manners, poll.since, order):
        poll.take(page)
        poll.progress()
    missing = [one for one in poll.records.between(poll.since, float("inf")) if one not in poll.met]
    _confirm(poll, missing, ())
    poll.found.incremental = order.newest_first
    finish(poll)


def finish(poll: Poll) -> None:
    """The window has been read. What is older and still in flight is asked for now, and only now."""
    old = [one for one, _ in poll.records.in_flight(0.0, poll.since) if one not in poll.met]
    if poll.listing.by_id:
        poll.lose(ask(poll, old))
    poll.mark(reconciled_to=None, reconciled_page=1, reconciled_at=poll.now)


def compare(poll: Poll, low: float, high: float, here: set[str], number: int) -> None:
    """Confirm the records that should stand between two times on this page, and don't."""
    missing = [one for one in poll.records.between(low, high) if one not in here and one not in poll.met]
    _confirm(poll, missing, (number - 1, number, number + 1))


def _confirm(poll: Poll, missing: list[str], around: Iterable[int]) -> None:
    """Ask for records that no page showed: they are gone, or a deletion pulled them up to a page already read.

    Not for all of them at once, should they be thousands: a list that ends too early must not cost a request for
    each record it does not show.
    """
    if not missing:
        return
    missing = missing[: poll.allowance * poll.listing.ids_per_request]
    if poll.listing.by_id:
        poll.lose(ask(poll, missing))
        return
    pages = [poll.manners.page(poll.client, poll.listing, number) for number in around if number > 0]
    for page in pages:
        poll.take(page)
    if pages:
        poll.lose(one for one in missing if one not in _ids(pages))


def _ids(pages: Iterable[Page]) -> set[str]:
    return {record.id for page in pages for record in page.records}
