"""Finding what is new at the top of the list, and bringing what is in flight up to date."""

import math
from dataclasses import dataclass

from exporter.polling.collector.fetch_by_id import Ways, ask, plan
from exporter.polling.collector.in_flight import read_in_flight
from exporter.polling.collector.list_end import no_end
from exporter.polling.collector.pagination import Walk
from exporter.polling.collector.poll import Poll
from exporter.state import Checkpoint

_MOST_PAGES = 100_000

SKEW_SECONDS = 300.0
"""How far the clocks of the vendor's hosts may be apart: so much older than the newest record may one be when it
appears, and still be found at the next poll."""

AHEAD_SECONDS = 900.0
"""How far below the middle of the newest page is looked, should all clocks of the vendor be ahead of ours: with rows
that are dated farther ahead than that, one that is dated now may be found at the next reconciliation only."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """How far discovery has come."""

    pages: int
    short: int
    """How many rows the first page has less than a full one, where the newest rows are at the end of a list."""
    walk: Walk
    complete: bool
    """The list was read to its end or to the beginning of the window."""


def discover(poll: Poll) -> Discovered:
    """Read pages from the newest on, until one says nothing new and lies before what the last poll saw.

    Raises PollError.
    """
    known_to = _known_to(poll.records.marks)
    walk = poll.walk()
    order = walk.order
    number, short = 1, 0
    while True:
        page = walk.page(number)
        if number == 1:
            short = poll.pages.full - page.rows
            poll.look_at_newest(page)
        changed = poll.take(page)
        if walk.ended or order.reaches(poll.since):
            return Discovered(number, short, walk, complete=True)
        if not order.newest_first or (not changed and order.oldest <= known_to):
            return Discovered(number, short, walk, complete=False)
        number += 1
        if number > _MOST_PAGES:
            raise no_end()


def _known_to(marks: Checkpoint) -> float:
    """Up to when all that was created is known, by the clocks of all hosts of the vendor.

    The last good poll was by another clock than the records. By theirs it began when its newest record was created,
    or so much later as that had been known for. Where they are ahead of ours, as their newest page shows, our own
    time would be too far down the list.
    """
    # A backfill stands for the last poll: its first page is that old.
    polled_at = marks.polled_at if marks.complete else marks.backfilling_since
    if marks.newest is None or polled_at is None:
        return -math.inf
    known_for = polled_at - marks.newest_at if marks.complete and marks.newest_at is not None else 0.0
    known_to = min(polled_at, marks.newest + known_for)
    if marks.middle is not None:
        known_to = max(known_to, marks.middle + known_for - AHEAD_SECONDS)
    return known_to - SKEW_SECONDS


def refresh(poll: Poll, discovered: Discovered) -> None:
    """Bring the records in flight that discovery has not met up to date, the cheapest way. Raises PollError.

    Those older than the window are left to reconciliations: work that the vendor has forgotten must not cost a
    request a minute for ever.
    """
    waiting = [one for one in poll.records.in_flight(poll.since) if one[0] not in poll.met]
    if not waiting:
        return
    ways = Ways(
        rows=poll.pages.full,
        ids_per_request=poll.listing.ids_per_request,
        pages_read=discovered.pages,
        by_id=poll.listing.by_id,
        filters=len(poll.listing.in_flight_filters) if poll.pages.filters else 0,
    )
    ranks = [rank + discovered.short for rank in _ranks(poll, [created for _, created in waiting], ways.rows)]
    chosen = plan(ranks, ways)
    if chosen.filtered:
        read_in_flight(poll, len(waiting))
    for number in range(discovered.pages + 1, chosen.last_page + 1):
        poll.take(discovered.walk.page(number))
        if discovered.walk.ended:
            break
    left = [one for one, _ in waiting if one not in poll.met]
    if poll.listing.by_id:
        poll.doubts.not_found(ask(poll, left))


def _ranks(poll: Poll, times: list[float], rows: int) -> list[int]:
    """How many known records were created after each of these times, which descend.

    Counting stops where asking by id is cheaper however it goes on.
    """
    enough = rows * (len(times) + 1)
    ranks: list[int] = []
    above, rank = float("inf"), 0
    for moment in times:
        if rank <= enough or not poll.listing.by_id:
            rank += poll.records.count_between(moment, above)
        ranks.append(rank)
        above = moment
    return ranks
