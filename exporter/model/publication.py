"""Decide when a counter may rise in scrapes: not before its present value has been seen. Pure.

`increase()` sees a rise only between two samples. So a series is first exposed at the value that was published last (0,
if none was), stays there for a poll interval and until a scrape has been answered with it, and rises then. This holds
alike for a new series, for all series after a restart, and for all series after scrapes have stopped for a while.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from exporter.model.record import Key

PATIENCE_SECONDS = 60.0
"""How long after the last scrape, at least, scrapes are taken to go on."""

_PATIENCE_INTERVALS = 1.5
"""Likewise, in poll intervals: scrapes are to come once in each."""


@dataclass(frozen=True, slots=True)
class Scraped:
    """What is known of scrapes. Times are in seconds of the boot clock (`exporter.exposition.boot_clock`)."""

    last: float | None = None
    """When the last one began that was answered to its end; None: none yet by this program."""
    expected: bool = False
    """Has anybody scraped, be it the program before this one: if nobody does, nobody is waited for."""


@dataclass(slots=True)
class Standing:
    """Since when the series of one collector stand in scrapes."""

    interval: float
    """How long a series must stand before it rises, in seconds: whoever scrapes as often as that has then seen it."""
    _first: float | None = None
    """When the first ones were exposed."""
    _later: dict[Key, float] = field(default_factory=dict)
    """When others were."""
    _series: frozenset[Key] = frozenset()
    _interrupted: bool = False
    """Scrapes had stopped when it was last asked what may rise."""
    _resumed: float = -math.inf
    """Since when they go on."""

    def expose(self, series: frozenset[Key], now: float) -> None:
        """Note that these series, and no others, stand in scrapes from now on."""
        if self._first is None:
            self._first = now
        else:
            self._later = {key: since for key, since in self._later.items() if key in series}
            self._later.update(dict.fromkeys(series - self._series, now))
        self._series = series

    def may_rise(self, keys: Iterable[Key], now: float, scraped: Scraped) -> list[Key]:
        """Those of the series that may rise now. Ask at each poll: it notes when scrapes have stopped and go on."""
        if scraped.expected and not self._scraped_lately(now, scraped):
            self._interrupted |= self._first is not None and now - self._first > self._patience
            return []
        if self._interrupted and scraped.last is not None:
            # Of several who scrape, the others may need as long as the interval to do so again.
            self._interrupted, self._resumed = False, scraped.last
        return [key for key in keys if self._has_stood(key, now) and self._was_seen(key, scraped)]

    def due(self, keys: Collection[Key], now: float) -> float | None:
        """Return when the next of the series will have stood for long enough; None if all have, or none is exposed.

        One that has, and waits for a scrape, does not hide when the others are due.
        """
        standing = (since for key in keys if (since := self._stands(key)) is not None)
        return min((since + self.interval for since in standing if since + self.interval > now), default=None)

    @property
    def _patience(self) -> float:
        return max(PATIENCE_SECONDS, _PATIENCE_INTERVALS * self.interval)

    def _scraped_lately(self, now: float, scraped: Scraped) -> bool:
        return scraped.last is not None and now - scraped.last <= self._patience

    def _has_stood(self, key: Key, now: float) -> bool:
        since = self._stands(key)
        return since is not None and now - since >= self.interval

    def _was_seen(self, key: Key, scraped: Scraped) -> bool:
        since = self._since(key)
        return not scraped.expected or (scraped.last is not None and since is not None and scraped.last > since)

    def _stands(self, key: Key) -> float | None:
        """Since when a series stands before those who scrape."""
        since = self._since(key)
        return None if since is None else max(since, self._resumed)

    def _since(self, key: Key) -> float | None:
        return self._later.get(key, self._first) if key in self._series else None
