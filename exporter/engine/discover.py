"""Finding what is new at the top of the list, and bringing what is in flight up to date."""

from dataclasses import dataclass

from exporter.engine.asking import Ways, ask, plan
from exporter.engine.in_flight import read_in_flight
from exporter.engine.pages import Order, ends
from exporter.engine.poll import Poll
from exporter.records import FetchError, Reason

_MOST_PAGES = 100_000

OVERLAP_SECONDS = 30.0
"""How much older than the newest one a record may be when it appears, and still be found at the next poll."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """How far discovery has come."""

    pages: int
    short: int
    """How many rows the first page has less than a full one, where the newest rows are at the end of a list."""
    order: Order
    complete: bool
    """The list was read to its end or to the beginning of the window."""


def discover(poll: Poll) -> Discovered:
    """Read pages from the newest on, until one says nothing new and lies before what the last poll saw.

    Raises PollError.
    """
    seen_to = _seen_to(poll) - OVERLAP_SECONDS
    order = Order()
    number, short = 1, 0
    while True:
        page = poll.pages.page(poll.client, poll.listing, number)
        if number == 1:
            short = poll.pages.full - page.rows
        order.take(page)
        changed = poll.take(page)
        if ends(page) or order.reaches(poll.since):
            return Discovered(number, short, order, complete=True)
        if not order.newest_first or (not changed and order.oldest <= seen_to):
            return Discovered(number, short, order, complete=False)
        number += 1
        if number > _MOST_PAGES:
            raise FetchError(Reason.MALFORMED, "the list has no end", 200)


def _seen_to(poll: Poll) -> float:
    """Up to when what was created is known: the newest record of the last good poll, or that poll's own time.

    Its time is by another clock than the records'. So it is of no use where a discovery was cut off below records
    that are newer: their page says nothing new any more, and would end the next one before it came to the gap.
    """
    marks, newest = poll.records.marks, poll.records.newest()
    seen_to = marks.newest or 0.0
    cut_off = newest is not None and newest > seen_to
    return seen_to if cut_off else max(seen_to, marks.polled_at or 0.0)


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
        page = poll.pages.page(poll.client, poll.listing, number)
        poll.take(page)
        if ends(page):
            break
    left = [one for one, _ in waiting if one not in poll.met]
    if poll.listing.by_id:
        poll.lose(ask(poll, left))


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
