"""The status of a replica, as metrics, pages and readiness show it. No logic here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """What a replica may do."""

    JOINING = "joining"
    """It exposes what it owns, and claims nothing yet."""
    ACTIVE = "active"
    SILENT = "silent"
    """Its leases may have expired: it exposes and polls nothing."""
    LEAVING = "leaving"
    """It gives away what it owns."""


class Change(Enum):
    """Why a lease came or went: the values of the label `reason`."""

    CLAIMED = "claimed"
    """No replica had it."""
    TAKEN_OVER = "taken_over"
    """Its owner's heartbeat had expired."""
    SHED = "shed"
    """It was given to a replica that had less than its share."""
    REMOVED = "removed"
    """Its account is no longer configured."""
    RELEASED = "released"
    """The replica left."""
    LOST = "lost"
    """Another replica took it over, or the database lost it."""


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """What metrics, landing page and readiness say about this replica and the others."""

    holder: str
    phase: Phase
    leases_held: int
    target: int
    """How many accounts this replica should own."""
    accounts_unowned: int
    live: tuple[str, ...]
    """The holders that are live, as of the last tick."""
    config_hashes: tuple[str, ...]
    """The different configurations of the live replicas; the current one comes first."""
    has_current_config: bool
    """Whether this replica has the current configuration. If not, it does not know which accounts need an owner."""
    lease_changes: Mapping[Change, int]
    commits_refused: int
    clock_offset: float | None
    """The database's clock minus this machine's, seconds."""
    not_ready: str | None
    """Why the replica is not ready; None if it is."""
    error: str | None = None
    """Why the last tick failed; None if it succeeded."""
    failing_since: float | None = None
    """When the first tick failed since one succeeded, epoch seconds by this machine's clock."""

    @property
    def database_up(self) -> bool:
        """Whether the last tick succeeded."""
        return self.error is None

    @property
    def others(self) -> tuple[str, ...]:
        """The holders that are live, without this one."""
        return tuple(holder for holder in self.live if holder != self.holder)
