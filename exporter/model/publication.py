"""Decide when a counter may rise in scrapes: only after a scrape has seen its present value. Pure.

`increase()` sees a rise only between two samples. So a series is first exposed at the value that was last published (0
if there is none), stays there for a poll interval and until a scrape has returned it, and rises then. This holds for a
new series, for all series after a restart, and for all series after a pause of scrapes. The exception: a new series
that is exposed with its start timestamp may begin with its value.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from exporter.model.record import Key

PATIENCE_SECONDS = 60.0
"""The least time after the last scrape until scrapes count as stopped."""

_PATIENCE_INTERVALS = 1.5
"""The same time in poll intervals: a scrape is expected in each."""


@dataclass(frozen=True, slots=True)
class Scraped:
    """What is known of scrapes. Times are in seconds of the boot clock (`exporter.exposition.boot_clock`)."""

    last: float | None = None
    """When the last completed scrape began; None if this program has had none."""
    expected: bool = False
    """Whether anybody ever scraped, this program or the one before; otherwise nothing waits for a scrape."""


@dataclass(slots=True)
class Standing:
    """Since when the series of one collector have been exposed at their present value."""

    interval: float
    """Seconds for which a series must be exposed before it rises: a scraper with this interval has then seen it."""
    poll_interval: float = 0.0
    """Seconds between two polls, if they are more: a scrape in each of them is enough."""
    _first: float | None = None
    """When the first series were exposed."""
    _later: dict[Key, float] = field(default_factory=dict)
    """When later series were exposed."""
    _series: frozenset[Key] = frozenset()
    _interrupted: bool = False
    """Whether scrapes had stopped at the last call of `may_rise`."""
    _resumed: float = -math.inf
    """When scrapes resumed."""

    def expose(self, series: frozenset[Key], now: float) -> None:
        """Record that exactly these series are exposed from now on."""
        if self._first is None:
            self._first = now
        elif series is not self._series:
            self._later = {key: since for key, since in self._later.items() if key in series}
            self._later.update(dict.fromkeys(series - self._series, now))
        self._series = series

    def is_new(self, key: Key) -> bool:
        """Return whether a series was not exposed yet, while others were."""
        return self._first is not None and key not in self._series

    def may_rise(self, keys: Iterable[Key], now: float, scraped: Scraped, starting: Collection[Key] = ()) -> list[Key]:
        """Return the series that may rise now. Call it at each poll: it detects when scrapes stop and resume.

        `starting`: new series that are exposed with their start timestamps. They need not stand first.
        """
        if scraped.expected and not self._scraped_lately(now, scraped):
            self._interrupted |= self._first is not None and now - self._first > self._patience
            return []
        if self._interrupted and scraped.last is not None:
            # Of several scrapers, the others may need up to the interval until their next scrape.
            self._interrupted, self._resumed = False, scraped.last
        return [key for key in keys if key in starting or (self._has_stood(key, now) and self._was_seen(key, scraped))]

    def due(self, keys: Collection[Key], now: float) -> float | None:
        """Return when the next of the series will have stood for long enough; None if all have, or none is exposed.

        One that has, and waits for a scrape, does not hide when the others are due.
        """
        standing = (since for key in keys if (since := self._stands(key)) is not None)
        return min((since + self.interval for since in standing if since + self.interval > now), default=None)

    @property
    def _patience(self) -> float:
        return max(PATIENCE_SECONDS, _PATIENCE_INTERVALS * max(self.interval, self.poll_interval))

    def _scraped_lately(self, now: float, scraped: Scraped) -> bool:
        return scraped.last is not None and now - scraped.last <= self._patience

    def _has_stood(self, key: Key, now: float) -> bool:
        since = self._stands(key)
        return since is not None and now - since >= self.interval

    def _was_seen(self, key: Key, scraped: Scraped) -> bool:
        since = self._since(key)
        return not scraped.expected or (scraped.last is not None and since is not None and scraped.last > since)

    def _stands(self, key: Key) -> float | None:
        """Return since when scrapers can see a series at its present value; None if it is not exposed."""
        since = self._since(key)
        return None if since is None else max(since, self._resumed)

    def _since(self, key: Key) -> float | None:
        return self._later.get(key, self._first) if key in self._series else None
