"""A collector: one list endpoint of one account, and the order of the steps of its polls."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from exporter.client import Client
from exporter.model.accounting import Rules
from exporter.model.family import Family
from exporter.model.record import FetchError
from exporter.polling.collector.backfill import backfill
from exporter.polling.collector.by_id_only import Named, read_named
from exporter.polling.collector.discover import discover, refresh
from exporter.polling.collector.labels import OptionalLabel
from exporter.polling.collector.list_end import BrokenOff, Depth
from exporter.polling.collector.missing import Missing
from exporter.polling.collector.ordering import OrderedList
from exporter.polling.collector.poll import Found, Midway, Poll
from exporter.polling.collector.reconcile import ask_doubted, compare, due, finish, read_window, reconcile
from exporter.polling.collector.server_limits import ServerLimits
from exporter.polling.collector.trusted_clock import Clocks, Trusted, trusted
from exporter.state import Checkpoint, Records
from exporter.systems.base import Listing

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
        self,
        listing: Listing,
        families: Iterable[Family],
        limits: Limits,
        scope: str = "",
        account: str = "",
        labels: str = "",
        boot: str = "",
    ) -> None:
        """`scope` names what is asked for: with another one, what is known may not be there any more.

        `labels` names the labels that only some accounts have, and is empty where the collector has none: with other
        ones, the same records are counted in other series. `boot` says since when the ticks that `poll` gets go on.
        """
        self.listing = listing
        self.families = tuple(families)
        self.fed_families = tuple(family for family in self.families if listing.name in family.zeros)
        self.rules = Rules.of(self.families)
        self._limits = limits
        self._scope = scope
        self._labels = labels
        self.boot = boot
        self._where = {"account": account, "collector": listing.name}
        self._pages = OrderedList(ServerLimits(limits.page_size, where=self._where))
        self._optional = OptionalLabel(self.families)
        self._has_list = True
        self._in_order = True
        self._named = Named()
        self._doubts = Missing()
        self._midway = Midway()

    @property
    def reconcile_interval(self) -> float:
        """Seconds between two readings of the whole window."""
        return self._limits.reconcile_interval

    def goes_on_from(self, marks: Checkpoint) -> bool:
        """Do these marks speak of what is asked for now."""
        return (marks.scope, marks.labels) == (self._scope, self._labels)

    def time(self, marks: Checkpoint, now: float, ticks: float) -> float:
        """Return which time it is, by what the last poll knew of the clocks."""
        return trusted(Clocks(now, ticks, self.boot), marks).now

    def poll(
        self,
        client: Client,
        records: Records,
        now: float,
        found: Found,
        progress: Callable[[], None] = lambda: None,
        ticks: float | None = None,
    ) -> None:
        """Bring the records up to date with the API. Raises PollError; what was read until then is kept.

        `ticks` tells how long the last poll was ago even if the clock that says `now` was set to another time.
        """
        limits = self._limits
        clocks = Clocks(now, now if ticks is None else ticks, self.boot)
        time = self._time(records, clocks)
        poll = Poll(
            client=client,
            listing=self.listing,
            families=self.families,
            pages=self._pages,
            records=records,
            now=time.now,
            since=time.now - limits.lookback,
            found=found,
            progress=progress,
            allowance=limits.allowance,
            doubts=self._doubts,
            midway=self._midway,
            watched=time.now - (records.marks.polled_at or 0.0) <= limits.stale_after,
        )
        self._doubts.begin()
        self._pages.depth = Depth(records.marks.broken_page, records.marks.broken_polls)
        self._begin(poll)
        try:
            named = self._read(poll)
        finally:
            self._note_depth(poll)
        newest = records.newest()
        marks = records.marks
        poll.mark(
            complete=True,
            named=named,
            backfilled_to=None,
            backfilled_page=1,
            backfilling_since=None,
            lookback=limits.lookback,
            horizon=_horizon(poll, named),
            polled_at=poll.now,
            ticks=clocks.ticks,
            boot=clocks.boot,
            leapt_at=time.leapt_at,
            newest=newest,
            newest_at=marks.newest_at if newest == marks.newest else poll.now,
            middle=poll.middle or marks.middle,
            seen_to=max(filter(None, (poll.seen_to, marks.seen_to)), default=None),
            seen_newest=poll.seen_newest or None,
        )
        # Only now: what is forgotten must lie before the horizon, or it would be news if it were met again.
        self._forget(poll)
        self._judge_order(found)

    def _time(self, records: Records, clocks: Clocks) -> Trusted:
        marks = records.marks
        time = trusted(clocks, marks)
        if time.leapt_at != marks.leapt_at:
            if time.leapt_at is not None:
                log.warning(
                    "the clock has leapt: going on by the time that has passed until it is clear",
                    extra={**self._where, "seconds": round(clocks.now - time.now)},
                )
            # Noted at once: polls may fail meanwhile.
            records.mark(replace(marks, leapt_at=time.leapt_at))
        return time

    def _begin(self, poll: Poll) -> None:
        marks = poll.records.marks
        if marks.scope != self._scope:
            if marks.complete:
                log.info("something else is asked for than before: reading the window anew", extra=self._where)
            self._begin_anew(poll, None if marks.polled_at is None else math.nextafter(marks.polled_at, math.inf))
        elif marks.polled_at is not None and marks.polled_at > poll.now + _CLOCK_SLACK_SECONDS:
            log.warning("the clock was ahead: reading the window anew", extra=self._where)
            # What it knew then may be forgotten, and was counted: only what is newer than all of that is news.
            newer = poll.since if marks.seen_to is None else math.nextafter(marks.seen_to, math.inf)
            horizon = None if marks.horizon is None else min(marks.horizon, newer)
            poll.records.mark(replace(_anew(marks, horizon), polled_at=None))
        elif marks.complete and marks.lookback < self._limits.lookback:
            # What lies between the old and the new beginning of the window is older than the horizon: no news.
            poll.mark(complete=False, backfilled_to=None)
        if poll.records.marks.labels != self._labels:
            self._relabel(poll)

    def _begin_anew(self, poll: Poll, news_from: float | None) -> None:
        """Ask for something else from now on. What was created from `news_from` on is news, if all before was known."""
        marks = poll.records.marks
        horizon = max(filter(None, (news_from, marks.horizon)), default=None)
        # Of what was never begun there is nothing to be known.
        labels = self._labels if replace(marks, scraped_at=None, published_at=None) == Checkpoint() else marks.labels
        after = replace(_anew(marks, horizon), scope=self._scope, labels=labels)
        # Old work that is in flight still is on no page that will be read: it is followed by its id.
        poll.records.begin_anew(after, keep_before=poll.since if self.listing.by_id else -math.inf)

    def _relabel(self, poll: Poll) -> None:
        """Count what is known with the labels that are configured now. It is no event."""
        has_label = bool(self._labels)
        last = ""
        while some := poll.records.following(last, _AT_ONCE):
            pairs = ((one, self._optional.as_configured(one, has_label)) for one in some)
            poll.records.relabel([(before, after) for before, after in pairs if before != after])
            last = some[-1].id
        keys = {key: self._optional.key(key, has_label) for key in poll.records.series.all_keys()}
        poll.records.relabel_waiting({key: now for key, now in keys.items() if now != key})
        if has_label and poll.records.marks.complete:
            log.info("records are counted with another label than before: reading the window anew", extra=self._where)
            poll.mark(complete=False, backfilled_to=None)
        poll.mark(labels=self._labels)

    def _read(self, poll: Poll) -> bool:
        """Read the list, or what is named where the account has none. Returns whether it has none."""
        if self._has_list:
            self._has_list = self._try_list(poll)
        named = not self._has_list
        if named:
            read_named(poll, self._named, self._limits.reconcile_interval)
            # Should the account get its list some day: to ask for it costs one request a reconciliation.
            self._has_list = poll.records.marks.reconciled_at == poll.now
        poll.lose()
        return named

    def _try_list(self, poll: Poll) -> bool:
        """Read the list. False if the account has none, and never had."""
        marks = poll.records.marks
        try:
            if marks.named:
                # It has one now. What stands there and was never named is old: no news.
                self._pages.page(poll.client, self.listing, 1)
                self._begin_anew(poll, None)
            self._read_list(poll)
        except FetchError as error:
            had_one = marks.complete and not marks.named
            if error.status not in (404, 405) or self.listing.parts is None or had_one or isinstance(error, BrokenOff):
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
            if not poll.found.incremental and poll.records.marks.horizon is None:
                # Whether all of it was read can't be known: what was there when it began, and was not met, is no news.
                poll.mark(horizon=poll.records.marks.backfilling_since)
            finish(poll)
            if pages == 1 or not poll.found.incremental:
                return
            # That took its time, or was begun before a restart: what has changed meanwhile is news.
            poll.mark(horizon=_horizon(poll))
        elif not self._in_order:
            read_window(poll)
            return
        self._read_newest(poll)

    def _read_newest(self, poll: Poll) -> None:
        discovered = discover(poll)
        walk = discovered.walk
        if discovered.complete:
            poll.ended(walk)
            low = walk.order.oldest if walk.cut else poll.since
            compare(poll, low, poll.pages.top, discovered.pages)
            ask_doubted(poll)
            if due(poll, self._limits.reconcile_interval):
                finish(poll)
            return
        if not walk.order.newest_first:
            read_window(poll)
            return
        refresh(poll, discovered)
        ask_doubted(poll)
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

    def _note_depth(self, poll: Poll) -> None:
        """Keep where the list has broken off, and tell when that is taken for a limit, and when it is over."""
        marks, depth = poll.records.marks, poll.pages.depth
        before = Depth(marks.broken_page, marks.broken_polls).accepted
        poll.found.window_truncated = depth.accepted
        if depth.accepted and not before:
            log.warning(
                "the API does not give the whole list: what lies beyond is left out, and is no event",
                extra={**self._where, "page": abs(depth.page or 0)},
            )
        if before and not depth.accepted:
            log.info("the list can be read again beyond where it broke off", extra=self._where)
        if (depth.page, depth.polls) != (marks.broken_page, marks.broken_polls):
            poll.mark(broken_page=depth.page, broken_polls=depth.polls)

    def _forget(self, poll: Poll) -> None:
        """Let finished records leave with the window, and give up on those in flight for too long."""
        while left := poll.records.finished_before(poll.since, _AT_ONCE):
            poll.records.forget(left)
        stuck = poll.records.stuck_before(poll.now - self._limits.in_flight_max_age)
        if stuck:
            poll.records.forget(stuck)
            poll.found.abandoned += len(stuck)
        self._doubts.keep(one.id for one in poll.records.get(self._doubts.all()).values() if not one.deleted)


def _horizon(poll: Poll, named: bool = False) -> float:
    """What was created before, and never met, is no news from now on: it only was not looked at until now.

    Batches that are polled by their ids are named bit by bit, long after they were created; what lies beyond where a
    server ends its list can't be met.
    """
    first_named = named and not poll.records.marks.named
    at_least = [one for one in (poll.since, poll.records.marks.horizon) if one is not None]
    if first_named or poll.pages.top < math.inf:
        at_least.append(math.nextafter(poll.now, math.inf))
    if poll.cut_below is not None:
        at_least.append(math.nextafter(poll.cut_below, math.inf))
    return max(at_least)


def _anew(marks: Checkpoint, horizon: float | None) -> Checkpoint:
    """The marks to read the window again with: where the clocks were, and what is no news any more."""
    return Checkpoint(
        scope=marks.scope,
        labels=marks.labels,
        horizon=horizon,
        seen_to=marks.seen_to,
        polled_at=marks.polled_at,
        ticks=marks.ticks,
        boot=marks.boot,
        leapt_at=marks.leapt_at,
        scraped_at=marks.scraped_at,
        published_at=marks.published_at,
    )
