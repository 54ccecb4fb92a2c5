"""Thousands of collectors that publish as pollers do, without an API or a state. Nothing is timed here."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from exporter.exposition.catalog import Feeds
from exporter.exposition.meter import AccountMeter
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.family import Family
from exporter.model.record import Key
from exporter.model.totals import Cause, CounterState, HistogramState, Observations, Sums
from exporter.polling.publisher import Output, Pace, Publisher
from exporter.systems import Source, sources
from exporter.systems.base import Options

_SEEN = ("inkit_storage", "sepire")
"""Destinations that records have."""
_PACE = Pace(60.0, 600.0, 3600.0)


@dataclass(slots=True)
class Member:
    """One collector."""

    publisher: Publisher
    status: CollectorStatus
    families: Sequence[Family]
    meter: AccountMeter
    records: int = 300
    polls: int = 0

    def ask(self) -> None:
        """Count a request, as it is made for a poll."""
        self.meter.throttled(0.25)
        self.meter.answered(f"/{self.status.collector}", "200", 0.1)

    def poll(self) -> None:
        """Publish as after a poll. It is a quiet one if `records` are as many as before."""
        self.polls += 1
        self.publisher.totals = _totals(self.families, self.status.collector, self.records)
        self.status.finished = self.records
        self.status.last_success = 1.7e9 + self.polls
        self.status.last_duration = 0.1 + self.polls / 1000
        self.publisher.fresh()
        self.publisher.note_stuck(0, ())
        self.publisher.render_gauges()
        self.publisher.rising()
        self.publisher.update()
        self.publisher.next_change()


@dataclass(slots=True)
class Crowd:
    """Accounts with all collectors of Inkit, in one store."""

    accounts: int
    ticks: Callable[[], float] = time.monotonic
    store: SnapshotStore = field(default_factory=SnapshotStore)
    members: list[Member] = field(default_factory=list)
    live: SelfMetrics = field(init=False)

    def __post_init__(self) -> None:
        self.live = SelfMetrics("0", "", self.store)
        source = sources()["inkit"]
        for number in range(self.accounts):
            account = f"account-{number:04}"
            meter = self.live.meter(account, "inkit")
            for name in source.system.collectors:
                self.members.append(self._member(source, account, name, meter))
                meter.expect([f"/{name}", f"/{name}/id"])
        for member in self.members:
            member.poll()

    def _member(self, source: Source, account: str, name: str, meter: AccountMeter) -> Member:
        families = tuple(family for family in source.families if name in family.zeros)
        listing = source.listing(name, Options({}, (), workflow_label=False))
        status = CollectorStatus(account, "inkit", name, up=True, backfilling=False, poll_interval=_PACE.interval)
        publisher = Publisher(
            Output(self.store.publish, lambda: self.store.last_scrape),
            status,
            _PACE,
            Feeds(name, families, listing.rejections, listing.optional),
            ticks=self.ticks,
        )
        return Member(publisher, status, families, meter)


def _totals(families: Sequence[Family], collector: str, records: int) -> Sums:
    """Return the totals as the state returns them: equal ones for an equal number, but not the same objects."""
    gauges: dict[Key, int] = {}
    counters: dict[Key, CounterState] = {}
    histograms: dict[Key, HistogramState] = {}
    for family in families:
        key = _key(family, collector)
        if family.kind == "gauge" and not family.oldest_in_flight:
            gauges |= dict.fromkeys(key, records)
        elif family.kind == "counter":
            counters |= {each: CounterState(records, records, Cause("rend_1", 1, 1.7e9)) for each in key}
        elif family.kind == "histogram":
            seen = Observations((records,) * (len(family.bounds) + 1), 60.0 * records, family.bounds)
            histograms |= dict.fromkeys(key, HistogramState(seen, seen))
    return Sums(gauges, counters, histograms, 1.7e9)


def _key(family: Family, collector: str) -> list[Key]:
    """Return the series that records have: completed ones, with a few destinations."""
    known = family.zeros[collector]
    first = [known[label][0] for label in family.labels[1:] if label in known and label != "destination"]
    if "destination" not in family.labels:
        return [(family.name, *first)]
    place = [label for label in family.labels[1:] if label in known].index("destination")
    return [(family.name, *first[:place], seen, *first[place:]) for seen in _SEEN]
