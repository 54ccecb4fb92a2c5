"""The query settings and labels of a collector, and the effect of a change of them on known records."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from exporter.polling.collector.labels import OptionalLabel
from exporter.polling.collector.poll import Poll, latest
from exporter.polling.collector.trusted_clock import BELIEVED_AFTER_SECONDS
from exporter.state import Checkpoint

log = logging.getLogger(__name__)

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Scope:
    """The query settings of a collector, and the optional labels that it counts with."""

    query: str
    """The query settings. If they change, records known before may be absent from the answers."""
    labels: str
    """The names of optional labels; empty if there are none. If they change, records count in other series."""
    lookback: float
    """How far back the window reaches, in seconds."""
    optional: OptionalLabel
    where: Mapping[str, str]
    """Account and collector, for the log."""

    def matches(self, marks: Checkpoint) -> bool:
        """Return whether a checkpoint was written with the same query settings and labels."""
        return (marks.scope, marks.labels) == (self.query, self.labels)

    def adopt(self, poll: Poll) -> None:
        """Prepare the state for a poll: start a new backfill or relabel if settings or the clock changed."""
        marks = poll.records.marks
        if marks.scope != self.query:
            if marks.complete:
                log.info("query settings changed: starting a new backfill", extra=self.where)
            self.start_over(poll, None if marks.polled_at is None else math.nextafter(marks.polled_at, math.inf))
        elif marks.polled_at is not None and marks.polled_at > poll.now + BELIEVED_AFTER_SECONDS:
            log.warning("last poll is in the future: starting a new backfill", extra=self.where)
            # Records of that time may be forgotten, and were counted: only newer ones are new events.
            newer = poll.since if marks.seen_to is None else math.nextafter(marks.seen_to, math.inf)
            watermark = None if marks.horizon is None else min(marks.horizon, newer)
            poll.records.mark(replace(_backfill_again(marks, watermark), polled_at=None))
        elif marks.complete and marks.lookback < self.lookback:
            # Records between the old and the new beginning of the window are older than the event watermark.
            poll.mark(complete=False, backfilled_to=None)
        if poll.records.marks.labels != self.labels:
            self._relabel(poll)

    def start_over(self, poll: Poll, new_since: float | None) -> None:
        """Forget which records the API has, and start a new backfill. `new_since` may raise the event watermark."""
        marks = poll.records.marks
        after = replace(_backfill_again(marks, latest((new_since, marks.horizon))), scope=self.query)
        # Old records still in flight are on no page that will be read: they are followed by ID.
        poll.records.start_over(after, keep_before=poll.since if poll.listing.can_fetch_by_id else -math.inf)

    def _relabel(self, poll: Poll) -> None:
        """Count known records with the configured labels. No counter rises by it."""
        has_label = bool(self.labels)
        last = ""
        while records := poll.records.following(last, _AT_ONCE):
            pairs = ((record, self.optional.as_configured(record, has_label)) for record in records)
            poll.records.relabel([(before, after) for before, after in pairs if before != after])
            last = records[-1].id
        keys = {key: self.optional.key(key, has_label) for key in poll.records.series.all_keys()}
        poll.records.relabel_waiting({key: after for key, after in keys.items() if after != key})
        if has_label and poll.records.marks.complete:
            log.info("labels changed: starting a new backfill", extra=self.where)
            poll.mark(complete=False, backfilled_to=None)
        poll.mark(labels=self.labels)


def event_watermark(poll: Poll, id_only: bool = False) -> float:
    """Return the event watermark: records created before, and never seen, are no new events from now on.

    It is at least the beginning of the window. Records that are polled by ID are named bit by bit, long after they
    were created; records beyond where a server ends its list are never seen.
    """
    first_id_only = id_only and not poll.records.marks.named
    at_least = [moment for moment in (poll.since, poll.records.marks.horizon) if moment is not None]
    if first_id_only or poll.pages.top < math.inf:
        at_least.append(math.nextafter(poll.now, math.inf))
    if poll.cut_below is not None:
        at_least.append(math.nextafter(poll.cut_below, math.inf))
    return max(at_least)


def _backfill_again(marks: Checkpoint, watermark: float | None) -> Checkpoint:
    """Return the checkpoint for a new backfill: it keeps the clocks, and the event watermark."""
    return Checkpoint(
        scope=marks.scope,
        labels=marks.labels,
        buckets=marks.buckets,
        horizon=watermark,
        seen_to=marks.seen_to,
        polled_at=marks.polled_at,
        ticks=marks.ticks,
        boot=marks.boot,
        leapt_at=marks.leapt_at,
        scraped_at=marks.scraped_at,
        published_at=marks.published_at,
        counting_since=marks.counting_since,
        starting=marks.starting,
    )
