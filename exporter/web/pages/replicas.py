"""What the landing page says about this replica and the others. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.web.pages.html import age
from exporter.web.pages.problems import Problem


@dataclass(frozen=True, slots=True)
class ReplicasView:
    """This replica and the others, as of its last tick."""

    name: str
    phase: str
    """What it does: joining, active, silent or leaving."""
    owned: int
    target: int
    """How many accounts it should own."""
    unowned: int
    """How many accounts no live replica owns."""
    others: tuple[str, ...]
    """The names of the other live replicas."""
    configurations: int
    """How many different configurations the live replicas have."""
    is_current: bool
    """Whether this replica has the one that was loaded last, which counts."""
    error: str | None
    """Why the database does not answer; None if it does."""
    down_since: float | None
    """Epoch seconds; None if it does answer, or has not since the start."""


def replica_problems(view: ReplicasView, now: float) -> Iterator[Problem]:
    """Yield what is wrong with the replicas, the worst first. `now` is in epoch seconds."""
    if view.error is not None:
        since = "since the start" if view.down_since is None else f"for {age(now - view.down_since)}"
        yield Problem(
            "bad",
            f"The state database has not answered {since}.",
            [
                view.error,
                "Until it answers, nothing is polled and the metrics of accounts are dropped. Nothing is lost.",
            ],
            "Restore the database or the network to it. Polling resumes by itself.",
        )
    if view.configurations > 1:
        what = (
            "others wait for it to be loaded" if view.is_current else "this replica has an older one and claims nothing"
        )
        yield Problem(
            "warn",
            f"The live replicas have {view.configurations} different configurations.",
            [f"The one that was loaded last counts: {what}."],
            "Give all replicas the same accounts and settings, and reload them.",
        )
    if view.unowned:
        accounts = "1 account is" if view.unowned == 1 else f"{view.unowned:,} accounts are"
        yield Problem(
            "warn",
            f"{accounts} polled by no replica.",
            ["After the end of a replica this lasts until its leases expire."],
            "If it lasts, see the pages of the other replicas: one may be unable to claim its share.",
        )
