"""ID-only polling, for an account without the list: records that other records and the configuration name."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.model.record import FetchError
from exporter.polling.collector.by_id import GONE
from exporter.polling.collector.fetch_by_id import fetch_by_id, prove
from exporter.polling.collector.poll import Poll
from exporter.polling.collector.reconcile import compare, due, finish, pause, recheck_missing, resume_slice

OVERLAP_SECONDS = 3600.0
"""How far before the last poll records are searched for IDs, beside the interval of the collector that reads them."""

NO_LIST = (404, 405)
"""The statuses that say that the API does not have the list."""

_POLLS = 2
"""The number of polls in a row that do not find a new ID, after which only reconciliations request it."""


@dataclass(slots=True)
class IdOnlyPoll:
    """Poll by ID. The IDs that the API did not have are kept in memory: a restart fetches them again."""

    not_found: Counter[str] = field(default_factory=Counter)
    """How many polls in a row did not find each of these IDs."""
    waiting: list[str] = field(default_factory=list)
    """Those of these IDs that the reconciliation in progress has yet to fetch."""

    def run(self, poll: Poll, interval: float, naming_interval: float) -> None:
        """Fetch what is new and what is in flight by ID, and all records, bit by bit, at reconciliations.

        `interval` is the seconds between two reconciliations, `naming_interval` between two polls of the collector
        whose records name IDs. Raises PollError.
        """
        checkpoint = poll.records.checkpoint
        is_due = due(poll, interval)
        if not is_due:
            poll.answers.begin(checkpoint, poll.now)
        # What names an ID may itself have been read late, because its list was down: a reconciliation begins with all.
        everything = is_due and checkpoint.reconciled_to is None
        new = self._new_ids(poll, None if everything else OVERLAP_SECONDS + naming_interval)
        self._fetch(poll, {*new, *(record_id for record_id, _ in poll.records.in_flight(poll.since))})
        recheck_missing(poll)
        _check_reached(poll)
        if not checkpoint.complete:
            if poll.by_id.left and poll.by_id.error is not None:
                # Gauges would lack them. The next poll goes on with those.
                raise poll.by_id.error
            finish(poll)
        elif is_due:
            self._reconcile(poll)

    def _new_ids(self, poll: Poll, overlap: float | None) -> list[str]:
        """Return the IDs that are named and not known, by records created since so long before the last poll.

        `overlap` None stands for all records of the window.
        """
        checkpoint = poll.records.checkpoint
        everything = overlap is None or not checkpoint.complete or checkpoint.reconciled_at is None
        since = poll.since if everything or checkpoint.polled_at is None else checkpoint.polled_at - (overlap or 0.0)
        ids = _named(poll, since)
        kept = poll.records.get(sorted(ids))
        # Records known from other query settings are fetched again.
        known = {record_id for record_id, record in kept.items() if checkpoint.complete or not record.deleted}
        return [record_id for record_id in ids - known if self.not_found[record_id] < _POLLS]

    def _reconcile(self, poll: Poll) -> None:
        """Fetch the window's known records, newest first, and the IDs not found before, as the allowance permits."""
        reached = poll.records.checkpoint.reconciled_to
        if reached is None:
            # There is no list on which those would be seen again that the API has denied for some polls.
            kept = poll.records.get(sorted(_named(poll, poll.since))).values()
            self.waiting = [*self.not_found, *(record.id for record in kept if record.deleted)]
        most = max(1, poll.allowance)
        ids, self.waiting = self.waiting[:most], self.waiting[most:]
        poll.allowance -= len(ids)
        self._fetch(poll, ids)
        high = resume_slice(poll, math.inf if reached is None else reached)
        further = compare(poll, poll.since, high) if high > poll.since else None
        _check_reached(poll)
        if further is not None:
            pause(poll, further)
        elif self.waiting:
            pause(poll, min(high, poll.now))
        else:
            finish(poll)

    def _fetch(self, poll: Poll, ids: Iterable[str]) -> None:
        requested = sorted(ids)
        missing = fetch_by_id(poll, requested)
        kept = poll.records.get(sorted(missing))
        known = set(kept)
        poll.missing.not_found(record_id for record_id, record in kept.items() if not record.deleted)
        for record_id in requested:
            if record_id in missing - known:
                self.not_found[record_id] += 1
            else:
                self.not_found.pop(record_id, None)


def _named(poll: Poll, since: float) -> set[str]:
    """Return the IDs that the configuration names, and records created since then."""
    return {*poll.listing.known_ids, *poll.records.batches_named_by(poll.listing.batch_ids_from or "", since)}


def _check_reached(poll: Poll) -> None:
    """Raise the API's error if it has returned no record and refuses more than the list. Raises FetchError.

    A record that it fails to return must not hide others. But if it has returned none, it may be down, unless it does
    not have any of them.
    """
    prove(poll)
    by_id = poll.by_id
    if (by_id.returned and not by_id.fails) or not by_id.fetched:
        return
    if by_id.reached and (by_id.error is None or by_id.error.status in GONE):
        return
    try:
        poll.pages.page(poll.client, 1)
    except FetchError as error:
        if error.status not in NO_LIST:
            raise
    if by_id.error is not None:
        by_id.note_down()
        raise by_id.error
