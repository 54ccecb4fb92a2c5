"""What the landing page says about this replica and the others. Pure."""

from collections.abc import Iterator

from exporter.model.replica_status import ReplicaStatus
from exporter.web.pages.html import age
from exporter.web.pages.problems import Problem


def replica_problems(status: ReplicaStatus, now: float) -> Iterator[Problem]:
    """Yield what is wrong with the replicas, the worst first. `now` is in epoch seconds."""
    if status.error is not None:
        since = "since the start" if status.failing_since is None else f"for {age(now - status.failing_since)}"
        yield Problem(
            "bad",
            f"The state database has not answered {since}.",
            [
                status.error,
                "Until it answers, nothing is polled and the metrics of accounts are dropped. Nothing is lost.",
            ],
            "Restore the database or the network to it. Polling resumes by itself.",
        )
    if len(status.config_hashes) > 1:
        what = (
            "others wait for it to be loaded"
            if status.has_current_config
            else "this replica has an older one and claims nothing"
        )
        yield Problem(
            "warn",
            f"The live replicas have {len(status.config_hashes)} different configurations.",
            [f"The one that was loaded last counts: {what}."],
            "Give all replicas the same accounts and settings, and reload them.",
        )
    if status.accounts_unowned:
        accounts = "1 account is" if status.accounts_unowned == 1 else f"{status.accounts_unowned:,} accounts are"
        yield Problem(
            "warn",
            f"{accounts} polled by no replica.",
            ["After the end of a replica this lasts until its leases expire."],
            "If it lasts, see the pages of the other replicas: one may be unable to claim its share.",
        )
