"""Decide which start timestamps of counters a collector exposes. Pure.

The start of a series is a time at which it was 0. Two are known: when its collector was first polled, which is in the
state, and, for a later series, when this program first exposed it. A scraper that gets the start counts the whole value
as events since then. So after a restart no start is exposed until scrapes have seen the restored values: another
`instance` would otherwise count them again. Only the start of a new series that no scrape has seen is exposed at once:
its first event would be lost otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from exporter.model.record import Key


@dataclass(slots=True)
class Starts:
    """The starts of the counters of one collector. Times are epoch seconds unless stated otherwise."""

    told: bool
    """Whether start timestamps are exposed."""
    _counting_since: float | None = None
    """When the collector was first polled; None for one that an older version has polled."""
    _withheld: bool = False
    """Whether the values that were restored have not been seen yet."""
    _exposed_at: float | None = None
    """When this program exposed something first, by the boot clock."""
    _new: dict[Key, float] = field(default_factory=dict)
    """The starts of the series that were not there before."""

    @property
    def version(self) -> object:
        """Return a value that changes with the starts."""
        return self._withheld, self._counting_since, len(self._new)

    def of(self, series: Key) -> float | None:
        """Return the start timestamp of an exposed series; None if it is not exposed yet."""
        return self._new.get(series, None if self._withheld else self._counting_since)

    def resume(self, counting_since: float | None, unseen: Mapping[Key, float], *, restored: bool) -> None:
        """Start with the values of the state.

        `unseen`: series that started with their value, and that no scrape may have seen. `restored`: whether there are
        series above 0.
        """
        self._counting_since, self._withheld, self._new = counting_since, restored, dict(unseen)

    def note(self, series: Iterable[Key], at: float, counting_since: float | None) -> None:
        """Note the series that are exposed for the first time, and what the state knows by now."""
        self._counting_since = counting_since
        if self.told:
            self._new |= dict.fromkeys(series, at)

    def adopt(self, unseen: Mapping[Key, float]) -> None:
        """Note the series that the state has as new, also if it did not answer when they were written."""
        self._new = {**unseen, **self._new}

    def note_exposed(self, now: float) -> None:
        """Note that something is exposed, at this time of the boot clock."""
        if self._exposed_at is None:
            self._exposed_at = now

    def note_seen(self, last_scrape: float | None, interval: float) -> None:
        """Note when the last scrape began, by the boot clock: after an interval all scrapers have seen the values."""
        if last_scrape is not None and self._exposed_at is not None and last_scrape - self._exposed_at >= interval:
            self._withheld = False
