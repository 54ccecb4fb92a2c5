"""What metrics show of a replica's status."""

from exporter.exposition.replica_metrics import ReplicaFigures, ReplicaView
from exporter.replicas.status import ReplicaStatus
from exporter.replicas.values import Phase


def figures(status: ReplicaStatus) -> ReplicaFigures:
    """Return what metrics show of a replica's status: what it last read only while it may act on it."""
    view = None
    if status.clock_offset is not None and status.phase is not Phase.SILENT:
        view = ReplicaView(
            status.clock_offset,
            len(status.live),
            len(status.config_hashes),
            status.leases_held,
            status.target,
            status.accounts_unowned if status.has_current_config else None,
        )
    changes = {change.value: count for change, count in status.lease_changes.items()}
    return ReplicaFigures(status.database_up, view, changes, status.commits_refused)
