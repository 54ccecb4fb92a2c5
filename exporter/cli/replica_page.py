"""What the landing page says about this replica and the others, from its status."""

from exporter.replicas.status import ReplicaStatus
from exporter.web.pages.replicas import ReplicasView


def view(status: ReplicaStatus) -> ReplicasView:
    """Return what the page shows."""
    return ReplicasView(
        name=status.holder,
        phase=status.phase.value,
        owned=status.leases_held,
        target=status.target,
        unowned=status.accounts_unowned,
        others=tuple(holder for holder in status.live if holder != status.holder),
        configurations=len(status.config_hashes),
        is_current=status.has_current_config,
        error=status.error,
        down_since=status.failing_since,
    )
