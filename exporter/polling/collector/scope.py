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

    def matches(self, checkpoint: Checkpoint) -> bool:
        """Return whether a checkpoint was written with the same query settings and labels."""
        return (checkpoint.scope, checkpoint.labels) == (self.query, self.labels)

    def adopt(self, poll: Poll) -> None:
        """Prepare the state for a poll: start a new backfill or relabel if settings or the clock changed."""
        checkpoint = poll.records.checkpoint
        if checkpoint.scope != self.query:
            if checkpoint.complete:
                log.info("query settings changed: starting a new backfill", extra=self.where)
            self.start_over(
                poll, None if checkpoint.polled_at is None else math.nextafter(checkpoint.polled_at, math.inf)
            )
        elif checkpoint.polled_at is not None and checkpoint.polled_at > poll.now + BELIEVED_AFTER_SECONDS:
            log.warning("last poll is in the future: starting a new backfill", extra=self.where)
            # Records of that time may be forgotten, and were counted: only newer ones are new events.
            newer = poll.since if checkpoint.seen_to is None else math.nextafter(checkpoint.seen_to, math.inf)
            watermark = None if checkpoint.horizon is None else min(checkpoint.horizon, newer)
            poll.records.save_checkpoint(replace(_backfill_again(checkpoint, watermark), polled_at=None))
        elif checkpoint.complete and checkpoint.lookback < self.lookback:
            # Records between the old and the new beginning of the window are older than the event watermark.
            poll.update_checkpoint(complete=False, backfilled_to=None)
        if poll.records.checkpoint.labels != self.labels:
            self._relabel(poll)

    def start_over(self, poll: Poll, new_since: float | None) -> None:
        """Forget which records the API has, and start a new backfill. `new_since` may raise the event watermark."""
        checkpoint = poll.records.checkpoint
        after = replace(_backfill_again(checkpoint, latest((new_since, checkpoint.horizon))), scope=self.query)
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
        if has_label and poll.records.checkpoint.complete:
            log.info("labels changed: starting a new backfill", extra=self.where)
            poll.update_checkpoint(complete=False, backfilled_to=None)
        poll.update_checkpoint(labels=self.labels)


def event_watermark(poll: Poll, id_only: bool = False) -> float:
    """Return the event watermark: records created before, and never seen, are no new events from now on.

    It is at least the beginning of the window. Records that are polled by ID are named bit by bit, long after they
    were created; records beyond where a server ends its list are never seen.
    """
    first_id_only = id_only and not poll.records.checkpoint.named
    at_least = [moment for moment in (poll.since, poll.records.checkpoint.horizon) if moment is not None]
    if first_id_only or poll.pages.top < math.inf:
        at_least.append(math.nextafter(poll.now, math.inf))
    if poll.cut_below is not None:
        at_least.append(math.nextafter(poll.cut_below, math.inf))
    return max(at_least)


def _backfill_again(checkpoint: Checkpoint, watermark: float | None) -> Checkpoint:
    """Return the checkpoint for a new backfill: it keeps the clocks, and the event watermark."""
    return Checkpoint(
        scope=checkpoint.scope,
        labels=checkpoint.labels,
        buckets=checkpoint.buckets,
        horizon=watermark,
        seen_to=checkpoint.seen_to,
        polled_at=checkpoint.polled_at,
        ticks=checkpoint.ticks,
        boot=checkpoint.boot,
        leapt_at=checkpoint.leapt_at,
        scraped_at=checkpoint.scraped_at,
        published_at=checkpoint.published_at,
        counting_since=checkpoint.counting_since,
        starting=checkpoint.starting,
    )
