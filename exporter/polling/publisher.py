"""Publish what one poller knows: gauges while they are fresh, counters as scrapes may see them rise, and failures."""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from exporter.exposition.boot_clock import ticks as boot_ticks
from exporter.exposition.catalog import POLL_ERRORS, Feeds
from exporter.exposition.samples import (
    Counters,
    Gauges,
    Shape,
    counters,
    fresh_blocks,
    fresh_values,
    gauges,
    status_blocks,
)
from exporter.exposition.snapshot import Blocks, CollectorSnapshot, Failure
from exporter.exposition.status import CollectorStatus
from exporter.model.family import chosen_bounds
from exporter.model.publication import Scraped, Standing
from exporter.model.record import STATE_REASONS, Key
from exporter.model.starts import Starts
from exporter.model.totals import CounterState, Sums
from exporter.polling.pace import Pace
from exporter.state import Checkpoint

__all__ = ["Output", "Pace", "Publisher"]

_STATE_ERRORS = {reason: POLL_ERRORS.key(reason.value) for reason in STATE_REASONS}
"""The series that the state can't keep: they count from 0 in each program."""


@dataclass(frozen=True, slots=True)
class Output:
    """Where a poller publishes, and what is known there about scrapes."""

    publish: Callable[[CollectorSnapshot], None]
    last_scrape: Callable[[], float | None]
    """When the last scrape began that was answered to its end, in seconds of `ticks`."""
    created_timestamps: bool = False
    """Whether start timestamps are exposed. A scraper counts a new series from 0 at its start."""


class Publisher:
    """Keep what is known of one collector, and publish it as a snapshot. The caller reads and writes the state."""

    def __init__(
        self,
        output: Output,
        status: CollectorStatus,
        pace: Pace,
        feeds: Feeds,
        optional: bool = False,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = boot_ticks,
    ) -> None:
        """Publish to `output`. `optional`: whether series have the optional labels."""
        self._output = output
        self._status = status
        self._pace = pace
        self._shape = Shape(feeds, optional=optional)
        self._clock = clock
        self._ticks = ticks
        self._totals: Sums | None = None
        self._version = 0
        """How often the totals have changed."""
        self._rising: list[Key] = []
        """The series that have more to expose."""
        self.failures: Sequence[Failure] | None = None
        """The last failed records; None until they were read from the state."""
        self.scraped_before = False
        """Whether the state says that somebody scrapes."""
        self.buckets = chosen_bounds(feeds.families)
        """The bounds of the histograms that are exposed, as the checkpoint has them."""
        self.buckets_noted = False
        """Whether the state says that these were seen. If not, nobody may have seen the buckets yet."""
        self._exposed_at: float | None = None
        """When something was exposed first, by `ticks`."""
        self._fresh_since: float | None = None
        self._gauges = Gauges({}, {})
        """The gauges of the last successful poll, updated for records that have become stuck since."""
        self._gauges_of: tuple[int, object] | None = None
        """The version of the totals that the gauges show, and the values of the status."""
        self._stuck_then = 0
        """How many records were stuck at that poll."""
        self._stuck_from: list[float] = []
        """When others become stuck until the gauges are stale, in order, in seconds of `ticks`."""
        self._counters = Counters({}, frozenset(), {}, {})
        self._counters_of: tuple[object, ...] | None = None
        """The version of the totals that the counters show, the state's errors, and the version of the starts."""
        self._starts = Starts(output.created_timestamps)
        self._status_blocks: Blocks = {}
        self._status_rendered: CollectorStatus | None = None
        """A copy of the status that `_status_blocks` shows."""
        self._standing = Standing(pace.stands, pace.interval)
        self._seen_before: float | None = None
        """When the last scrape of the program before began, by `ticks`, if it saw everything that was published."""

    @property
    def totals(self) -> Sums | None:
        """The totals as last read from the state; None before that: no counter is known."""
        return self._totals

    @totals.setter
    def totals(self, totals: Sums) -> None:
        # Equal totals need no new rendering.
        if self._totals is None or not totals.same_as(self._totals):
            self._totals, self._rising = totals, totals.rising()
            self._version += 1

    @property
    def folded(self) -> Mapping[Key, Key]:
        """The series beyond the cap, each with the series that shows it."""
        return self._counters.shown_as

    def resume(self, checkpoint: Checkpoint, totals: Sums, boot: str) -> None:
        """Count what the program before published as seen, if it had stood for long enough and was scraped."""
        self.totals = totals
        self._starts.resume(checkpoint.counting_since, checkpoint.unseen(), restored=bool(totals.published()))
        self.scraped_before = checkpoint.scraped_at is not None
        self.buckets_noted = checkpoint.buckets == self.buckets
        if (
            checkpoint.scraped_at is None
            or checkpoint.scraped_at - (checkpoint.published_at or 0.0) < self._pace.stands
        ):
            return
        ago = self._clock() - checkpoint.scraped_at
        if checkpoint.ticks is not None and checkpoint.boot == boot:
            # The clock may have been set back meanwhile.
            ago = max(ago, self._ticks() - checkpoint.ticks)
        if ago >= 0.0:
            self._seen_before = self._ticks() - ago
            self._standing.expose(self._seen(totals.published()), -math.inf)

    def continue_output(self) -> bool:
        """Count everything published so far as seen, by whoever read the output. Return whether it was scraped."""
        scraped = self.scraped_before
        if scraped:
            self._standing.expose(self._seen(self._counters.series), -math.inf)
        self.scraped_before, self._seen_before = False, None
        return scraped

    def fresh(self, ago: float = 0.0) -> None:
        """Note that the records were up to date so many seconds ago."""
        self._fresh_since = self._ticks() - ago

    def note_stuck(self, stuck: int, soon: Sequence[float]) -> None:
        """Note how many records are stuck, and in how many seconds others become stuck if no poll succeeds."""
        self._status.stuck = self._stuck_then = stuck
        now = self._ticks()
        self._stuck_from = sorted(now + seconds for seconds in soon)

    def is_scraped_first(self) -> bool:
        """Return whether this program was scraped, and the state does not say so yet."""
        return self._output.last_scrape() is not None and not self.scraped_before

    def are_buckets_seen(self) -> bool:
        """Return whether a scrape has seen the buckets that are exposed, or nobody scrapes."""
        last = self._output.last_scrape()
        if last is None:
            return not self.scraped_before
        return self._exposed_at is not None and last > self._exposed_at

    def scraped_at(self) -> float | None:
        """Return when the last scrape of this program began, epoch seconds; None if there was none."""
        last = self._output.last_scrape()
        return None if last is None else self._clock() - (self._ticks() - last)

    def rising(self) -> list[Key]:
        """Return the series that have counted more than is published and may rise in scrapes now."""
        if self._rising and self._starts.told:
            # Only then is it known which series show them.
            self.render_counters()
        return self._may_rise(self._rising)

    def starting(self, rising: Sequence[Key]) -> Collection[Key]:
        """Return the series that are exposed for the first time if these rise now."""
        shown = {self._counters.shown_as.get(key, key) for key in rising} if self._starts.told else set()
        return {name for name in shown & self._counters.series if self._standing.is_new(name)}

    def note_published(self, starting: Collection[Key], at: float, counting_since: float | None) -> None:
        """Note that these series are exposed for the first time now, by `clock`: they were 0 until then."""
        self._starts.note(starting, at, counting_since)

    def note_unseen(self, checkpoint: Checkpoint) -> None:
        """Note the new series of a checkpoint that was just read: scrapes after it may have seen them."""
        if self._starts.told and checkpoint.starting:
            self._starts.adopt(checkpoint.unseen())

    def next_change(self) -> float | None:
        """Return in how many seconds a series may rise or a record is stuck; None if nothing is waiting."""
        return min((left for left in (self._next_rise(), self._next_stuck()) if left is not None), default=None)

    def render_gauges(self) -> None:
        """Render the gauges about records again, if they have changed."""
        if self._totals is None:
            return
        shown = self._version, fresh_values(self._status)
        if shown != self._gauges_of:
            self._gauges, self._gauges_of = gauges(self._shape, self._status, self._totals), shown

    def render_counters(self) -> None:
        """Render the counters and histograms again, if they have changed."""
        if self._totals is None:
            return
        counted, published = self._status.state_errors, self._status.state_errors_published
        shown = self._version, counted, published, self._starts.version
        if shown != self._counters_of:
            of_state = {key: CounterState(counted[reason], published[reason]) for reason, key in _STATE_ERRORS.items()}
            totals = replace(self._totals, counters={**self._totals.counters, **of_state})
            start = self._start if self._starts.told else None
            self._counters = counters(self._shape, self._status, totals, self._counters.series, start)
            self._counters_of = shown

    def update(self) -> None:
        """Publish with the counters and the stuck records as of now."""
        may = self._may_rise(list(_STATE_ERRORS.values()))
        rising = {reason: self._status.state_errors[reason] for reason, key in _STATE_ERRORS.items() if key in may}
        if rising:
            self._status.state_errors_published = {**self._status.state_errors_published, **rising}
        self._starts.note_seen(self._output.last_scrape(), self._pace.stands)
        self.render_counters()
        self._render_stuck()
        self.publish()

    def publish(self) -> None:
        """Publish a snapshot of what is known."""
        status = self._status
        fresh_until = 0.0 if self._fresh_since is None else self._fresh_since + self._pace.stale_after
        shown = self._status_rendered
        if shown is None or status != shown:
            self._status_blocks = status_blocks(status, shown, self._status_blocks)
            self._status_rendered = shown = replace(status)
        self._output.publish(
            CollectorSnapshot(
                status.account,
                status.system,
                status.collector,
                self._gauges.blocks,
                fresh_until,
                self._status_blocks,
                shown,
                tuple(self.failures or ()),
                {**self._gauges.folded, **self._counters.folded},
                self._counters.blocks,
            )
        )
        now = self._ticks()
        self._standing.expose(self._counters.series, now)
        self._starts.note_exposed(now)
        self._exposed_at = now if self._exposed_at is None else self._exposed_at

    def _start(self, series: Key) -> float | None:
        return None if series in _STATE_ERRORS.values() else self._starts.of(series)

    def _seen(self, series: frozenset[Key]) -> frozenset[Key]:
        """Return those of the series that the output before showed: histograms only if with the same bounds."""
        if self.buckets_noted:
            return series
        histograms = {family.name for family in self._shape.feeds.families if family.kind == "histogram"}
        return frozenset(key for key in series if key[0] not in histograms)

    def _may_rise(self, keys: list[Key]) -> list[Key]:
        """Return the series that may rise: one beyond the cap rises together with the series that shows it."""
        shown = {key: self._counters.shown_as.get(key, key) for key in keys}
        names, new = set(shown.values()), self.starting(keys)
        may = set(self._standing.may_rise(names, self._ticks(), self._scraped(), new))
        return [key for key in keys if shown[key] in may]

    def _scraped(self) -> Scraped:
        known = [at for at in (self._output.last_scrape(), self._seen_before) if at is not None]
        last = max(known, default=None)
        return Scraped(last, expected=last is not None or self.scraped_before)

    def _next_stuck(self) -> float | None:
        now = self._ticks()
        place = bisect_right(self._stuck_from, now)
        return max(1.0, self._stuck_from[place] - now) if place < len(self._stuck_from) else None

    def _next_rise(self) -> float | None:
        now = self._ticks()
        due = self._standing.due({self._counters.shown_as.get(key, key) for key in self._rising}, now)
        return None if due is None else due - now

    def _render_stuck(self) -> None:
        """Render the gauges about the polling again, if more records are stuck than they say."""
        if not (self._stuck_from and self._gauges.blocks):
            return
        stuck = self._stuck_then + bisect_right(self._stuck_from, self._ticks())
        if stuck != self._status.stuck:
            self._status.stuck = stuck
            self._gauges = replace(self._gauges, blocks={**self._gauges.blocks, **fresh_blocks(self._status)})
            self._gauges_of = None
