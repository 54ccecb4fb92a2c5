"""What a replica reads about itself and others, and what it decides.

Moments are seconds of a clock of this machine that only goes forward, but for those of the database, which are epoch
seconds by the database's own clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.model.replica_status import Change


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
    """Since when it has no live owner, by the database's clock."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick read, after its heartbeat was written."""

    sent_at: float
    """When the heartbeat was about to be sent, by this machine's clock that only goes forward."""
    database_time: float
    live: tuple[Peer, ...]
    """The live replicas, in the order in which they joined."""
    leases: Mapping[str, int]
    """The epoch of each account whose lease this replica holds."""
    unowned: tuple[Unowned, ...]
    """The unowned accounts of all configurations, including past ones."""
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
