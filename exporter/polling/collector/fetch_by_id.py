"""Fetch records by ID, and choose the cheapest way to bring records in flight up to date."""

import itertools
import logging
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from exporter.client import Request
from exporter.model.record import FetchError
from exporter.polling.collector.by_id import GONE
from exporter.polling.collector.list_end import End, judge
from exporter.polling.collector.poll import Poll
from exporter.polling.collector.server_limits import is_refusal
from exporter.systems.base import Page

log = logging.getLogger(__name__)

_SOME = 100
"""The number of finished records that are searched for one that was not deleted."""

_PROBES = 2
"""The API counts as returning no record when it fails to return this many records that it must have."""


def fetch_by_id(poll: Poll, ids: Sequence[str]) -> set[str]:
    """Fetch records by ID and keep them. Return the IDs that the API does not have.

    A record that the API fails to return is set aside and counted as rejected; the others are still fetched. If the
    API returns no record at all, no more are requested: see `check_answered`. Raises FetchError for errors that are
    not about a record: a refused token or the rate limit.
    """
    missing: set[str] = set()
    if not poll.pages.ids.obeyed:
        return missing
    by_id = poll.by_id
    # A server that refuses large pages would refuse one for so many IDs.
    size = min(poll.listing.ids_per_request, poll.pages.rows)
    requests = deque(by_id.aside.requests(ids, size, by_id.now))
    if requests and by_id.aside.polls_down and not (by_id.returned or by_id.is_over):
        _probe(poll)
    while requests and poll.pages.ids.obeyed and not by_id.is_over:
        requested = requests.popleft()
        by_id.fetched.update(requested)
        try:
            missing |= set(requested) - _answered(poll, requested)
        except FetchError as error:
            requests.extendleft(reversed(by_id.note_failed(requested, error)))
            if by_id.is_doubtful:
                _probe(poll)
    by_id.left = by_id.left or any(by_id.aside.is_new(requested) for requested in requests)
    if ids and not by_id.fetched:
        # All are set aside. Check that the API still returns other records.
        _probe(poll)
    return missing


def _answered(poll: Poll, ids: Sequence[str]) -> set[str]:
    """Return the IDs that the API may have. Several pages are read if it answers with fewer rows than requested.

    An answer with other records, or with some that can't be understood, proves nothing about those that it lacks.
    Raises FetchError.
    """
    found: set[str] = set()
    others = False
    proves = True
    for request in poll.listing.requests_by_id(ids):
        page: Page | None = None
        for number in itertools.count(1):
            try:
                page = _page(poll, request, number)
            except FetchError as error:
                if page is not None and is_refusal(error) and _may_end(page, number - 1):
                    break
                if error.status not in GONE or len(ids) > 1:
                    raise
                poll.by_id.note_gone(error)
                break
            new = set(page.ids) & set(ids) - found
            found |= new
            others = others or not found.issuperset(page.ids)
            proves = proves and not page.rejected and not others
            if page.last or len(found) == len(ids) or not new:
                break
    if others and len(found) < len(ids) and poll.listing.ids_per_request > 1:
        poll.pages.ids.obeyed = False
        log.warning("API ignores the IDs of records: reading the list for unfinished records", extra=poll.pages.where)
    poll.by_id.aside.answered(ids)
    return found if proves else set(ids)


def _page(poll: Poll, request: Request, number: int = 1) -> Page:
    """Request records by ID and keep them. Raises FetchError."""
    if number > 1:
        request = replace(request, params={**request.params, "page": str(number)})
    page = poll.answers.page(poll.client, request, poll.listing.read_by_id)
    poll.ingest(page)
    poll.note_not_answered(poll.by_id.note_returned(page.ids))
    return page


def _may_end(page: Page, number: int) -> bool:
    """Return whether an answer may end with this page, by the API's own counts if it has any."""
    return judge(replace(page, records=(), rows=0), number + 1, page.size or page.rows, page.rows) is not End.BROKEN


def _probe(poll: Poll) -> None:
    """Request records that the API must have. If it returns none of them, it counts as returning no record at all.

    If it returned none at the last poll, one request checks whether it does again.
    """
    by_id = poll.by_id
    most = 1 if by_id.aside.polls_down else _PROBES
    record_id = None
    for record_id in itertools.islice(_must_be_there(poll), most):
        by_id.fetched.add(record_id)
        (request,) = poll.listing.requests_by_id([record_id])
        try:
            _page(poll, request)
        except FetchError as error:
            # A record that is not on a list may have been deleted.
            if error.status in GONE and not by_id.listed:
                poll.note_not_answered(by_id.note_returned(()))
                return
            by_id.note_probe_failed(error)
            by_id.aside.failed([record_id], by_id.now)
        else:
            by_id.aside.answered([record_id])
            return
    if record_id is not None:
        by_id.note_down()


def _must_be_there(poll: Poll) -> Iterator[str]:
    """Yield IDs of records that the API must have: different ones at each poll while it returns none.

    Records that it has recently failed to return are left out.
    """
    by_id = poll.by_id
    if by_id.last_returned is not None:
        yield by_id.last_returned
    known = [*by_id.listed, *_finished(poll)]
    known = [record_id for record_id in known if by_id.aside.is_new([record_id])] or known
    start = by_id.aside.polls_down % max(1, len(known))
    yield from (record_id for record_id in (*known[start:], *known[:start]) if record_id not in by_id.fetched)


def _finished(poll: Poll) -> Sequence[str]:
    """Return the IDs of some records that the API has returned before, and that are not in flight, newest first."""
    known = [record for record in poll.records.finished_before(poll.now, _SOME) if not record.deleted]
    return [record.id for record in sorted(known, key=lambda record: record.created_at, reverse=True)]


def check_answered(poll: Poll) -> None:
    """Raise the API's error if it returns no record by ID. Raises FetchError.

    Otherwise records in flight would be exposed with old values for as long as it lasts.
    """
    prove(poll)
    by_id = poll.by_id
    if by_id.error is None:
        return
    is_up = by_id.returned and not by_id.fails
    if is_up or all(record_id in poll.met for record_id, _ in poll.records.in_flight(poll.since)):
        poll.note_not_answered(by_id.failed)
        return
    if by_id.reached and not by_id.fails and by_id.listed:
        # The API answers that it does not have them. Check whether it has those that its list shows.
        _probe(poll)
    if by_id.fails or not by_id.reached:
        by_id.note_down()
        raise by_id.error


def prove(poll: Poll) -> None:
    """Check whether the API returns any record by ID, if the last requests have failed."""
    if poll.by_id.in_a_row and not poll.by_id.fails:
        _probe(poll)


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
