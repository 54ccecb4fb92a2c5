"""Reading the window again, a slice at each poll, for what changed late and what vanished."""

import math
from collections.abc import Sequence

from exporter.polling.collector.fetch_by_id import ask
from exporter.polling.collector.pagination import Walk
from exporter.polling.collector.poll import Poll
from exporter.systems.base import Page

_LEAST_REQUESTS = 2
"""A slice begins with the page on which the last one ended, so that there is no gap: a further one brings it on."""


def due(poll: Poll, interval: float) -> bool:
    """Is a reconciliation under way, or is it time for one."""
    marks = poll.records.marks
    under_way = marks.reconciled_to is not None
    return under_way or marks.reconciled_at is None or poll.now - marks.reconciled_at >= interval


def reconcile(poll: Poll) -> None:
    """Read on from where the last slice ended, as far as the poll's allowance goes. Raises PollError."""
    marks = poll.records.marks
    high = math.inf if marks.reconciled_to is None else marks.reconciled_to
    if high <= poll.since:
        poll.pages.depth.window_is_whole()
        finish(poll)
        return
    poll.allowance = max(poll.allowance, _LEAST_REQUESTS)
    walk = poll.walk()
    order = walk.order
    number, page = _resume(poll, walk, high)
    while True:
        poll.take(page)
        if not order.newest_first:
            read_window(poll)
            return
        done = walk.ended or order.reaches(poll.since)
        low = poll.since if done and not walk.cut else min(order.oldest, high)
        further = compare(poll, low, min(high, poll.pages.top), number)
        if done and further is None:
            poll.ended(walk)
            finish(poll)
            return
        high = low if further is None else further
        if further is not None or poll.allowance <= 0:
            pause(poll, high, reconciled_page=number)
            return
        number += 1
        page = _page(poll, walk, number)


def read_window(poll: Poll) -> None:
    """Read the whole window in one go, where the order of the list can't be relied on. Raises PollError."""
    walk = poll.walk()
    for page in walk.sweep(poll.since):
        poll.take(page)
        poll.progress()
    poll.ended(walk)
    poll.found.incremental = walk.order.newest_first
    if walk.order.newest_first or not walk.cut:
        compare(poll, walk.order.oldest if walk.cut else poll.since, poll.pages.top, 0)
    ask_doubted(poll)
    finish(poll)


def finish(poll: Poll) -> None:
    """The window has been read. What is older and still in flight is asked for now, and only now. Raises PollError."""
    reached = poll.records.marks.reconciled_to
    before = poll.since if reached is None else min(math.nextafter(reached, math.inf), poll.since)
    if reached is not None:
        take_up(poll, reached)
    old = [one for one in poll.records.in_flight(-math.inf, before) if one[0] not in poll.met]
    # The list was not read as far as they are: for that they are gone speaks what is said at two reconciliations.
    doubted = poll.doubts.doubted_before(one for one, _ in old)
    waiting = [one for one in old if one[0] not in poll.asked]
    further = _ask_some(poll, sorted(waiting, key=lambda one: (-one[1], one[0])))
    poll.compared.update(one for one, _ in old if one in poll.asked)
    poll.doubts.not_shown(doubted & poll.asked - poll.met)
    if further is None:
        poll.mark(reconciled_to=None, reconciled_page=1, reconciled_at=poll.now)
    else:
        pause(poll, further)


def ask_doubted(poll: Poll) -> None:
    """Ask again for records that the polls before did not find, with half of the allowance. Raises PollError."""
    if poll.listing.by_id:
        most = max(1, poll.allowance // 2) * poll.listing.ids_per_request
        some = poll.doubts.open()[:most]
        poll.allowance -= math.ceil(len(some) / poll.listing.ids_per_request)
        poll.doubts.not_found(ask(poll, some))


def compare(poll: Poll, low: float, high: float, number: int) -> float | None:
    """Doubt the records that should stand between two times on this page (0: on any), and were not met.

    They are gone, or a deletion pulled them up to a page already read. Returns when those were created that it did
    not come to: a list that ends too early must not cost a request for each record it does not show.
    """
    missing = [one for one in poll.records.between(low, high) if one[0] not in poll.met]
    if not missing:
        return None
    if poll.listing.by_id:
        poll.doubts.not_shown(one for one, _ in missing)
        asked = {one for one, _ in missing if poll.doubts.was_asked(one)}
        poll.compared |= asked
        return _ask_some(poll, [one for one in missing if one[0] not in asked])
    # Page 0 has no records, and costs no request.
    for one in (number - 1, number, number + 1) if number else ():
        poll.allowance -= 1
        poll.take(poll.pages.page(poll.client, poll.listing, one))
    if not poll.found.rejected:
        poll.doubts.not_shown(one for one, _ in missing if one not in poll.met)
    return None


def _resume(poll: Poll, walk: Walk, high: float) -> tuple[int, Page]:
    """The page on which the last slice ended: one with a row that was created after `high`.

    Where rows were inserted above it is further down, and is come to; where rows were deleted it is further up. Of
    rows that were created at `high` itself one is enough, if it is known which of them the last slice has come to.
    """
    number, back = poll.records.marks.reconciled_page, 1
    known = poll.midway.created_at == high
    while True:
        poll.allowance -= 1
        page = poll.pages.page(poll.client, poll.listing, number)
        times = [record.created_at for record in page.records]
        if number == 1 or any(one > high or (known and one == high) for one in times):
            take_up(poll, high)
            return number, walk.take(page, number)
        number, back = max(1, number - back), back * 2


def pause(poll: Poll, high: float, **marks: int) -> None:
    """End a slice: what was created later, and of what was created then the part that was come to, is done."""
    moment = (one for one, _ in poll.records.between(math.nextafter(high, -math.inf), high))
    poll.midway.created_at, poll.midway.done = high, frozenset(moment) & (poll.met | poll.compared)
    poll.mark(reconciled_to=high, **marks)


def take_up(poll: Poll, high: float) -> float:
    """Go on where the last slice ended: what it came to, of the records that were created then, is up to date."""
    if poll.midway.created_at == high:
        poll.met |= poll.midway.done
    return high


def _ask_some(poll: Poll, waiting: Sequence[tuple[str, float]]) -> float | None:
    """Ask for records, newest first, within the allowance. Returns when the newest was created that is left."""
    most = max(1, poll.allowance) * poll.listing.ids_per_request
    some = [one for one, _ in waiting[:most]]
    poll.allowance -= math.ceil(len(some) / poll.listing.ids_per_request)
    poll.compared.update(some)
    missing = ask(poll, some)
    if poll.listing.by_id:
        poll.doubts.not_found(missing)
    return waiting[most][1] if len(waiting) > most else None


def _page(poll: Poll, walk: Walk, number: int) -> Page:
    poll.allowance -= 1
    return walk.page(number)
