"""A collector: one list endpoint of one account, and the order of the steps of its polls."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from exporter.client import Client
from exporter.engine.backfill import backfill
from exporter.engine.discover import discover, refresh
from exporter.engine.manners import Manners
from exporter.engine.named import read_named
from exporter.engine.newest_first import NewestFirst
from exporter.engine.poll import Found, Poll
from exporter.engine.reconcile import compare, due, finish, read_window, reconcile
from exporter.families import Family
from exporter.ledger import Rules
from exporter.records import FetchError
from exporter.sources.listing import Listing
from exporter.state import Marks, Records

log = logging.getLogger(__name__)

_AT_ONCE = 1000
_CLOCK_SLACK_SECONDS = 3600.0
"""A clock may be set back by that much, and the polls before it still count."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far back, how often and how much a collector reads. Times in seconds."""

    lookback: float
    reconcile_interval: float
    in_flight_max_age: float
    page_size: int
    allowance: int
    """Requests a poll may spend on reconciliation."""
    stale_after: float = math.inf
    """How long a collector may go without a poll, and what finishes meanwhile still has a duration."""


class Collector:
    """What is to be polled, and what was learnt of the server while polling."""

    def __init__(
        self, listing: Listing, families: Iterable[Family], limits: Limits, scope: str = "", account: str = ""
    ) -> None:
        """`scope` names what is asked for: with another one, nothing that was known holds."""
        self.listing = listing
        self.families = tuple(families)
        self.fed_families = tuple(family for family in self.families if listing.name in family.zeros)
        self.rules = Rules.of(self.families)
        self._limits = limits
        self._scope = scope
        self._where = {"account": account, "collector": listing.name}
        self._pages = NewestFirst(Manners(limits.page_size, where=self._where))
        self._has_list = True
        self._in_order = True
        self._unfound: set[str] = set()

    def goes_on_from(self, marks: Marks) -> bool:
        """Do these marks speak of what is asked for now."""
        return marks.scope == self._scope

    def poll(
        self, client: Client, records: Records, now: float, found: Found, progress: Callable[[], None] = lambda: None
    ) -> None:
        """Bring the records up to date with the API. Raises PollError; what was read until then is kept."""
        limits = self._limits
        poll = Poll(
            client=client,
            listing=self.listing,
            families=self.families,
            pages=self._pages,
            records=records,
            now=now,
            since=now - limits.lookback,
            found=found,
            progress=progress,
            allowance=limits.allowance,
            unfound=self._unfound,
            watched=now - (records.marks.polled_at or 0.0) <= limits.stale_after,
        )
        self._begin(poll)
        if self._has_list:
            self._has_list = self._read(poll)
        named = not self._has_list
        if named:
            read_named(poll, limits.reconcile_interval)
            # Should the account get its list some day: to ask for it costs one request a reconciliation.
            self._has_list = records.marks.reconciled_at == now
        poll.mark(
            complete=True,
            named=named,
            backfilled_to=None,
            lookback=limits.lookback,
            horizon=_horizon(poll, named),
            polled_at=now,
            newest=records.newest(),
        )
        # Only now: what is forgotten must lie before the horizon, or it would be news if it were met again.
        self._forget(poll)
        self._judge_order(found)

    def _begin(self, poll: Poll) -> None:
        marks = poll.records.marks
        if marks.scope != self._scope:
            if marks.complete:
                log.info("something else is asked for than before: reading the window anew", extra=self._where)
            poll.records.begin_anew(self._scope)
        elif (marks.polled_at or 0.0) > poll.now + _CLOCK_SLACK_SECONDS:
            log.warning("the clock was ahead: reading the window anew", extra=self._where)
            # What it knew then is forgotten, and was counted: only what is newer than all of that is news.
            newer = math.nextafter(marks.newest, math.inf) if marks.newest else 0.0
            poll.mark(**asdict(Marks(scope=self._scope, horizon=min(marks.horizon or 0.0, newer) or None)))
        elif marks.complete and marks.lookback < self._limits.lookback:
            # What lies between the old and the new beginning of the window is older than the horizon: no news.
            poll.mark(complete=False, backfilled_to=None)

    def _read(self, poll: Poll) -> bool:
        """Read the list. False if the account has none, and never had."""
        marks = poll.records.marks
        try:
            if marks.named:
                # It has one now. What stands there and was never named is old: no news.
                self._pages.page(poll.client, self.listing, 1)
                poll.records.begin_anew(self._scope)
            self._read_list(poll)
        except FetchError as error:
            had_one = marks.complete and not marks.named
            if error.status not in (404, 405) or self.listing.parts is None or had_one:
                raise
            if not marks.complete:
                log.warning(
                    "the account has no such list: asking for what other records and the configuration name",
                    extra=self._where,
                )
            return False
        return True

    def _read_list(self, poll: Poll) -> None:
        if not poll.records.marks.complete:
            pages = backfill(poll)
            if not poll.found.incremental:
                # Whether all of it was read can't be known: what was there by now and was not met is no news.
                poll.mark(horizon=poll.now)
            finish(poll)
            if pages == 1 or not poll.found.incremental:
                return
            # That took its time, or was begun before a restart: what has changed meanwhile is news.
            poll.mark(horizon=_horizon(poll))
        elif not self._in_order:
            read_window(poll)
            return
        discovered = discover(poll)
        if discovered.complete:
            compare(poll, poll.since, math.inf, discovered.pages)
            if due(poll, self._limits.reconcile_interval):
                finish(poll)
            return
        if not discovered.order.newest_first:
            read_window(poll)
            return
        refresh(poll, discovered)
        if due(poll, self._limits.reconcile_interval):
            reconcile(poll)

    def _judge_order(self, found: Found) -> None:
        """Remember whether the list stands newest first, and tell when that is over."""
        if self._in_order and not found.incremental:
            log.warning(
                "the list is not newest first: reading the whole window at each poll",
                extra=self._where,
            )
        self._in_order = found.incremental

    def _forget(self, poll: Poll) -> None:
        """Let finished records leave with the window, and give up on those in flight for too long."""
        while left := poll.records.finished_before(poll.since, _AT_ONCE):
            poll.records.forget(left)
        stuck = poll.records.stuck_before(poll.now - self._limits.in_flight_max_age)
        if stuck:
            poll.records.forget(stuck)
            poll.found.abandoned += len(stuck)


def _horizon(poll: Poll, named: bool = False) -> float:
    """What was created before, and never met, is no news from now on: it only was not looked at until now.

    Batches that are polled by their ids are named bit by bit, long after they were created.
    """
    first_named = named and not poll.records.marks.named
    return max(poll.now if first_named else poll.since, poll.records.marks.horizon or 0.0)
