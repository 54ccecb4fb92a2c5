"""Fetch records by ID, and choose the cheapest way to bring records in flight up to date."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.client import Request
from exporter.model.record import FetchError, Reason
from exporter.polling.collector.list_end import End, judge
from exporter.polling.collector.poll import Poll
from exporter.polling.collector.server_limits import is_refusal
from exporter.systems.base import Page

_OF_THIS_RECORD = (Reason.CLIENT_ERROR, Reason.SERVER_ERROR, Reason.MALFORMED)


_SOME = 100
"""How many finished records are looked at for one that was not deleted."""

GONE = (404, 410)
"""How an API answers that does not have a record."""


def fetch_by_id(poll: Poll, ids: Sequence[str]) -> set[str]:
    """Fetch records by ID and keep them. Return the IDs that the API does not have. Raises FetchError.

    Where a request names one record, the API may fail to return it: that hides no other, and is counted as rejected.
    But if it returns none at all, no more are requested: see `check_answered`.
    """
    missing: set[str] = set()
    # A server that refuses large pages would refuse one for so many IDs.
    size = min(poll.listing.ids_per_request, poll.pages.rows)
    for start in range(0, len(ids), size):
        if poll.by_id_fails:
            break
        requested = ids[start : start + size]
        poll.fetched.update(requested)
        missing |= set(requested) - _answered(poll, requested)
    return missing


def _answered(poll: Poll, ids: Sequence[str]) -> set[str]:
    """Return the IDs that the API may have. Several pages are read if it answers with fewer rows than requested.

    An answer with other records, or with some that can't be understood, proves nothing about those that it lacks.
    """
    found: set[str] = set()
    proves = True
    for request in poll.listing.requests_by_id(ids):
        page: Page | None = None
        for number in itertools.count(1):
            page = _page(poll, request, number, page)
            if page is None:
                break
            poll.ingest(page)
            new = set(page.ids) & set(ids) - found
            found |= new
            proves = proves and not page.rejected and found.issuperset(page.ids)
            if page.last or len(found) == len(ids) or not new:
                break
    return found if proves else set(ids)


def _page(poll: Poll, request: Request, number: int, before: Page | None) -> Page | None:
    """Return a page of an answer, `before` being the one before it; None if the API has no such page or record."""
    if number > 1:
        request = replace(request, params={**request.params, "page": str(number)})
    try:
        page = poll.answers.page(poll.client, request, poll.listing.read_by_id)
        poll.returned = True
        poll.reached = poll.reached or bool(page.ids)
        return page
    except FetchError as error:
        if before is not None and is_refusal(error) and _may_end(before, number - 1):
            return None
        # An error of a list says nothing about its records.
        if poll.listing.ids_per_request > 1 or error.reason not in _OF_THIS_RECORD:
            raise
        _not_answered(poll, error)
        if error.status in GONE:
            return None
    # A record that the API fails to return must not hide all others.
    return Page((), {"not_answered": 1}, rows=1)


def _may_end(page: Page, number: int) -> bool:
    """Return whether an answer may end with this page, by the API's own counts if it has any."""
    return judge(replace(page, records=(), rows=0), number + 1, page.size or page.rows, page.rows) is not End.BROKEN


def _not_answered(poll: Poll, error: FetchError) -> None:
    """Note that the API has not returned a record. If it has returned none yet, request one that it must have."""
    gone = error.status in GONE
    if poll.unanswered is None or not gone:
        poll.unanswered = error
    if gone:
        poll.reached = True
    elif not poll.returned:
        _probe(poll)


def _probe(poll: Poll) -> None:
    """Request a record that the API has shown. If it does not return that one either, it returns none."""
    known = poll.listed or _finished(poll)
    if known is None or known in poll.fetched:
        return
    poll.fetched.add(known)
    (request,) = poll.listing.requests_by_id([known])
    try:
        page = poll.answers.page(poll.client, request, poll.listing.read_by_id)
    except FetchError as error:
        if error.reason not in _OF_THIS_RECORD:
            raise
        # A record that is not on a list may have been deleted.
        poll.returned = error.status in GONE and poll.listed is None
    else:
        poll.ingest(page)
        poll.returned = True
    poll.reached = poll.reached or poll.returned
    poll.by_id_fails = not poll.returned


def _finished(poll: Poll) -> str | None:
    """Return the ID of a record that the API has returned before, and that is not in flight: the newest of some."""
    known = [record for record in poll.records.finished_before(poll.now, _SOME) if not record.deleted]
    return max(known, key=lambda record: record.created_at).id if known else None


def check_answered(poll: Poll) -> None:
    """Raise the API's error if it returns no record by ID, so that some in flight are old. Raises FetchError.

    They would be shown as in flight for as long as it lasts.
    """
    if poll.unanswered is None or poll.returned:
        return
    if all(record_id in poll.met for record_id, _ in poll.records.in_flight(poll.since)):
        return
    if poll.reached and not poll.by_id_fails and poll.listed is not None:
        # It says that it does not have them: does it have what its list shows?
        _probe(poll)
    if poll.by_id_fails or not poll.reached:
        raise poll.unanswered


@dataclass(frozen=True, slots=True)
class Ways:
    """The possible ways to bring records in flight up to date."""

    rows: int
    """Rows of a page of the list."""
    ids_per_request: int
    pages_read: int
    """Pages of the list that this poll has read already."""
    can_fetch_by_id: bool
    """Whether records can be fetched by ID."""
    filters: int = 0
    """How many lists have the records in flight; 0 if there are none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to bring records in flight up to date.

    Read the lists of records in flight if `filtered`, then the list to `last_page`, then fetch the rest by ID: about
    `asked` of the oldest.
    """

    last_page: int
    asked: int
    filtered: bool = False


def plan(ranks: Sequence[int], ways: Ways) -> Plan:
    """Return the cheapest plan for records in flight, whose ranks (records before them in the list) ascend. Pure.

    Reading up to a page brings all records on it up to date; the others are fetched by ID.
    """
    if not ranks:
        return Plan(ways.pages_read, 0)
    choices: list[tuple[int, Plan]] = []
    if ways.can_fetch_by_id:
        choices.append((math.ceil(len(ranks) / ways.ids_per_request), Plan(ways.pages_read, len(ranks))))
        if ways.filters:
            choices.append((ways.filters + len(ranks) // ways.rows, Plan(ways.pages_read, 0, filtered=True)))
    for place, rank in enumerate(ranks):
        page = max(ways.pages_read, rank // ways.rows + 1)
        left = len(ranks) - place - 1
        if ways.can_fetch_by_id or not left:
            choices.append((page - ways.pages_read + math.ceil(left / ways.ids_per_request), Plan(page, left)))
    return min(choices, key=lambda choice: choice[0])[1]
