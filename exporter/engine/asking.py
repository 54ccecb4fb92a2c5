"""Asking for records by their ids, and which way of bringing records in flight up to date costs least."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.client import Request
from exporter.engine.poll import Poll
from exporter.records import FetchError
from exporter.sources.listing import Page


def ask(poll: Poll, ids: Sequence[str]) -> set[str]:
    """Ask for records by id and keep what is said. Returns the ids the API says it does not have.

    An answer that holds other records than those asked for proves nothing of the missing ones. Raises FetchError.
    """
    missing: set[str] = set()
    size = poll.listing.ids_per_request
    for start in range(0, len(ids), size):
        some = ids[start : start + size]
        found = _answers(poll, some)
        missing.update(set(some) - found if found <= set(some) else ())
    return missing


def _answers(poll: Poll, ids: Sequence[str]) -> set[str]:
    """The ids in the answers to one request, page after page where the server answers in smaller pages than asked."""
    found: set[str] = set()
    for request in poll.listing.ask(ids):
        for number in range(1, len(ids) + 1):
            page = _page(poll, request, number)
            if page is None:
                break
            poll.take(page)
            found.update(record.id for record in page.records)
            if page.last or len(found) >= len(ids) or not page.rows:
                break
    return found


def _page(poll: Poll, request: Request, number: int) -> Page | None:
    if number > 1:
        request = replace(request, params={**request.params, "page": str(number)})
    try:
        return poll.listing.read_asked(poll.client.get(request))
    except FetchError as error:
        if error.status != 404:
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
