"""What a scrape sees: the frozen result of each collector's last poll, and the board they are published on.

Nothing is computed here. The lock on the board is the program's only one.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.model.record import Reason

CollectorId = tuple[str, str]
"""The account's name and the collector's."""


@dataclass(frozen=True, slots=True)
class Block:
    """The sample lines of one family from one collector, rendered.

    Each line ends in a newline; HELP and TYPE are not here.
    """

    text: bytes
    openmetrics: bytes


Blocks = Mapping[str, Block]
"""Family name to lines. A family without a sample has no entry."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that has failed, as it is shown to people and programs: nothing of a customer's data."""

    record_id: str
    at: float
    """When it was noticed last that something of it has failed. Both times are epoch seconds."""
    created_at: float
    places: tuple[str, ...]
    """Where it has failed: destinations, or the kind of resource. None where it was the record itself."""
    statuses: tuple[str, ...]
    """How it has failed, in the words of the labels."""
    alert: str
    """The alert that is about such failures."""
    workflow: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What an operator wants to know of a collector at a glance."""

    up: bool | None
    """Did the last poll succeed; None before the first one ended."""
    ready: bool
    """Has the window been read completely once."""
    last_success: float | None
    """Epoch seconds."""
    finished: int
    in_flight: int
    error: str | None = None
    """Why the last poll failed, safe to show."""
    reason: Reason | None = None
    """Why it failed, as one of the few kinds there are."""
    oldest_in_flight: float | None = None
    """When the oldest record that is still in flight was created, epoch seconds."""


@dataclass(frozen=True, slots=True)
class CollectorSnapshot:
    """All that is exposed of one collector, frozen at the end of a poll."""

    account: str
    system: str
    collector: str
    gauges: Blocks = field(default_factory=dict)
    """Gauges about the API's records. Shown until `fresh_until`."""
    fresh_until: float = 0.0
    """Until when, in seconds of `ticks`, `gauges` may be shown as if they were today's."""
    status: Blocks = field(default_factory=dict)
    """Gauges about the polling itself: always shown."""
    health: Health = field(default_factory=lambda: Health(None, False, None, 0, 0))
    failures: tuple[Failure, ...] = ()
    """The last failed records, those that failed last first."""
    folded: Mapping[str, int] = field(default_factory=dict)
    """By family: how many series of gauges and counters were folded."""
    counters: Blocks = field(default_factory=dict)
    """Counters and histograms: always shown. One that stands still is not wrong."""

    @property
    def id(self) -> CollectorId:
        return self.account, self.collector


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All collectors' snapshots at one moment, in the order of the configuration."""

    generation: int
    collectors: tuple[CollectorSnapshot, ...]


class SnapshotStore:
    """Where pollers publish and scrapes look.

    A scrape takes one reference and works on it: it never sees half a poll. The lock is there because several
    pollers publish at once, and each makes the new whole from the old one (read, change, write).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot = Snapshot(0, ())
        self.last_scrape: float | None = None
        """When the last scrape began that was answered to its end, in seconds of the boot clock."""

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot

    def publish(self, new: CollectorSnapshot, unless: Callable[[], bool] = lambda: False) -> None:
        """Put a collector's snapshot in the place of its last one, or at the end if it is the first.

        `unless` tells that who publishes is to no more. It is asked under the lock: once it is true, and another has
        published since, the board is the other's.
        """
        with self._lock:
            if unless():
                return
            kept = {old.id: old for old in self._snapshot.collectors}
            kept[new.id] = new
            self._snapshot = Snapshot(self._snapshot.generation + 1, tuple(kept.values()))

    def scraped(self, started: float) -> None:
        """Note that a scrape was answered to its end that began then, in seconds of the boot clock."""
        self.last_scrape = started if self.last_scrape is None else max(self.last_scrape, started)

    def renew(self) -> None:
        """Say that what is shown beside the snapshots has changed: what was made of this one is not shown again."""
        with self._lock:
            self._snapshot = Snapshot(self._snapshot.generation + 1, self._snapshot.collectors)

    def arrange(self, collectors: Sequence[CollectorId]) -> None:
        """Show these collectors, in this order; all others leave."""
        with self._lock:
            known = {one.id: one for one in self._snapshot.collectors}
            kept = tuple(known[one] for one in collectors if one in known)
            self._snapshot = Snapshot(self._snapshot.generation + 1, kept)
