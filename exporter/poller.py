"""The loop around a collector: when it polls, what becomes of a failure, and what is published."""

import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.client import Client, Stopping
from exporter.engine import Collector, Found, ticks
from exporter.facts import Facts
from exporter.failures import failures
from exporter.ledger import RECORDS
from exporter.records import Key, PollError, Reason
from exporter.rows import Data, data, health, status_blocks
from exporter.snapshot import CollectorId, CollectorSnapshot, Failure
from exporter.state import Records, State
from exporter.sums import Sums
from exporter.telling import tell

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 1.0
"""How often a long reading shows how far it has come."""

TOLD_SECONDS = 10.0
"""How often it says so in the log."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When to poll, and how long what was found may be shown. Seconds."""

    interval: float
    stale_after: float


@dataclass(frozen=True, slots=True)
class Exposed:
    """What of a collector's data stands in the last snapshot."""

    data: Data = field(default_factory=lambda: Data({}, frozenset(), {}))
    not_yet_risen: tuple[Key, ...] = ()
    """Series of counters that are exposed at 0, to be exposed with what they counted at the next poll."""


class Poller:
    """Polls one collector and publishes what came of it, whether it went well or not."""

    def __init__(
        self,
        collector: Collector,
        client: Client,
        state: State,
        publish: Callable[[CollectorSnapshot], None],
        facts: Facts,
        pace: Pace,
        workflow_label: bool = False,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = ticks,
    ) -> None:
        """`ticks` tells how long something was ago even when `clock` is set to another time."""
        self._collector = collector
        self._client = client
        self._state = state
        self._publish = publish
        self._facts = facts
        self._pace = pace
        self._workflow_label = workflow_label
        self._clock = clock
        self._ticks = ticks
        self._fresh_since: float | None = None
        self._exposed: Exposed | None = None
        self._failures: tuple[Failure, ...] | None = None
        self._shown = 0.0
        self._told = time.monotonic()

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
        with self._state.records(facts.account, facts.collector, self._collector.rules) as records:
            marks, sums = records.marks, records.sums()
            self._look_at_failures(records)
        if marks.complete and marks.polled_at is not None and self._collector.goes_on_from(marks):
            facts.backfilling = False
            facts.last_success, facts.last_reconcile = marks.polled_at, marks.reconciled_at
            self._fresh_since = self._ticks() - max(0.0, self._clock() - marks.polled_at)
            self._count(sums)
            self._expose(sums, until_the_next=False)

    def run(self, wait: Callable[[float], bool], jitter: float) -> None:
        """Poll until `wait` says that the program is stopping. The first poll comes within `jitter` seconds.

        A poll that takes longer than the interval is followed by the next one in step: none is started twice.
        """
        pause = random.random() * jitter
        while not wait(pause):
            started = time.monotonic()
            try:
                self.poll()
            except Stopping:
                return
            taken = time.monotonic() - started
            pause = self._pace.interval * math.ceil(taken / self._pace.interval) - taken

    def poll(self) -> bool:
        """Poll once and publish. Returns whether it succeeded; raises Stopping only."""
        started = time.monotonic()
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
        self._facts.last_duration = time.monotonic() - started
        self.publish()
        return self._facts.up is True

    def publish(self) -> None:
        """Put up what is known now. A poll that failed has changed only what is known of the polling."""
        facts = self._facts
        fresh_until = 0.0 if self._fresh_since is None else self._fresh_since + self._pace.stale_after
        shown = (self._exposed or Exposed()).data
        self._publish(
            CollectorSnapshot(
                facts.account,
                facts.system,
                facts.collector,
                shown.blocks,
                fresh_until,
                status_blocks(facts),
                health(facts),
                self._failures or (),
                shown.folded,
            )
        )

    def scraped(self) -> None:
        """Note in the state that what is exposed has been seen, where no next poll of this program will.

        Raises StateError.
        """
        if self._exposed is not None and self._exposed.not_yet_risen:
            facts = self._facts
            with self._state.records(facts.account, facts.collector, self._collector.rules) as records:
                records.were_shown(self._exposed.not_yet_risen)

    def _poll(self, found: Found) -> None:
        facts = self._facts
        with self._state.records(facts.account, facts.collector, self._collector.rules) as records:
            records.series.exposed = self._exposed_before(records)
            try:
                self._collector.poll(
                    self._client, records, self._clock(), found, lambda: self._progress(records), self._ticks()
                )
            finally:
                # Also of a poll that failed after some pages: what those said is kept.
                if records.failures.changed or self._failures is None:
                    self._look_at_failures(records)
            sums = records.sums()
            facts.last_reconcile = records.marks.reconciled_at
        self._count(sums)
        facts.last_success = self._clock()
        self._fresh_since = self._ticks()
        facts.incremental = found.incremental
        if facts.backfilling:
            facts.backfilling = False
            log.info("the window has been read", extra={**self._where(), "records": facts.finished + facts.in_flight})
        self._expose(sums)

    def _look_at_failures(self, records: Records) -> None:
        self._failures = failures(records.failures.all(), self._collector.families)

    def _exposed_before(self, records: Records) -> frozenset[Key]:
        """The series of counters that stand at 0 in the last snapshot, of this program or of the one before it."""
        if self._exposed is not None:
            records.were_shown(self._exposed.not_yet_risen)
            return self._exposed.data.counters
        if not records.marks.complete:
            return frozenset()
        return data(self._collector.families, self._facts, records.sums(), self._workflow_label).counters

    def _expose(self, sums: Sums, until_the_next: bool = True) -> None:
        """Not `until_the_next`: the first poll after a restart comes at once, and no scrape may have seen the zeros."""
        made = data(self._collector.families, self._facts, sums, self._workflow_label)
        rising = tuple(key for key, count in sums.counters.items() if until_the_next and not count.shown)
        self._exposed = Exposed(made, rising)

    def _count(self, sums: Sums) -> None:
        self._facts.finished = sums.gauges.get((RECORDS, "finished"), 0)
        self._facts.in_flight = sums.gauges.get((RECORDS, "in_flight"), 0)
        self._facts.oldest_in_flight = sums.oldest_in_flight

    def _progress(self, records: Records) -> None:
        """Tell how far a long reading has come: in the log, and in the rows about the polling."""
        now = time.monotonic()
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
        self._facts.rejected.update(found.rejected)
        self._facts.vanished += found.vanished
        self._facts.abandoned += found.abandoned
        for (label, _), count in found.unknown.items():
            self._facts.unknown_values[label] += count
        tell(found, self._where())

    def _failed(self, reason: Reason, message: str) -> None:
        facts = self._facts
        facts.up, facts.error, facts.reason = False, message, reason
        facts.poll_errors[reason] += 1
        log.error("poll failed", extra={**self._where(), "reason": reason.value, "err": message})

    def _where(self) -> dict[str, str]:
        return {"account": self._facts.account, "collector": self._facts.collector}
