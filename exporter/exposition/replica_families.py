"""Rows of the catalog about replicas that share a database. They have no label `account`: each replica has its own."""

from exporter.model.family import Family

STATE_UP = Family("batch_exporter_state_up", "gauge", "Whether the state database answered the last time.", ())
LEASES_HELD = Family("batch_exporter_leases_held", "gauge", "Accounts whose leases this replica holds.", ())
LEASES_TARGET = Family("batch_exporter_leases_target", "gauge", "Accounts that are this replica's fair share.", ())
ACCOUNTS_UNOWNED = Family(
    "batch_exporter_accounts_unowned", "gauge", "Configured accounts that no live replica owns.", ()
)
REPLICAS_LIVE = Family(
    "batch_exporter_replicas_live", "gauge", "Replicas whose heartbeat has not expired, without those that leave.", ()
)
CONFIG_HASHES = Family(
    "batch_exporter_config_hashes", "gauge", "Different configurations of accounts among the live replicas.", ()
)
LEASE_CHANGES = Family(
    "batch_exporter_lease_changes_total",
    "counter",
    "Leases that this replica got or lost, by reason.",
    ("reason",),
)
COMMITS_REFUSED = Family(
    "batch_exporter_commits_refused_total",
    "counter",
    "Writes that the state database refused, because this replica no longer owned the account.",
    (),
)
CLOCK_OFFSET = Family(
    "batch_exporter_clock_offset_seconds", "gauge", "The clock of the state database minus that of this machine.", ()
)
REPLICAS = (
    STATE_UP,
    LEASES_HELD,
    LEASES_TARGET,
    ACCOUNTS_UNOWNED,
    REPLICAS_LIVE,
    CONFIG_HASHES,
    LEASE_CHANGES,
    COMMITS_REFUSED,
    CLOCK_OFFSET,
)
"""Families that exist only with a state database."""
