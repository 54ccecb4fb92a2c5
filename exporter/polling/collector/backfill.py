"""Read the window for the first time, newest first, and resume where a restart interrupted it."""

import math
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
    """Read the whole window. No record of it is a new event, however it ends. Return how many pages that took.

    The checkpoint's `newest` stays as of page 1: newer records were not looked at. Raises PollError; what was read
    until then is kept.
    """
    walk = poll.walk()
    order = walk.order
    if poll.records.checkpoint.backfilling_since is None:
        poll.update_checkpoint(backfilling_since=poll.now)
    start = _resume(poll)
    # If the pages before were not in order, those that follow are not either.
    order.newest_first = poll.records.checkpoint.backfilled_page == 1
    pages = 0
    for batch in _batches(walk.sweep(poll.since, start)):
        checkpoint = poll.records.checkpoint
        if start == 1 and not pages:
            poll.note_newest_page(batch[0])
            newest = max(batch[0].times, default=None)
            # When it was first seen is noted at the end of the poll that completes the backfill.
            checkpoint = poll.changed_checkpoint(newest=newest, newest_at=None)
        pages += len(batch)
        checkpoint = replace(
            checkpoint,
            backfilled_to=order.oldest if order.newest_first else None,
            backfilled_page=1 if order.newest_first else start + pages - 1,
        )
        joined = _joined(batch)
        if joined.rejected and checkpoint.horizon is None:
            # Once they can be read, those that were there before are no new events.
            checkpoint = replace(checkpoint, horizon=checkpoint.backfilling_since)
        poll.ingest(joined, checkpoint)
        # A window may hold a million records: their IDs are not kept in memory.
        poll.met.clear()
        poll.progress()
    poll.note_end(walk)
    poll.result.incremental = order.newest_first
    return start + pages - 1


def _batches(pages: Iterable[Page]) -> Iterator[Sequence[Page]]:
    """Yield the pages of each second together: one transaction for them costs half. Raises as `pages` does."""
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
    """Return the page to resume at: one with a known record, so that there is no gap.

    If the list is not in order, rows that have moved meanwhile are found by the next scan, and are no new events then.
    """
    checkpoint = poll.records.checkpoint
    reached = checkpoint.backfilled_to
    if reached is None:
        return checkpoint.backfilled_page
    page = poll.records.count_between(reached, math.inf) // poll.pages.rows
    while page > 1:
        read = poll.pages.page(poll.client, page)
        if max(read.times, default=-math.inf) > reached:
            return page
        page //= 2
    return 1
