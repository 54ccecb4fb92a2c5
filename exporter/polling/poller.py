"""Poll a collector and publish, also after a failed poll, and when counters may rise between two polls."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from exporter.client import Client, Stopping
from exporter.client.retry import ATTEMPTS
from exporter.exposition.boot_clock import ticks as boot_ticks
from exporter.exposition.catalog import Feeds
from exporter.exposition.failed_records import FailedRecords
from exporter.exposition.snapshot import CollectorId
from exporter.exposition.status import CollectorStatus
from exporter.model.accounting import RECORDS
from exporter.model.record import STATE_REASONS, PollError, Reason, StateError
from exporter.model.totals import Sums
from exporter.polling.collector import Collector, PollResult
from exporter.polling.failed_polls import FailedPolls
from exporter.polling.poll_log import PollLog
from exporter.polling.publisher import Output, Pace, Publisher
from exporter.polling.silence import Silence
from exporter.polling.token_watch import TokenWatch
from exporter.state import Checkpoint, Records, State

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 1.0
"""How often the progress of a long scan is published."""

_INTERNAL_ERROR = "internal error: see the log for the traceback"


class Poller:
    """Poll one collector, and publish the result of each poll, successful or not."""

    def __init__(
        self,
        collector: Collector,
        client: Client,
        state: State,
        output: Output,
        status: CollectorStatus,
        pace: Pace,
        workflow_label: bool = False,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = boot_ticks,
        token_stamp: Callable[[], object] | None = None,
    ) -> None:
        """Prepare to poll. `ticks` measures elapsed time even if `clock` is set to another time.

        `token_stamp` returns what changes with the token's file; None if the token is in no file.
        """
        self._collector = collector
        self._client = client
        self._state = state
        self._status = status
        status.poll_interval, status.stale_after = pace.interval, pace.stale_after
        status.reconcile_interval, status.lookback = collector.reconcile_interval, collector.lookback
        self._pace = pace
        listing = collector.listing
        feeds = Feeds(status.collector, collector.fed_families, listing.rejections, listing.optional)
        self._failed_records = FailedRecords(collector.families)
        self._publisher = Publisher(output, status, pace, feeds, workflow_label, clock, ticks)
        self._clock = clock
        self._ticks = ticks
        self._silence = Silence(pace.interval, "/".join(self.id))
        self._token = TokenWatch(token_stamp)
        self.wait = 0.0
        """The seconds after the last poll in which no poll is due, because the API does not answer."""
        self.recovered = False
        """Whether the last poll ended a long silence of the API."""
        self._log = PollLog(self._where(), ticks)
        self._failed_polls = FailedPolls()
        self._progress_published = 0.0

    @property
    def status(self) -> CollectorStatus:
        return self._status

    @property
    def id(self) -> CollectorId:
        return self._status.account, self._status.collector

    @property
    def interval(self) -> float:
        """Seconds from the start of a poll to the start of the next."""
        return self._pace.interval

    def restore(self) -> None:
        """Show what the state holds of the program before this one, with its age. Raises StateError.

        A restart while the API is down must look like failed polls, not like an exporter without records.
        """
        status = self._status
        try:
            with self._state.records(*self.id, self._collector.rules) as records:
                status.state_created = records.begin_counting(self._clock())
                checkpoint = records.checkpoint
                self._read_failures(records)
                totals = records.sums()
                self._publisher.resume(checkpoint, totals, self._collector.boot)
                if checkpoint.complete and checkpoint.polled_at is not None and self._collector.continues(checkpoint):
                    status.backfilling = False
                    status.last_success, status.last_reconcile = checkpoint.polled_at, checkpoint.reconciled_at
                    self._publisher.fresh(max(0.0, self._now(checkpoint) - checkpoint.polled_at))
                    self._count(totals)
                    self._find_stuck(records)
                    self._publisher.render_gauges()
        finally:
            self._publisher.render_counters()

    def continue_output(self) -> None:
        """Treat what `restore` shows as the output of the run before: whoever reads such outputs has seen it.

        What is published from now on has not been seen before it is `written`. Raises StateError.
        """
        if self._publisher.continue_output():
            self._mark_scraped(None)

    def next_change(self) -> float | None:
        """Return in how many seconds there is something to do by `look` before the next poll; None: nothing."""
        look_in = self._token.look_in(self._status.reason, self._pace.interval, self.wait)
        return min((s for s in (self._publisher.next_change(), look_in) if s is not None), default=None)

    def poll(self) -> bool:
        """Poll once and publish. Return whether the poll succeeded. Raises Stopping only."""
        started, result, status = self._ticks(), PollResult(), self._status
        self.recovered = False
        # One request shows whether an API answers again.
        client = self._client.for_poll(1 if self._silence.is_long else ATTEMPTS)
        try:
            self._token.before(status.reason)
            self._poll(client, result)
            self._succeeded(client)
        except PollError as error:
            self.recovered = self._silence.failed(error.reason, client.answers)
            self._failed(error.reason, str(error))
        except Stopping:
            raise
        except Exception as error:  # noqa: BLE001 (logged there)
            # A bug must not look healthy: it is a failed poll, and the next poll tries again.
            self._broke(error)
        self._note(result)
        if status.up:
            self._publisher.render_gauges()
        status.last_duration = self._ticks() - started
        self.wait = self._silence.wait()
        status.backoff = max(0.0, self.wait - self._pace.interval)
        self.rise()
        self._log.polled(status.up is True, status.last_duration, client.answers, max(self.wait, self._pace.interval))
        return status.up is True

    def look(self) -> bool:
        """Publish by `rise` between two polls. Return whether to poll at once, because the token was replaced."""
        self.rise()
        return self._token.is_replaced(self._status.reason)

    def rise(self) -> None:
        """Publish, with the counters that may rise in scrapes and the records that are stuck by now.

        A rise is written to the state before it is published. If it can't be written, or nobody has seen the present
        values, nothing rises.
        """
        try:
            self._write_published()
        except StateError as error:
            if self._status.reason not in STATE_REASONS:
                self._failed(error.reason, str(error))
        except Stopping:
            raise
        except Exception as error:  # noqa: BLE001 (logged there)
            self._broke(error)
        self._publisher.update()

    def publish(self) -> None:
        """Publish what is known now."""
        self._publisher.publish()

    def written(self) -> None:
        """Note in the state that somebody reads what is published now, though not by a scrape. Raises StateError."""
        self._mark_scraped(self._clock())

    def _mark_scraped(self, at: float | None) -> None:
        with self._state.records(*self.id, self._collector.rules) as records:
            records.save_checkpoint(replace(records.checkpoint, scraped_at=at))

    def _write_published(self) -> None:
        """Write failed polls to the state, and what may rise now. Raises StateError."""
        status, publisher = self._status, self._publisher
        scraped = publisher.is_scraped_first()
        noted = publisher.totals is not None and publisher.buckets_noted and not scraped
        if noted and not self._failed_polls and not publisher.rising():
            return
        with self._state.records(*self.id, self._collector.rules) as records:
            publisher.note_unseen(records.checkpoint)
            if scraped:
                records.save_checkpoint(replace(records.checkpoint, scraped_at=publisher.scraped_at()))
                publisher.scraped_before = True
            if not publisher.buckets_noted and publisher.are_buckets_seen():
                if records.checkpoint.buckets != publisher.buckets:
                    records.save_checkpoint(replace(records.checkpoint, buckets=publisher.buckets))
                publisher.buckets_noted = True
            status.state_created = records.begin_counting(self._clock())
            self._failed_polls.write(records)
            publisher.totals = records.sums()
            rising = publisher.rising()
            if rising:
                now = self._clock()
                starting = publisher.starting(rising)
                records.publish(rising, now, starting)
                publisher.note_published(starting, now, records.checkpoint.counting_since)
                publisher.totals = records.sums()

    def _poll(self, client: Client, result: PollResult) -> None:
        status = self._status
        with self._state.records(*self.id, self._collector.rules) as records:
            reconciled_at = records.checkpoint.reconciled_at
            self._publisher.note_unseen(records.checkpoint)
            records.scraped_at = self._publisher.scraped_at()
            status.state_created = records.begin_counting(self._clock())
            try:
                self._collector.poll(
                    client, records, self._clock(), result, lambda: self._progress(records), self._ticks()
                )
                if records.checkpoint.reconciled_at != reconciled_at:
                    records.drop_unused_series(self._publisher.folded)
            finally:
                # Also after a poll that failed in the middle: the pages read until then are kept.
                if records.failures.changed or self._publisher.failures is None:
                    self._read_failures(records)
                self._publisher.totals = totals = records.sums()
            self._count(totals)
            self._find_stuck(records)
            status.last_reconcile = records.checkpoint.reconciled_at
        status.last_success = self._clock()
        self._publisher.fresh()
        status.incremental = result.incremental
        if status.backfilling:
            status.backfilling = False
            log.info("backfill complete", extra={**self._where(), "records": status.finished + status.in_flight})

    def _now(self, checkpoint: Checkpoint) -> float:
        return self._collector.time(checkpoint, self._clock(), self._ticks())

    def _read_failures(self, records: Records) -> None:
        self._publisher.failures = self._failed_records.describe(records.failures.all())

    def _count(self, totals: Sums) -> None:
        status = self._status
        status.finished = totals.gauges.get((RECORDS, "finished"), 0)
        status.in_flight = totals.gauges.get((RECORDS, "in_flight"), 0)
        status.oldest_in_flight = totals.oldest_in_flight

    def _find_stuck(self, records: Records) -> None:
        """Count the records that are stuck, and find when others become stuck until the gauges are stale."""
        before = self._now(records.checkpoint) - self._pace.stuck_after
        soon = records.in_flight(before, before + self._pace.stale_after)
        stuck = records.count_in_flight(before)
        self._status.stuck_ids = tuple(records.oldest_in_flight(before)) if stuck else ()
        self._publisher.note_stuck(stuck, [created_at - before for _, created_at in soon])

    def _progress(self, records: Records) -> None:
        """Publish and log the progress of a long scan."""
        now = self._ticks()
        if now - self._progress_published < PROGRESS_SECONDS:
            return
        self._progress_published = now
        self._count(records.sums())
        self.publish()
        self._log.progress(self._status.finished + self._status.in_flight)

    def _note(self, result: PollResult) -> None:
        """Note and log what was found, after a failed poll too."""
        if result.window_truncated is not None:
            self._status.window_truncated = result.window_truncated
        if result.dated_ahead is not None:
            self._status.dated_ahead = result.dated_ahead
        self._log.found(result)

    def _succeeded(self, client: Client) -> None:
        self._status.up, self._status.error, self._status.reason = True, None, None
        self._log.succeeded()
        self.recovered = self._silence.succeeded(client.requests)

    def _broke(self, error: Exception) -> None:
        self._log.broke(error)
        self._failed(Reason.INTERNAL, _INTERNAL_ERROR)

    def _failed(self, reason: Reason, message: str) -> None:
        status = self._status
        status.up, status.error, status.reason = False, message, reason
        if reason in STATE_REASONS:
            status.count_state_error(reason)
        else:
            self._failed_polls.add(reason)
        self._log.failed(reason, message)

    def _where(self) -> dict[str, str]:
        return {"account": self._status.account, "collector": self._status.collector}
