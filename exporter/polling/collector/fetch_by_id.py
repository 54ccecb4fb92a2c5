"""Asking for records by their ids, and which way of bringing records in flight up to date costs least."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.client import Request
from exporter.model.record import FetchError, Reason
from exporter.polling.collector.poll import Poll
from exporter.systems.base import Page

_OF_THIS_RECORD = (Reason.CLIENT_ERROR, Reason.SERVER_ERROR, Reason.MALFORMED)


def ask(poll: Poll, ids: Sequence[str]) -> set[str]:
    """Ask for records by id and keep what is said. Returns the ids the API says it does not have. Raises FetchError."""
    missing: set[str] = set()
    # A server that refuses large pages would refuse one for so many ids.
    size = min(poll.listing.ids_per_request, poll.pages.manners.rows)
    for start in range(0, len(ids), size):
        some = ids[start : start + size]
        poll.asked.update(some)
        missing |= set(some) - _answered(poll, some)
    return missing


def _answered(poll: Poll, ids: Sequence[str]) -> set[str]:
    """The ids among these that may be there, page after page where the server answers in smaller pages than asked.

    An answer with other records than those asked for, or with some that can't be understood, proves nothing of those
    that are not in it.
    """
    found: set[str] = set()
    proves = True
    for request in poll.listing.ask(ids):
        for number in itertools.count(1):
            page = _page(poll, request, number)
            if page is None:
                break
            poll.take(page)
            new = {record.id for record in page.records} & set(ids) - found
            found |= new
            proves = proves and not page.rejected and found.issuperset(record.id for record in page.records)
            if page.last or len(found) == len(ids) or not new:
                break
    return found if proves else set(ids)


def _page(poll: Poll, request: Request, number: int) -> Page | None:
    if number > 1:
        request = replace(request, params={**request.params, "page": str(number)})
    try:
        return poll.listing.read_asked(poll.client.get(request))
    except FetchError as error:
        # Of a list, none of this says anything of its records.
        if poll.listing.ids_per_request > 1 or error.reason not in _OF_THIS_RECORD:
            raise
        if error.status in (404, 410):
            return None
    # One record that the API can't answer for must not keep all others from being seen.
    return Page((), {"not_answered": 1})


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways there are to bring records in flight up to date."""

    rows: int
    """On a page of the list."""
    ids_per_request: int
    pages_read: int
    """Pages of the list that this poll has read already."""
    by_id: bool
    """Can records be asked for by their ids."""
    filters: int = 0
    """The lists that have just the records in flight, all together; 0 where there are none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to bring records in flight up to date.

    Read the lists of what is in flight if `filtered`, the list to this page, and then ask for what is left: so many
    of the oldest as far as can be told beforehand.
    """

    last_page: int
    asked: int
    filtered: bool = False


def plan(ranks: Sequence[int], ways: Ways) -> Plan:
    """The cheapest plan for records in flight, whose ranks (records before them in the list) ascend.

    Reading up to a page brings all records on it up to date; the others are asked for by id. Pure.
    """
    if not ranks:
        return Plan(ways.pages_read, 0)
    choices: list[tuple[int, Plan]] = []
    if ways.by_id:
        choices.append((math.ceil(len(ranks) / ways.ids_per_request), Plan(ways.pages_read, len(ranks))))
        if ways.filters:
            choices.append((ways.filters + len(ranks) // ways.rows, Plan(ways.pages_read, 0, filtered=True)))
    for place, rank in enumerate(ranks):
        page = max(ways.pages_read, rank // ways.rows + 1)
        left = len(ranks) - place - 1
        if ways.by_id or not left:
            choices.append((page - ways.pages_read + math.ceil(left / ways.ids_per_request), Plan(page, left)))
    return min(choices, key=lambda choice: choice[0])[1]
