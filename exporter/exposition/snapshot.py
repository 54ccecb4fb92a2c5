"""The snapshot that a scrape sees: the frozen result of each collector's last poll, and the store for it.

Nothing is computed here.
"""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.exposition.shared_lines import Lines, whole
from exporter.exposition.status import CollectorStatus

CollectorId = tuple[str, str]
"""The account's name and the collector's."""


@dataclass(frozen=True, slots=True)
class Block:
    """The sample lines of one family from one collector, rendered.

    Each line ends in a newline; HELP and TYPE are not here.
    """

    lines: Lines
    """The lines in OpenMetrics."""
    exemplars: tuple[tuple[int, int], ...] = ()
    """Where exemplars, and lines about the start of a series, begin and end in the lines.

    The text format has none, and is otherwise the same.
    """

    @property
    def openmetrics(self) -> bytes:
        """The lines in OpenMetrics."""
        return whole(self.lines)

    @property
    def text(self) -> bytes:
        """The lines in the text format. They are not kept, because nearly all scrapers ask for OpenMetrics."""
        if not self.exemplars:
            return self.openmetrics
        lines = self.openmetrics
        begins, ends = zip(*self.exemplars, strict=True)
        return b"".join(lines[end:begin] for end, begin in zip((0, *ends), (*begins, None), strict=True))


Blocks = Mapping[str, Block]
"""Lines by family name. A family without a sample has no entry."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed record as `/failures` shows it, without customers' data."""

    record_id: str
    at: float
    """When a failure of it was last observed. Both times are epoch seconds."""
    created_at: float
    places: tuple[str, ...]
    """The destinations or the kind of resource that failed. Empty if the record itself failed."""
    statuses: tuple[str, ...]
    """How it failed: the values of the labels that hold outcomes."""
    alert: str
    """The alert about such failures."""
    workflow: str | None = None


@dataclass(frozen=True, slots=True)
class CollectorSnapshot:
    """All that is exposed of one collector, frozen at the end of a poll."""

    account: str
    system: str
    collector: str
    gauges: Blocks = field(default_factory=dict)
    """Gauges about records. Exposed until `fresh_until`."""
    fresh_until: float = 0.0
    """When `gauges` become stale and are dropped, in seconds of `boot_clock.ticks`."""
    status_gauges: Blocks = field(default_factory=dict)
    """Gauges about polling: always exposed."""
    status: CollectorStatus = field(default_factory=lambda: CollectorStatus("", "", ""))
    """The status as of this poll, for the pages. It is a copy, which nobody changes."""
    failures: tuple[Failure, ...] = ()
    """The last failed records, the latest failure first."""
    folded: Mapping[str, int] = field(default_factory=dict)
    """Number of folded series of gauges and counters, by family."""
    counters: Blocks = field(default_factory=dict)
    """Counters and histograms: always exposed."""

    @property
    def id(self) -> CollectorId:
        return self.account, self.collector


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The failed records of accounts that other replicas poll. Nothing else is known of their collectors here."""

    collectors: tuple[CollectorSnapshot, ...] = ()
    """All of them, also those without failures."""
    error: str | None = None
    """Why the database did not answer, so that failures are missing; None if it did."""
    accounts_missing: int = 0
    """The number of requested accounts whose failures are missing."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The snapshots of all collectors at one moment, in the order of the configuration."""

    generation: int
    collectors: tuple[CollectorSnapshot, ...]

    @property
    def is_silence(self) -> bool:
        """Whether it stands for all others once no account may be exposed."""
        return self.generation < 0


_SILENCE = Snapshot(-1, ())
"""What is exposed if there is nothing to expose. No other snapshot has its generation."""


class SnapshotStore:
    """Hold the current snapshot: pollers publish to it, scrapes read it.

    Publishing costs the same for any number of collectors: the snapshot of all is made when it is read. A reader gets
    the whole snapshots of one moment and never sees half a poll. The lock is needed because pollers publish while the
    web server reads.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """The program's only lock, held for microseconds: whatever a scrape reads beside the snapshots is under it."""
        self._collectors: dict[CollectorId, CollectorSnapshot] = {}
        self._generation = 0
        self._snapshot = Snapshot(0, ())
        """The snapshot that was last read; current if it has the present generation."""
        self.last_scrape: float | None = None
        """When the last scrape began that was answered to its end, in seconds of the boot clock."""
        self.exposed_until: Callable[[], float] = lambda: math.inf
        """Return when other replicas may own the accounts, by the boot clock: none is exposed from then on."""

    @property
    def snapshot(self) -> Snapshot:
        with self.lock:
            if self._snapshot.generation != self._generation:
                self._snapshot = Snapshot(self._generation, tuple(self._collectors.values()))
            return self._snapshot

    def is_silent(self, now: float) -> bool:
        """Return whether nothing of any account may be exposed at this moment."""
        return now >= self.exposed_until()

    def exposed(self, now: float) -> Snapshot:
        """Return the snapshot for a scrape at this moment."""
        return _SILENCE if self.is_silent(now) else self.snapshot

    def publish(self, new: CollectorSnapshot, unless: Callable[[], bool] = lambda: False) -> None:
        """Replace a collector's snapshot, or append it if it is the first.

        `unless` returns whether the publisher was stopped. It is called under the lock: a stopped publisher never
        overwrites what its successor has published.
        """
        with self.lock:
            if unless():
                return
            self._collectors[new.id] = new
            self._generation += 1

    def scraped(self, started: float) -> None:
        """Note that a scrape was answered to its end that began then, in seconds of the boot clock.

        One that began in silence has seen no account.
        """
        if self.is_silent(started):
            return
        self.last_scrape = started if self.last_scrape is None else max(self.last_scrape, started)

    def renew(self) -> None:
        """Invalidate cached scrapes after a change of what is exposed beside the snapshots."""
        with self.lock:
            self._generation += 1

    def arrange(self, collectors: Sequence[CollectorId]) -> None:
        """Keep only these collectors, in this order."""
        with self.lock:
            known = self._collectors
            self._collectors = {each: known[each] for each in collectors if each in known}
            self._generation += 1
