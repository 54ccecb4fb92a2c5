"""The metrics about this replica and the others, from its status."""

from collections.abc import Iterator, Sequence

from exporter.exposition import replica_families as families
from exporter.model.family import Family
from exporter.replicas.status import ReplicaStatus

Sample = tuple[Family, Sequence[str], float]


def samples(status: ReplicaStatus) -> Iterator[Sample]:
    """Yield the family, the labels and the value of each sample; what no tick has read yet is absent."""
    yield families.STATE_UP, (), status.database_up
    yield families.LEASES_HELD, (), status.leases_held
    yield families.COMMITS_REFUSED, (), status.commits_refused
    yield from ((families.LEASE_CHANGES, (change.value,), count) for change, count in status.lease_changes.items())
    if status.clock_offset is None:
        return
    yield families.LEASES_TARGET, (), status.target
    yield families.ACCOUNTS_UNOWNED, (), status.accounts_unowned
    yield families.REPLICAS_LIVE, (), len(status.live)
    yield families.CONFIG_HASHES, (), len(status.config_hashes)
    yield families.CLOCK_OFFSET, (), status.clock_offset
