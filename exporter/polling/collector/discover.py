"""Find new records at the top of the list, and bring records in flight up to date."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.polling.collector.fetch_by_id import Plan, Ways, fetch_by_id, plan
from exporter.polling.collector.in_flight import read_in_flight
from exporter.polling.collector.list_end import no_end
from exporter.polling.collector.pagination import Walk
from exporter.polling.collector.poll import Poll
from exporter.state import Checkpoint

_MOST_PAGES = 100_000

SKEW_SECONDS = 300.0
"""How far the clocks of the API's hosts may differ: a record that is older than the newest one by no more than that
when it appears is found at the next poll."""

AHEAD_SECONDS = 900.0
"""How far below the middle of the newest page discovery looks if all clocks of the API are ahead of ours. If rows are
dated farther ahead, one that is dated now may not be found before the next reconciliation."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """How far discovery got."""

    pages: int
    short: int
    """How many rows the first page lacks, if the newest rows are at the end of the list."""
    walk: Walk
    complete: bool
    """Whether the list was read to its end or to the beginning of the window."""


def discover(poll: Poll) -> Discovered:
    """Read pages from the newest, until one has no change and is older than the last poll. Raises PollError."""
    known_to = _known_to(poll.records.checkpoint)
    walk = poll.walk()
    order = walk.order
    number = 1
    newest = walk.page(1)
    short = poll.pages.full - newest.rows
    poll.note_newest_page(newest)
    changed = poll.ingest(newest)
    while True:
        if walk.ended or order.reaches(poll.since):
            return Discovered(number, short, walk, complete=True)
        if not order.newest_first or (not changed and order.oldest <= known_to):
            return Discovered(number, short, walk, complete=False)
        number += 1
        if number > _MOST_PAGES:
            raise no_end()
        changed = poll.ingest(walk.page(number))


def _known_to(checkpoint: Checkpoint) -> float:
    """Return up to when all records are known, by the clocks of all hosts of the API.

    The time of the last successful poll is by our clock, not by the records' clock. By theirs the poll began when its
    newest record was created, or later by as long as that record had been known. If their clocks are ahead of ours,
    as their newest page shows, our own time would be too far down the list.
    """
    # A backfill takes the place of the last poll: its first page is that old.
    polled_at = checkpoint.polled_at if checkpoint.complete else checkpoint.backfilling_since
    if checkpoint.newest is None or polled_at is None:
        return -math.inf
    known_for = polled_at - checkpoint.newest_at if checkpoint.complete and checkpoint.newest_at is not None else 0.0
    known_to = min(polled_at, checkpoint.newest + known_for)
    if checkpoint.middle is not None:
        known_to = max(known_to, checkpoint.middle + known_for - AHEAD_SECONDS)
    return known_to - SKEW_SECONDS


def refresh(poll: Poll, discovered: Discovered) -> None:
    """Bring the records in flight that discovery did not meet up to date, the cheapest way. Raises PollError.

    Those older than the window are left to reconciliations: a record that never finishes must not cost a request at
    each poll.
    """
    pages_read = discovered.pages
    while True:
        waiting = [record for record in poll.records.in_flight(poll.since) if record[0] not in poll.met]
        if not waiting:
            return
        chosen = _plan(poll, waiting, pages_read, discovered.short)
        if chosen.filtered:
            read_in_flight(poll, len(waiting))
        for number in range(pages_read + 1, chosen.last_page + 1):
            if discovered.walk.ended:
                break
            poll.ingest(discovered.walk.page(number))
        pages_read = max(pages_read, chosen.last_page)
        if not poll.can_fetch_by_id:
            return
        left = [record_id for record_id, _ in waiting if record_id not in poll.met]
        poll.missing.not_found(fetch_by_id(poll, left))
        if poll.can_fetch_by_id:
            return
        # The API has ignored the IDs: only the list has what is left.


def _plan(poll: Poll, waiting: Sequence[tuple[str, float]], pages_read: int, short: int) -> Plan:
    ways = Ways(
        rows=poll.pages.full,
        ids_per_request=poll.listing.ids_per_request,
        pages_read=pages_read,
        can_fetch_by_id=poll.can_fetch_by_id,
        filters=len(poll.listing.in_flight_filters) if poll.pages.filters.obeyed else 0,
    )
    by_id = poll.by_id if poll.can_fetch_by_id else None
    times = [created for record_id, created in waiting if by_id is None or by_id.is_due(record_id)]
    return plan([rank + short for rank in _ranks(poll, times, ways.rows)], ways)


def _ranks(poll: Poll, times: list[float], rows: int) -> list[int]:
    """Return how many known records were created after each of these times, which descend.

    Counting stops where fetching by ID is cheaper in any case.
    """
    enough = rows * (len(times) + 1)
    ranks: list[int] = []
    above, rank = math.inf, 0
    for moment in times:
        if rank <= enough or not poll.can_fetch_by_id:
            rank += poll.records.count_between(moment, above)
        ranks.append(rank)
        above = moment
    return ranks
