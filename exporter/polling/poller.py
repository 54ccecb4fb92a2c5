"""The loop around a collector: when it polls, what becomes of a failure, and what is published."""

import logging
import math
import random
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from exporter.client import Client, Stopping
from exporter.exposition.boot_clock import ticks as boot_ticks
from exporter.exposition.catalog import ABANDONED, POLL_ERRORS, REJECTED, UNKNOWN_VALUES, VANISHED, Feeds
from exporter.exposition.failed_records import failures
from exporter.exposition.samples import Counters, Gauges, Shape, counters, fresh_blocks, gauges, health, status_blocks
from exporter.exposition.snapshot import CollectorId, CollectorSnapshot, Failure
from exporter.exposition.status import Facts
from exporter.model.accounting import RECORDS
from exporter.model.publication import Scraped, Standing
from exporter.model.record import Key, PollError, Reason, StateError
from exporter.model.totals import CounterState, Sums
from exporter.polling.collector import Collector, Found
from exporter.polling.poll_log import tell
from exporter.state import Checkpoint, Records, State

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 1.0
"""How often a long reading shows how far it has come."""

TOLD_SECONDS = 10.0
"""How often it says so in the log."""


_STATE_ERRORS = POLL_ERRORS.key(Reason.STATE.value)
"""The one series that the state can't keep: it counts from 0 in each program."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When to poll, how long what was found may be shown, and when work is stuck. Seconds."""

    interval: float
    stale_after: float
    stuck_after: float


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a poller publishes, and what it learns there of scrapes."""

    publish: Callable[[CollectorSnapshot], None]
    last_scrape: Callable[[], float | None]
    """When the last scrape began that was answered to its end, in seconds of `ticks`."""


class Poller:
    """Polls one collector and publishes what came of it, whether it went well or not."""

    def __init__(
        self,
        collector: Collector,
        client: Client,
        state: State,
        shown: Shown,
        facts: Facts,
        pace: Pace,
        workflow_label: bool = False,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = boot_ticks,
    ) -> None:
        """`ticks` tells how long something was ago even when `clock` is set to another time."""
        self._collector = collector
        self._client = client
        self._state = state
        self._to = shown
        self._facts = facts
        facts.poll_interval, facts.stale_after = pace.interval, pace.stale_after
        facts.reconcile_interval = collector.reconcile_interval
        self._pace = pace
        self._shape = Shape(
            Feeds(facts.collector, collector.fed_families, collector.listing.rejections, collector.listing.optional),
            optional=workflow_label,
        )
        self._clock = clock
        self._ticks = ticks
        self._fresh_since: float | None = None
        self._totals: Sums | None = None
        """As they were last read from the state; None: not yet, so that no counter is known."""
        self._gauges = Gauges({}, {})
        """As of the last successful poll, but for what has become stuck since."""
        self._stuck_then = 0
        """How many records were stuck at that poll."""
        self._stuck_from: list[float] = []
        """When those of its records that were not become stuck until they are stale, in order, epoch seconds."""
        self._counters = Counters({}, frozenset(), {}, {})
        self._standing = Standing(pace.interval)
        self._scraped_before = False
        """Somebody scraped the program before this one."""
        self._seen_before: float | None = None
        """When the last scrape of the program before began, by `ticks`, if it had seen all that was published."""
        self._pending: Counter[Key] = Counter()
        """What was counted about the polling and is not in the state yet."""
        self._failures: tuple[Failure, ...] | None = None
        self._shown = 0.0
        self._told = self._ticks()

    @property
    def facts(self) -> Facts:
        return self._facts

    @property
    def id(self) -> CollectorId:
        return self._facts.account, self._facts.collector

    @property
    def interval(self) -> float:
        """Seconds from the start of a poll to the start of the next."""
        return self._pace.interval

    def restore(self) -> None:
        """Show what the state holds of the program before this one, as old as it is. Raises StateError.

        A restart while the API is down must look like polls that fail, not like an exporter that knows nothing.
        """
        facts = self._facts
        try:
            with self._state.records(facts.account, facts.collector, self._collector.rules) as records:
                marks = records.marks
                self._look_at_failures(records)
                self._totals = totals = records.sums()
                self._go_on_from(marks, totals)
                if marks.complete and marks.polled_at is not None and self._collector.goes_on_from(marks):
                    facts.backfilling = False
                    facts.last_success, facts.last_reconcile = marks.polled_at, marks.reconciled_at
                    self._fresh_since = self._ticks() - max(0.0, self._now(marks) - marks.polled_at)
                    self._count(totals)
                    self._foresee_stuck(records)
                    self._gauges = gauges(self._shape, facts, totals)
        finally:
            self._render_counters()

    def _go_on_from(self, marks: Checkpoint, totals: Sums) -> None:
        """Take what the program before has published for seen, if that had stood for long enough and was scraped."""
        self._scraped_before = marks.scraped_at is not None
        if marks.scraped_at is None or marks.scraped_at - (marks.published_at or 0.0) < self._pace.interval:
            return
        ago = self._clock() - marks.scraped_at
        if marks.ticks is not None and marks.boot == self._collector.boot:
            # The clock may have been set back meanwhile.
            ago = max(ago, self._ticks() - marks.ticks)
        if ago >= 0.0:
            self._seen_before = self._ticks() - ago
            self._standing.expose(totals.published(), -math.inf)

    def continue_output(self) -> None:
        """Take what `restore` has shown for the output of the run before: whoever reads such outputs has seen it.

        What is published from now on has not been seen before it is `written`. Raises StateError.
        """
        if self._scraped_before:
            self._standing.expose(self._counters.series, -math.inf)
            self._mark_scraped(None)
        self._scraped_before, self._seen_before = False, None

    def run(self, wait: Callable[[float], bool], jitter: float) -> None:
        """Poll until `wait` says that the program is stopping. The first poll comes within `jitter` seconds.

        A poll that takes longer than the interval is followed by the next one in step: none is started twice.
        """
        pause = random.random() * jitter
        while not wait(pause):
            started = self._ticks()
            try:
                self.poll()
            except Stopping:
                return
            taken = self._ticks() - started
            due = started + self._pace.interval * max(1, math.ceil(taken / self._pace.interval))
            while (change := self._change_in()) is not None and self._ticks() + change < due:
                if wait(change):
                    return
                self.rise()
            pause = max(0.0, due - self._ticks())

    def poll(self) -> bool:
        """Poll once and publish. Returns whether it succeeded; raises Stopping only."""
        started = self._ticks()
        found = Found()
        try:
            self._poll(found)
            if self._facts.up is False:
                log.info("polls succeed again", extra=self._where())
            self._facts.up, self._facts.error, self._facts.reason = True, None, None
        except PollError as error:
            self._failed(error.reason, str(error))
        except Stopping:
            raise
        except Exception:
            # A mistake of ours must not look like health: it is a failed poll, and the next one tries again.
            log.exception("a mistake in the exporter", extra=self._where())
            self._failed(Reason.INTERNAL, "a mistake in the exporter: its log has the details")
        self._note(found)
        if self._facts.up and self._totals is not None:
            self._gauges = gauges(self._shape, self._facts, self._totals)
        self._facts.last_duration = self._ticks() - started
        self.rise()
        return self._facts.up is True

    def rise(self) -> None:
        """Publish, with what may rise in scrapes and what is stuck by now.

        What rises is written to the state before. What can't be written does not rise, and neither does anything while
        nobody sees the values there are.
        """
        try:
            self._write_published()
        except StateError as error:
            if self._facts.reason is not Reason.STATE:
                self._failed(error.reason, str(error))
        except Exception:
            log.exception("a mistake in the exporter", extra=self._where())
            self._failed(Reason.INTERNAL, "a mistake in the exporter: its log has the details")
        if self._may_rise([_STATE_ERRORS]):
            self._facts.state_errors_published = self._facts.state_errors
        self._render_counters()
        self._render_stuck()
        self.publish()

    def publish(self) -> None:
        """Put up what is known now. A poll that failed has changed only what is known of the polling, and counters."""
        facts = self._facts
        fresh_until = 0.0 if self._fresh_since is None else self._fresh_since + self._pace.stale_after
        self._to.publish(
            CollectorSnapshot(
                facts.account,
                facts.system,
                facts.collector,
                self._gauges.blocks,
                fresh_until,
                status_blocks(facts),
                health(facts),
                self._failures or (),
                {**self._gauges.folded, **self._counters.folded},
                self._counters.blocks,
            )
        )
        self._standing.expose(self._counters.series, self._ticks())

    def written(self) -> None:
        """Note in the state that somebody reads what is published now, though not by a scrape. Raises StateError."""
        self._mark_scraped(self._clock())

    def _mark_scraped(self, at: float | None) -> None:
        facts = self._facts
        with self._state.records(facts.account, facts.collector, self._collector.rules) as records:
            records.mark(replace(records.marks, scraped_at=at))

    def _scraped_at(self) -> float | None:
        """When the last scrape of this program began, by the clock."""
        last = self._to.last_scrape()
        return None if last is None else self._clock() - (self._ticks() - last)

    def _write_published(self) -> None:
        """Write to the state what was counted about the polling, and what may rise now. Raises StateError."""
        facts = self._facts
        scraped = self._to.last_scrape() is not None and not self._scraped_before
        if self._totals is not None and not self._pending and not scraped and not self._may_rise(self._totals.rising()):
            return
        with self._state.records(facts.account, facts.collector, self._collector.rules) as records:
            if scraped:
                records.mark(replace(records.marks, scraped_at=self._scraped_at()))
                self._scraped_before = True
            records.count(self._pending)
            self._pending.clear()
            self._totals = records.sums()
            rising = self._may_rise(self._totals.rising())
            if rising:
                records.publish(rising, self._clock())
                self._totals = records.sums()

    def _poll(self, found: Found) -> None:
        facts = self._facts
        with self._state.records(facts.account, facts.collector, self._collector.rules) as records:
            reconciled_at = records.marks.reconciled_at
            records.scraped_at = self._scraped_at()
            try:
                self._collector.poll(
                    self._client, records, self._clock(), found, lambda: self._progress(records), self._ticks()
                )
                if records.marks.reconciled_at != reconciled_at:
                    records.drop_unused_series(self._counters.shown_as)
            finally:
                # Also of a poll that failed after some pages: what those said is kept.
                if records.failures.changed or self._failures is None:
                    self._look_at_failures(records)
                self._totals = totals = records.sums()
            self._count(totals)
            self._foresee_stuck(records)
            facts.last_reconcile = records.marks.reconciled_at
        facts.last_success = self._clock()
        self._fresh_since = self._ticks()
        facts.incremental = found.incremental
        if facts.backfilling:
            facts.backfilling = False
            log.info("the window has been read", extra={**self._where(), "records": facts.finished + facts.in_flight})

    def _now(self, marks: Checkpoint) -> float:
        return self._collector.time(marks, self._clock(), self._ticks())

    def _look_at_failures(self, records: Records) -> None:
        self._failures = failures(records.failures.all(), self._collector.families)

    def _may_rise(self, keys: list[Key]) -> list[Key]:
        """Those of the series that may rise: one beyond the cap, with the series that it is part of."""
        shown = {key: self._counters.shown_as.get(key, key) for key in keys}
        may = set(self._standing.may_rise(set(shown.values()), self._ticks(), self._scraped()))
        return [key for key in keys if shown[key] in may]

    def _change_in(self) -> float | None:
        """In how many seconds something may rise or is stuck; None where nothing waits for its time."""
        return min((left for left in (self._rise_in(), self._stuck_in()) if left is not None), default=None)

    def _stuck_in(self) -> float | None:
        """In how many seconds the next record is stuck; None where none is soon."""
        now = self._ticks()
        place = bisect_right(self._stuck_from, now)
        return max(1.0, self._stuck_from[place] - now) if place < len(self._stuck_from) else None

    def _rise_in(self) -> float | None:
        """In how many seconds something may rise; None where nothing waits for its time."""
        rising = [] if self._totals is None else self._totals.rising()
        waiting = [key for key in rising if self._counters.shown_as.get(key, key) in self._counters.series]
        due = self._standing.due([self._counters.shown_as.get(key, key) for key in waiting])
        left = None if due is None else due - self._ticks()
        return left if left is not None and left > 0 else None

    def _scraped(self) -> Scraped:
        known = [at for at in (self._to.last_scrape(), self._seen_before) if at is not None]
        last = max(known, default=None)
        return Scraped(last, expected=last is not None or self._scraped_before)

    def _render_counters(self) -> None:
        if self._totals is not None:
            of_state = CounterState(self._facts.state_errors, self._facts.state_errors_published)
            totals = replace(self._totals, counters={**self._totals.counters, _STATE_ERRORS: of_state})
            self._counters = counters(self._shape, self._facts, totals, self._counters.series)

    def _render_stuck(self) -> None:
        """Render the gauges about the polling again, if more is stuck than they say."""
        if not (self._stuck_from and self._gauges.blocks):
            return
        stuck = self._stuck_then + bisect_right(self._stuck_from, self._ticks())
        if stuck != self._facts.stuck:
            self._facts.stuck = stuck
            self._gauges = replace(self._gauges, blocks={**self._gauges.blocks, **fresh_blocks(self._facts)})

    def _count(self, totals: Sums) -> None:
        facts = self._facts
        facts.finished = totals.gauges.get((RECORDS, "finished"), 0)
        facts.in_flight = totals.gauges.get((RECORDS, "in_flight"), 0)
        facts.oldest_in_flight = totals.oldest_in_flight

    def _foresee_stuck(self, records: Records) -> None:
        """Count the stuck records of a poll that succeeded, and learn when others become stuck if no poll does."""
        now = self._now(records.marks)
        before = now - self._pace.stuck_after
        self._facts.stuck = self._stuck_then = records.count_in_flight(before)
        soon = records.in_flight(before, before + self._pace.stale_after)
        self._stuck_from = sorted(self._ticks() + created_at - before for _, created_at in soon)

    def _progress(self, records: Records) -> None:
        """Tell how far a long reading has come: in the log, and in the rows about the polling."""
        now = self._ticks()
        if now - self._shown < PROGRESS_SECONDS:
            return
        self._shown = now
        self._count(records.sums())
        self.publish()
        if now - self._told >= TOLD_SECONDS:
            self._told = now
            read = self._facts.finished + self._facts.in_flight
            log.info("reading the window", extra={**self._where(), "records": read})

    def _note(self, found: Found) -> None:
        """Count and tell what was met: once a poll, however many records it was."""
        if found.window_truncated is not None:
            self._facts.window_truncated = found.window_truncated
        if found.dated_ahead is not None:
            self._facts.dated_ahead = found.dated_ahead
        self._pending.update({REJECTED.key(reason): count for reason, count in found.rejected.items()})
        for (label, _), count in found.unknown.items():
            self._pending[UNKNOWN_VALUES.key(label)] += count
        self._pending[VANISHED.key()] += found.vanished
        self._pending[ABANDONED.key()] += found.abandoned
        self._pending = +self._pending
        tell(found, self._where())

    def _failed(self, reason: Reason, message: str) -> None:
        facts = self._facts
        facts.up, facts.error, facts.reason = False, message, reason
        if reason is Reason.STATE:
            facts.state_errors += 1
        else:
            self._pending[POLL_ERRORS.key(reason.value)] += 1
        log.error("poll failed", extra={**self._where(), "reason": reason.value, "err": message})

    def _where(self) -> dict[str, str]:
        return {"account": self._facts.account, "collector": self._facts.collector}
