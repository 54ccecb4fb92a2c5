"""What a state holds, for people: the collectors with their numbers, and the replicas that share it. No SQL here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.state.checkpoint import Checkpoint


class CollectorOverview(NamedTuple):
    """What is kept of one collector."""

    account: str
    collector: str
    finished: int
    in_flight: int
    deleted: int
    """The three states of records."""
    series: int
    failures: int
    last_poll: float | None
    """When the last successful poll began, epoch seconds; None if there was none or it can't be read."""
    owner: str | None
    """The replica that has the account's lease, live or not; None if there is none."""


@dataclass(frozen=True, slots=True)
class ReplicaOverview:
    """A replica that has not left."""

    holder: str
    live: bool
    leaving: bool
    accounts: int
    """How many accounts it owns."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What a state holds at one moment."""

    place: str
    """The path of the file, or the URL of the database without credentials."""
    schema: int
    """The version of the tables."""
    bytes: int
    """The size of the file with its log, or of the tables with their indexes."""
    collectors: Sequence[CollectorOverview]
    """The collectors, sorted by account and collector."""
    replicas: Sequence[ReplicaOverview] | None = None
    """The replicas, sorted by name; None for a file, which one program uses."""
    unowned: Sequence[str] = field(default=())
    """The accounts with a lease that no live replica has, by name."""


def last_poll(checkpoint: str) -> float | None:
    """Return when the last successful poll began, from a checkpoint as the state keeps it; None if it has none."""
    try:
        return Checkpoint.decode(checkpoint).polled_at
    except (ValueError, TypeError, RecursionError):
        return None
