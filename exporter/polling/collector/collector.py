"""A collector: one list endpoint of one account, and the steps of its polls in order."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from exporter.client import Client
from exporter.exposition.catalog import ABANDONED
from exporter.model.accounting import Rules
from exporter.model.family import Family
from exporter.model.record import FetchError, PollError
from exporter.polling.collector.backfill import backfill
from exporter.polling.collector.by_id import ById
from exporter.polling.collector.by_id_only import NO_LIST, IdOnlyPoll
from exporter.polling.collector.discover import discover, refresh
from exporter.polling.collector.fetch_by_id import check_answered
from exporter.polling.collector.known_answers import Answers, Left
from exporter.polling.collector.labels import OptionalLabel
from exporter.polling.collector.limits import Limits
from exporter.polling.collector.list_end import BrokenOff, Depth
from exporter.polling.collector.missing import Missing
from exporter.polling.collector.paged_list import PagedList
from exporter.polling.collector.poll import Poll, SliceEnd, latest
from exporter.polling.collector.reconcile import compare, due, finish, recheck_missing, reconcile, scan_window
from exporter.polling.collector.result import Change, PollResult
from exporter.polling.collector.scope import Scope, event_watermark
from exporter.polling.collector.set_aside import SetAside
from exporter.polling.collector.trusted_clock import Clocks, Trusted, trusted
from exporter.state import Checkpoint, Records
from exporter.systems.base import Listing

log = logging.getLogger(__name__)

_AT_ONCE = 1000


class Collector:
    """Poll one list, and remember what polls learn about its server."""

    def __init__(
        self,
        listing: Listing,
        families: Iterable[Family],
        limits: Limits,
        scope: str = "",
        account: str = "",
        labels: str = "",
        boot: str = "",
        rules: Rules | None = None,
    ) -> None:
        """Prepare to poll `listing`.

        `scope` stands for the query settings: if it changes, known records may be absent from the answers. `labels`
        has the names of optional labels, and is empty for a collector without: if it changes, records count in other
        series. `boot` is the start of the machine that the ticks given to `poll` count from. `rules` are those of
        `families`, where they were made before.
        """
        self.listing = listing
        self.families = tuple(families)
        self.fed_families = tuple(family for family in self.families if listing.name in family.zeros)
        self.rules = rules or Rules.of(self.families)
        self.boot = boot
        self._limits = limits
        self._where = {"account": account, "collector": listing.name}
        self._scope = Scope(scope, labels, limits.lookback, OptionalLabel(self.rules), self._where)
        self._pages = PagedList(listing, limits.page_size, where=self._where)
        self._has_list = True
        self._id_only = IdOnlyPoll()
        self._missing: Missing | None = None
        """The missing records; None before the first poll."""
        self._slice_end = SliceEnd()
        self._aside = SetAside()
        self._left = Left()
        """What the last poll left, unless it failed."""
        self._began: float | None = None
        """When the last poll began, by `ticks`."""

    @property
    def reconcile_interval(self) -> float:
        """Seconds between two reconciliations."""
        return self._limits.reconcile_interval

    @property
    def lookback(self) -> float:
        """Seconds from the start of the window to its end."""
        return self._limits.lookback

    def continues(self, checkpoint: Checkpoint) -> bool:
        """Return whether a checkpoint was written with the same query settings and labels."""
        return self._scope.matches(checkpoint)

    def time(self, checkpoint: Checkpoint, now: float, ticks: float) -> float:
        """Return the time to trust, epoch seconds, given the clocks at the last poll."""
        return trusted(Clocks(now, ticks, self.boot), checkpoint).now

    def poll(
        self,
        client: Client,
        records: Records,
        now: float,
        result: PollResult,
        progress: Callable[[], None] = lambda: None,
        ticks: float | None = None,
    ) -> None:
        """Bring the records up to date with the API, and fill `result`.

        `ticks` measures the time since the last poll even if the clock behind `now` was set. Raises PollError; what
        was read until then is kept.
        """
        limits = self._limits
        answers, self._left = Answers(self._left), Left()
        clocks = Clocks(now, now if ticks is None else ticks, self.boot)
        time = self._time(records, clocks)
        self._missing = self._missing or Missing(records.checkpoint.missing)
        poll = Poll(
            client=client,
            listing=self.listing,
            families=self.families,
            pages=self._pages,
            records=records,
            now=time.now,
            since=time.now - limits.lookback,
            result=result,
            progress=progress,
            allowance=self._allowance(clocks.ticks),
            missing=self._missing,
            slice_end=self._slice_end,
            by_id=ById(self._aside, clocks.ticks),
            watched=time.now - (records.checkpoint.polled_at or 0.0) <= limits.stale_after,
            answers=answers,
        )
        self._pages.read_with(answers, lambda message: result.changes.append(Change(logging.INFO, message)))
        if records.checkpoint.complete:
            # A backfill goes on at a page of a size.
            self._pages.try_again(poll.now, limits.reconcile_interval)
        poll.missing.begin()
        self._pages.depth = Depth(records.checkpoint.broken_page, records.checkpoint.broken_polls)
        self._scope.adopt(poll)
        try:
            id_only = self._read(poll)
        except PollError:
            self._note_learned(poll)
            raise
        finally:
            # One that is to end writes nothing: the state may be another replica's by now.
            self._pages.end_poll(succeeded=False)
        self._note_learned(poll)
        newest = records.newest()
        checkpoint = records.checkpoint
        poll.update_checkpoint(
            complete=True,
            named=id_only,
            backfilled_to=None,
            backfilled_page=1,
            backfilling_since=None,
            lookback=limits.lookback,
            horizon=event_watermark(poll, id_only),
            polled_at=poll.now,
            ticks=clocks.ticks,
            boot=clocks.boot,
            leapt_at=time.leapt_at,
            unordered=not result.incremental,
            newest=newest,
            newest_at=checkpoint.newest_at
            if newest == checkpoint.newest and checkpoint.newest_at is not None
            else poll.now,
            middle=poll.middle or checkpoint.middle,
            seen_to=latest((poll.seen_to, checkpoint.seen_to)),
            seen_newest=poll.seen_newest,
        )
        # Only now: forgotten records must be older than the event watermark, or they would count again if seen again.
        self._forget(poll)
        poll.note_missing()
        if not result.incremental and not checkpoint.unordered:
            message = "list is not sorted by creation time: falling back to full scans"
            result.changes.append(Change(logging.WARNING, message))
        self._left = answers.left(records.checkpoint)
        self._pages.end_poll(succeeded=True)

    def _allowance(self, ticks: float) -> int:
        before, self._began = self._began, ticks
        return self._limits.allowance if before is None else self._limits.allowance_after(ticks - before)

    def _time(self, records: Records, clocks: Clocks) -> Trusted:
        checkpoint = records.checkpoint
        time = trusted(clocks, checkpoint)
        if time.leapt_at != checkpoint.leapt_at:
            if time.leapt_at is not None:
                log.warning(
                    "clock jumped: using elapsed time until it is confirmed",
                    extra={**self._where, "seconds": round(clocks.now - time.now)},
                )
            # Written at once: the poll may fail.
            records.save_checkpoint(replace(checkpoint, leapt_at=time.leapt_at))
        return time

    def _read(self, poll: Poll) -> bool:
        """Read the list, or poll by ID if the account has none. Return whether it has none."""
        if self._has_list:
            self._has_list = self._try_list(poll)
        id_only = not self._has_list
        if id_only:
            self._id_only.run(poll, self._limits.reconcile_interval, self._limits.naming_interval)
            # The account may get the list later: trying it costs one request for each reconciliation.
            self._has_list = poll.records.checkpoint.reconciled_at == poll.now
        poll.mark_deleted()
        check_answered(poll)
        return id_only

    def _try_list(self, poll: Poll) -> bool:
        """Read the list. Return False if the account does not have it, and never had. Raises PollError."""
        checkpoint = poll.records.checkpoint
        try:
            if checkpoint.named:
                # The account has the list now. Records on it that were never named are old: no new events.
                self._pages.page(poll.client, 1)
                self._scope.start_over(poll, None)
            self._read_list(poll)
        except FetchError as error:
            had_one = checkpoint.complete and not checkpoint.named
            if (
                error.status not in NO_LIST
                or self.listing.batch_ids_from is None
                or had_one
                or isinstance(error, BrokenOff)
            ):
                raise
            if not checkpoint.complete:
                log.warning("list endpoint not available (404/405): polling by ID", extra=self._where)
            return False
        return True

    def _read_list(self, poll: Poll) -> None:
        if not poll.records.checkpoint.complete:
            pages = backfill(poll)
            if not poll.result.incremental and poll.records.checkpoint.horizon is None:
                # It may have missed some records: those created before it began are no new events.
                poll.update_checkpoint(horizon=poll.records.checkpoint.backfilling_since)
            finish(poll)
            if pages == 1 or not poll.result.incremental:
                return
            # It took some time, or began before a restart: what has changed meanwhile is a new event.
            poll.update_checkpoint(horizon=event_watermark(poll))
        elif poll.records.checkpoint.unordered:
            scan_window(poll)
            return
        self._read_newest(poll)

    def _read_newest(self, poll: Poll) -> None:
        is_due = due(poll, self._limits.reconcile_interval)
        if not is_due:
            # A poll that reconciles reads everything.
            poll.answers.begin(poll.records.checkpoint, poll.now)
        discovered = discover(poll)
        walk = discovered.walk
        if discovered.complete:
            poll.note_end(walk)
            low = walk.order.oldest if walk.cut else poll.since
            compare(poll, low, poll.pages.top, discovered.pages)
            recheck_missing(poll)
            if is_due:
                finish(poll)
            return
        if not walk.order.newest_first:
            scan_window(poll)
            return
        refresh(poll, discovered)
        recheck_missing(poll)
        if is_due:
            reconcile(poll)

    def _note_learned(self, poll: Poll) -> None:
        """Write what a poll has learned whether it succeeds or fails."""
        self._note_depth(poll)
        poll.note_missing()

    def _note_depth(self, poll: Poll) -> None:
        """Write where the list broke off, and log when that becomes accepted as a limit, and when it ends."""
        checkpoint, depth = poll.records.checkpoint, poll.pages.depth
        before = Depth(checkpoint.broken_page, checkpoint.broken_polls).accepted
        poll.result.window_truncated = depth.accepted
        if depth.accepted and not before:
            message = "API does not return the whole list: records beyond the page are not shown or counted"
            poll.result.changes.append(Change(logging.WARNING, message, {"page": abs(depth.page or 0)}))
        if before and not depth.accepted:
            poll.result.changes.append(Change(logging.INFO, "API returns the whole list again"))
        if (depth.page, depth.polls) != (checkpoint.broken_page, checkpoint.broken_polls):
            poll.update_checkpoint(broken_page=depth.page, broken_polls=depth.polls)

    def _forget(self, poll: Poll) -> None:
        """Drop finished records older than the window, and records in flight for longer than `in_flight_max_age`."""
        while finished := poll.records.finished_before(poll.since, _AT_ONCE):
            poll.records.forget(finished)
        stuck = poll.records.stuck_before(poll.now - self._limits.in_flight_max_age)
        if stuck:
            poll.records.forget(stuck, {ABANDONED.key(): len(stuck)})
            poll.answers.note_changed(record.id for record in stuck)
            poll.result.abandoned += [record.id for record in stuck]
        known = poll.records.get(poll.missing.all()).values()
        poll.missing.keep(record.id for record in known if not record.deleted)
