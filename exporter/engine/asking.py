"""Asking for records by their ids, and which way of bringing records in flight up to date costs least."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.client import Request
from exporter.engine.poll import Poll
from exporter.records import FetchError
from exporter.sources.listing import Page


def ask(poll: Poll, ids: Sequence[str]) -> set[str]:
    """Ask for records by id and keep what is said. Returns the ids the API says it does not have. Raises FetchError."""
    missing: set[str] = set()
    size = poll.listing.ids_per_request
    for start in range(0, len(ids), size):
        some = ids[start : start + size]
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
        for number in range(1, len(ids) + 1):
            page = _page(poll, request, number)
            if page is None:
                break
            poll.take(page)
            found.update(record.id for record in page.records)
            proves = proves and not page.rejected
            if page.last or len(found) >= len(ids) or not page.rows:
                break
    return found if proves and found <= set(ids) else set(ids)


def _page(poll: Poll, request: Request, number: int) -> Page | None:
    if number > 1:
        request = replace(request, params={**request.params, "page": str(number)})
    try:
        return poll.listing.read_asked(poll.client.get(request))
    except FetchError as error:
        # Of a list, 404 does not say that its records are not there.
        if error.status != 404 or poll.listing.ids_per_request > 1:
            raise
        return None


@dataclass(frozen=True, slots=True)
class Plan:
    """How to bring records in flight up to date: read the list to this page, and ask for so many of the oldest."""

    last_page: int
    asked: int


def plan(ranks: Sequence[int], rows: int, ids_per_request: int, pages_read: int, by_id: bool) -> Plan:
    """The cheapest plan for records in flight, whose ranks (records before them in the list) ascend.

    Reading up to a page brings all records on it up to date; the others are asked for by id. Pure.
    """
    choices = [(math.ceil(len(ranks) / ids_per_request), pages_read, len(ranks))] if by_id else []
    for place, rank in enumerate(ranks):
        page = max(pages_read, rank // rows + 1)
        left = len(ranks) - place - 1
        if by_id or not left:
            choices.append((page - pages_read + math.ceil(left / ids_per_request), page, left))
    cost, page, left = min(choices, default=(0, pages_read, 0))
    del cost
    return Plan(page, left)
