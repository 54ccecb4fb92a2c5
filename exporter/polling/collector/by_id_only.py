"""Polling by ids alone, where an account has no list: those that other records and the configuration name."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.polling.collector.fetch_by_id import ask
from exporter.polling.collector.poll import Poll
from exporter.polling.collector.reconcile import ask_doubted, compare, due, finish, pause, take_up

OVERLAP_SECONDS = 3600.0
"""Records that name batches are read by another collector, in its own time."""

_POLLS = 2
"""Polls in a row that must say of a new id that there is nothing, until it is left to reconciliations."""


@dataclass(slots=True)
class Named:
    """What was learnt of ids that are named. Kept in memory: a restart asks for them again."""

    unfound: dict[str, int] = field(default_factory=dict)
    """Ids that the API did not have, and at how many polls in a row it said so."""
    again: list[str] = field(default_factory=list)
    """Those of them that the reconciliation under way has yet to ask for."""


def read_named(poll: Poll, named: Named, interval: float) -> None:
    """Ask for what is newly named and what is in flight; bit by bit, at reconciliations, for all. Raises PollError."""
    marks = poll.records.marks
    new = _new(poll, named)
    _ask(poll, named, {*new, *(one for one, _ in poll.records.in_flight(poll.since))})
    ask_doubted(poll)
    if not marks.complete:
        finish(poll)
    elif due(poll, interval):
        _reconcile(poll, named)


def _new(poll: Poll, named: Named) -> list[str]:
    """Ids that are named and not known."""
    marks = poll.records.marks
    everything = not marks.complete or marks.polled_at is None or marks.reconciled_at is None
    since = poll.since if everything or marks.polled_at is None else marks.polled_at - OVERLAP_SECONDS
    ids = {*poll.listing.known_ids, *poll.records.batches_named_by(poll.listing.parts or "", since)}
    # What was known of another scope is asked for again.
    known = {one for one, record in poll.records.get(sorted(ids)).items() if marks.complete or not record.deleted}
    return [one for one in ids - known if named.unfound.get(one, 0) < _POLLS]


def _reconcile(poll: Poll, named: Named) -> None:
    """Ask for what is known in the window, and was not there before, newest first, as far as the allowance goes."""
    reached = poll.records.marks.reconciled_to
    if reached is None:
        named.again = list(named.unfound)
    most = max(1, poll.allowance)
    some, named.again = named.again[:most], named.again[most:]
    poll.allowance -= len(some)
    _ask(poll, named, some)
    high = take_up(poll, math.inf if reached is None else reached)
    further = compare(poll, poll.since, high, 0) if high > poll.since else None
    if further is not None:
        pause(poll, further)
    elif named.again:
        pause(poll, min(high, poll.now))
    else:
        finish(poll)


def _ask(poll: Poll, named: Named, ids: Iterable[str]) -> None:
    asked = sorted(ids)
    missing = ask(poll, asked)
    known = set(poll.records.get(sorted(missing)))
    poll.doubts.not_found(missing & known)
    for one in asked:
        if one in missing - known:
            named.unfound[one] = named.unfound.get(one, 0) + 1
        else:
            named.unfound.pop(one, None)
