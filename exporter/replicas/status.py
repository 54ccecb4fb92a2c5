"""Describe this replica and the others: their status, and what is logged of it."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.model.names import named
from exporter.model.replica_status import Change, Phase, ReplicaStatus
from exporter.replicas.leases import Replica

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What has happened since the start."""

    changes: Counter[Change] = field(default_factory=Counter)
    refused: int = 0
    error: str | None = "the database has not answered yet"
    """Why the last tick failed; None if it succeeded."""
    failing_since: float | None = None


def log_changes(changed: Mapping[str, Change]) -> None:
    """Log for each reason which leases came or went."""
    for change in sorted(set(changed.values()), key=lambda change: change.value):
        accounts = named(account for account, why in changed.items() if why is change)
        log.info("leases changed", extra={"reason": change.value, **accounts})


def log_configuration(was_current: bool, is_current: bool) -> None:
    """Log whether the replica has the configuration that counts, if that has changed."""
    if was_current and not is_current:
        log.warning("another replica has a newer configuration: claiming no accounts")
    elif is_current and not was_current:
        log.info("configuration is the newest again: claiming accounts")


def describe(
    replica: Replica, running: Mapping[str, int], tally: Tally, now: float, clock_offset: float | None
) -> ReplicaStatus:
    """Return the status at this moment; `running` are the accounts that have begun, with their epochs."""
    live = () if replica.tick is None else replica.tick.live
    newest_first = sorted(live, key=lambda peer: (peer.config_since, peer.config), reverse=True)
    return ReplicaStatus(
        holder=replica.holder,
        phase=replica.phase(now),
        leases_held=0 if replica.tick is None else len(replica.tick.leases),
        target=replica.target,
        accounts_unowned=len(replica.unowned),
        live=tuple(peer.holder for peer in live),
        config_hashes=tuple(dict.fromkeys(peer.config for peer in newest_first)),
        has_current_config=replica.has_current_config,
        lease_changes={change: tally.changes[change] for change in Change},
        commits_refused=tally.refused,
        clock_offset=clock_offset,
        not_ready=_not_ready(replica, running, tally.error, now),
        error=tally.error,
        failing_since=tally.failing_since,
    )


def _not_ready(replica: Replica, running: Mapping[str, int], error: str | None, now: float) -> str | None:
    phase = replica.phase(now)
    if phase is Phase.LEAVING:
        return "leaving: its accounts go to other replicas"
    if replica.tick is None:
        return f"joining: {error}"
    if phase is Phase.SILENT:
        return f"silent: its leases may have expired: {error or 'it was stopped'}"
    if phase is Phase.JOINING:
        return "joining: it claims no accounts yet"
    # Not `owned`, which leaves out those whose restoring has failed until they are tried again.
    wanted = [each for each in replica.tick.leases if each in replica.configured and each not in replica.giving]
    waiting = sum(account not in running for account in wanted)
    return f"{waiting} of {len(wanted)} accounts are not restored yet" if waiting else None
