"""The landing page: problems first, then every collector."""

from collections.abc import Sequence

from exporter.exposition.snapshot import CollectorSnapshot
from exporter.model.replica_status import ReplicaStatus
from exporter.web.pages.html import Link, render
from exporter.web.pages.problems import Problem
from exporter.web.pages.recent_failures import RECENT, recent_failures

MOST_PROBLEMS = 20
"""The number of problems that are listed. If the network of a thousand accounts is down, the rest repeats them."""


def landing_page(
    links: Sequence[Link],
    version: str,
    problems: Sequence[Problem],
    collectors: Sequence[CollectorSnapshot],
    now: float,
    replicas: ReplicaStatus | None = None,
) -> bytes:
    """Return the page. `now` is in epoch seconds; ages are counted from it."""
    return render(
        "landing.html",
        links,
        "/",
        version=version,
        problems=problems[:MOST_PROBLEMS],
        more=max(0, len(problems) - MOST_PROBLEMS),
        collectors=[(collector, recent_failures(collector, now)) for collector in collectors],
        recent=RECENT,
        replicas=replicas,
        now=now,
    )
