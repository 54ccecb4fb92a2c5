"""Metrics of a replica: its share of the accounts, the other replicas, and the database between them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as LibraryCollector

from exporter.exposition.catalog import (
    ACCOUNTS_UNOWNED,
    CLOCK_OFFSET,
    COMMITS_REFUSED,
    CONFIG_HASHES,
    LEASE_CHANGES,
    LEASES_HELD,
    LEASES_TARGET,
    REPLICAS_LIVE,
    STATE_UP,
)
from exporter.model.family import Family


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """What a replica read from the database last, while that is recent enough to act on."""

    clock_offset: float
    """By how many seconds the database's clock is ahead."""
    live: int
    configs: int
    held: int
    target: int
    unowned: int | None
    """None if the replica does not have the configuration that counts: it can't know."""


@dataclass(frozen=True, slots=True)
class ReplicaFigures:
    """The numbers of a replica at one moment."""

    state_up: bool
    view: ReplicaView | None
    """None before anything was read, and when it is too old."""
    lease_changes: Mapping[str, int]
    """By reason. Every reason is there from the start."""
    commits_refused: int


class ReplicaMetrics(LibraryCollector):
    """Collect the metrics of a replica. What is not known now has no sample."""

    def __init__(self, figures: Callable[[], ReplicaFigures]) -> None:
        """`figures` is called at each scrape, without I/O."""
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures()
        yield GaugeMetricFamily(STATE_UP.name, STATE_UP.help, value=figures.state_up)
        for family, value in _known(figures.view):
            yield GaugeMetricFamily(family.name, family.help, value=value)
        changes = CounterMetricFamily(LEASE_CHANGES.name, LEASE_CHANGES.help, labels=LEASE_CHANGES.labels)
        for reason, count in figures.lease_changes.items():
            changes.add_metric([reason], count)
        yield changes
        yield CounterMetricFamily(COMMITS_REFUSED.name, COMMITS_REFUSED.help, value=figures.commits_refused)


def _known(view: ReplicaView | None) -> Sequence[tuple[Family, float | None]]:
    if view is None:
        families = (CLOCK_OFFSET, REPLICAS_LIVE, CONFIG_HASHES, LEASES_HELD, LEASES_TARGET, ACCOUNTS_UNOWNED)
        return [(family, None) for family in families]
    return [
        (CLOCK_OFFSET, view.clock_offset),
        (REPLICAS_LIVE, view.live),
        (CONFIG_HASHES, view.configs),
        (LEASES_HELD, view.held),
        (LEASES_TARGET, view.target),
        (ACCOUNTS_UNOWNED, view.unowned),
    ]
