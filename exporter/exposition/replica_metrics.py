"""Metrics of a replica: its share of the accounts, the other replicas, and the database between them."""

from collections.abc import Callable, Iterator, Sequence

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
from exporter.model.replica_status import Phase, ReplicaStatus


class ReplicaMetrics(LibraryCollector):
    """Collect the metrics of a replica. What is not known now has no sample."""

    def __init__(self, status: Callable[[], ReplicaStatus]) -> None:
        """`status` is called at each scrape, without I/O."""
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        yield GaugeMetricFamily(STATE_UP.name, STATE_UP.help, value=status.database_up)
        for family, value in _last_read(status):
            yield GaugeMetricFamily(family.name, family.help, value=value)
        changes = CounterMetricFamily(LEASE_CHANGES.name, LEASE_CHANGES.help, labels=LEASE_CHANGES.labels)
        for change, count in status.lease_changes.items():
            changes.add_metric([change.value], count)
        yield changes
        yield CounterMetricFamily(COMMITS_REFUSED.name, COMMITS_REFUSED.help, value=status.commits_refused)


def _last_read(status: ReplicaStatus) -> Sequence[tuple[Family, float | None]]:
    """Return the values that were read from the database last; None for those that can't be acted on any more."""
    is_recent = status.clock_offset is not None and status.phase is not Phase.SILENT
    values: Sequence[tuple[Family, float | None]] = (
        (CLOCK_OFFSET, status.clock_offset),
        (REPLICAS_LIVE, len(status.live)),
        (CONFIG_HASHES, len(status.config_hashes)),
        (LEASES_HELD, status.leases_held),
        (LEASES_TARGET, status.target),
        (ACCOUNTS_UNOWNED, status.accounts_unowned if status.has_current_config else None),
    )
    return values if is_recent else [(family, None) for family, _ in values]
