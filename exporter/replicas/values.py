"""What a replica reads about itself and others, what it decides, and what it says of itself.

Moments are seconds of a clock of this machine that only goes forward, but for those of the database, which are epoch
seconds by the database's own clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


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
    """Nobody had it."""
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


class Peer(NamedTuple):
    """A live replica that is not leaving."""

    holder: str
    config: str
    """The hash of its accounts."""
    config_since: float
    """When that configuration was first loaded by a replica that lives, by the database's clock."""


class Unowned(NamedTuple):
    """An account without a live owner."""

    account: str
    holder: str | None
    """Who had it, and is no longer live; None if it was released."""
    since: float
    """By the database's clock."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick read, after its heartbeat was written."""

    sent_at: float
    """When the heartbeat was about to be sent, by this machine's clock that only goes forward."""
    database_time: float
    live: tuple[Peer, ...]
    """In the order in which they joined."""
    leases: Mapping[str, int]
    """The epoch of each account whose lease this replica holds."""
    unowned: tuple[Unowned, ...]
    """Those of all configurations, past ones included."""
    read_at: float = 0.0
    """The moment at which it was `database_time`, by the clock of `sent_at`."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do after a tick."""

    claim: int = 0
    """How many accounts to claim at most."""
    candidates: tuple[Unowned, ...] = ()
    """The accounts to claim from."""
    give: Mapping[str, Change] = field(default_factory=dict)
    """The accounts to end and release."""
    forget: tuple[str, ...] = ()
    """Accounts that nobody has in a configuration any more: their leases are to be deleted."""


@dataclass(frozen=True, slots=True)
class Configured:
    """The accounts of the configuration in use."""

    accounts: frozenset[str]
    config: str
    """A hash that is the same on two replicas if all that concerns their accounts is."""
