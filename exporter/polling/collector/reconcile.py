"""Read the window again, a slice at each poll, for records that changed late or were deleted upstream."""

import math
from collections.abc import Sequence

from exporter.polling.collector.fetch_by_id import fetch_by_id
from exporter.polling.collector.pagination import Walk
from exporter.polling.collector.poll import Poll
from exporter.systems.base import Page

_LEAST_REQUESTS = 2
"""A slice begins with the page on which the last one ended, so that there is no gap: a second page makes progress."""


def due(poll: Poll, interval: float) -> bool:
    """Return whether a reconciliation is in progress or due. `interval` is in seconds."""
    checkpoint = poll.records.checkpoint
    under_way = checkpoint.reconciled_to is not None
    return under_way or checkpoint.reconciled_at is None or poll.now - checkpoint.reconciled_at >= interval


def reconcile(poll: Poll) -> None:
    """Read on from where the last slice ended, as far as the poll's allowance permits. Raises PollError."""
    checkpoint = poll.records.checkpoint
    high = math.inf if checkpoint.reconciled_to is None else checkpoint.reconciled_to
    if high <= poll.since:
        poll.pages.depth.window_is_whole()
        finish(poll)
        return
    poll.allowance = max(poll.allowance, _LEAST_REQUESTS)
    walk = poll.walk()
    order = walk.order
    number, page = _resume(poll, walk, high)
    while True:
        poll.ingest(page)
        if not order.newest_first:
            scan_window(poll)
            return
        done = walk.ended or order.reaches(poll.since)
        low = poll.since if done and not walk.cut else min(order.oldest, high)
        further = compare(poll, low, min(high, poll.pages.top), number)
        if done and further is None:
            poll.note_end(walk)
            finish(poll)
            return
        high = low if further is None else further
        if further is not None or (poll.allowance <= 0 and high != poll.unknown_moment):
            pause(poll, high, reconciled_page=number)
            return
        number += 1
        poll.allowance -= 1
        page = walk.page(number)


def scan_window(poll: Poll) -> None:
    """Read the whole window at once, for a list that is not in order. Raises PollError."""
    walk = poll.walk()
    for page in walk.sweep(poll.since):
        poll.ingest(page)
        poll.progress()
    poll.note_end(walk)
    poll.result.incremental = walk.order.newest_first
    if walk.order.newest_first or not walk.cut:
        compare(poll, walk.order.oldest if walk.cut else poll.since, poll.pages.top)
    recheck_missing(poll)
    finish(poll)


def finish(poll: Poll) -> None:
    """End a scan of the window: fetch what is older and still in flight, now and only now. Raises PollError."""
    reached = poll.records.checkpoint.reconciled_to
    before = poll.since if reached is None else min(math.nextafter(reached, math.inf), poll.since)
    if reached is not None:
        resume_slice(poll, reached)
    old = [record for record in poll.records.in_flight(-math.inf, before) if record[0] not in poll.met]
    # The list was not read that far: two reconciliations that do not find them take the place of its pages.
    missed = poll.missing.missed_before(record_id for record_id, _ in old)
    waiting = [record for record in old if record[0] not in poll.by_id.fetched]
    further = _fetch_some(poll, sorted(waiting, key=lambda record: (-record[1], record[0])))
    poll.compared.update(record_id for record_id, _ in old if record_id in poll.by_id.fetched)
    poll.missing.not_shown(missed & poll.by_id.fetched - poll.met)
    if further is None:
        poll.update_checkpoint(reconciled_to=None, reconciled_page=1, reconciled_at=poll.now)
    else:
        pause(poll, further)


def recheck_missing(poll: Poll) -> None:
    """Fetch records again that earlier polls missed, with half of the allowance. Raises PollError."""
    if poll.can_fetch_by_id:
        most = max(1, poll.allowance // 2) * poll.listing.ids_per_request
        ids = poll.missing.unchecked()[:most]
        poll.allowance -= math.ceil(len(ids) / poll.listing.ids_per_request)
        poll.missing.not_found(fetch_by_id(poll, ids))


def compare(poll: Poll, low: float, high: float, number: int | None = None) -> float | None:
    """Check the records created in (low, high] that should be on this page (None: on any page) and were not met.

    They are deleted, or a deletion moved them up to a page that was already read. Return when the newest record was
    created that the allowance did not suffice for; None if there is none: a list that ends too early must not cost a
    request for each record it does not show.
    """
    missing = [record for record in poll.records.between(low, high) if record[0] not in poll.met]
    if not missing:
        return None
    if poll.can_fetch_by_id:
        poll.missing.not_shown(record_id for record_id, _ in missing)
        rechecked = {record_id for record_id, _ in missing if poll.missing.was_not_found(record_id)}
        poll.compared |= rechecked
        return _fetch_some(poll, [record for record in missing if record[0] not in rechecked])
    for neighbor in () if number is None else (number - 1, number, number + 1):
        poll.allowance -= 1
        poll.ingest(poll.pages.page(poll.client, neighbor))
    if not poll.result.rejected:
        poll.missing.not_shown(record_id for record_id, _ in missing if record_id not in poll.met)
    return None


def _resume(poll: Poll, walk: Walk, high: float) -> tuple[int, Page]:
    """Return the page on which the last slice ended, and its number: one with a row created after `high`.

    If rows were inserted above, the page has moved down and the scan reaches it; if rows were deleted, it has moved
    up. A row created at `high` itself suffices if it is known which of those the last slice has dealt with.
    """
    number, back = poll.records.checkpoint.reconciled_page, 1
    known = poll.slice_end.created_at == high
    while True:
        poll.allowance -= 1
        page = poll.pages.page(poll.client, number)
        # If the list has become shorter, some servers answer with the first page instead.
        times = [] if poll.pages.newest_ids.issuperset(page.ids) else page.times
        if number == 1 or any(time > high or (known and time == high) for time in times):
            resume_slice(poll, high)
            return number, walk.accept(page, number)
        number, back = max(1, number - back), back * 2


def pause(poll: Poll, high: float, **changes: int) -> None:
    """End a slice at `high`: newer records are done, and those of that very time that the slice has dealt with."""
    moment = (record_id for record_id, _ in poll.records.between(math.nextafter(high, -math.inf), high))
    poll.slice_end.created_at, poll.slice_end.done = high, frozenset(moment) & (poll.met | poll.compared)
    poll.update_checkpoint(reconciled_to=high, **changes)


def resume_slice(poll: Poll, high: float) -> float:
    """Count the records created at `high` that the last slice has dealt with as up to date. Return `high`.

    Where they are not known, this slice deals with all of that moment, whatever it costs: if each poll is made by a
    process of its own, a slice that ended among them again would make no progress.
    """
    if poll.slice_end.created_at == high:
        poll.met |= poll.slice_end.done
    else:
        poll.unknown_moment = high
    return high


def _fetch_some(poll: Poll, waiting: Sequence[tuple[str, float]]) -> float | None:
    """Fetch records by ID, newest first, as the allowance permits. Return when the newest was created that is left."""
    of_moment = sum(created_at == poll.unknown_moment for _, created_at in waiting)
    most = max(of_moment, max(1, poll.allowance) * poll.listing.ids_per_request)
    ids = [record_id for record_id, _ in waiting[:most]]
    poll.allowance -= math.ceil(len(ids) / poll.listing.ids_per_request)
    poll.compared.update(ids)
    missing = fetch_by_id(poll, ids)
    if poll.can_fetch_by_id:
        poll.missing.not_found(missing)
    return waiting[most][1] if len(waiting) > most else None
