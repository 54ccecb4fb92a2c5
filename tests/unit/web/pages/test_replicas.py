"""What the landing page says about replicas."""

from dataclasses import replace

from exporter.cli.replica_page import view
from exporter.replicas.status import ReplicaStatus
from exporter.replicas.values import Change, Phase
from exporter.web.pages.landing import landing_page
from exporter.web.pages.replicas import ReplicasView, replica_problems
from tests.support.examples import NOW
from tests.support.html_reader import Reader

CALM = ReplicasView("a-1", "active", 3, 4, 0, ("b-2", "c-3"), 1, True, None, None)


def page(replicas: ReplicasView | None) -> Reader:
    return Reader(landing_page((), "1", (), (), NOW, replicas).decode())


def said(replicas: ReplicasView) -> str:
    return "\n".join(line for problem in replica_problems(replicas, NOW) for line in problem.lines)


def test_the_page_names_this_replica_its_share_and_the_others() -> None:
    assert ["|".join(row) for row in page(CALM).rows] == [
        "This replica|Accounts|Other replicas|Unowned|Database|Configurations",
        "a-1 active|3 of its share of 4|b-2, c-3|0|answers|the same",
    ]


def test_without_replicas_nothing_of_them_is_shown() -> None:
    assert page(None).rows == []
    assert "eplica" not in landing_page((), "1", (), (), NOW).decode()


def test_without_the_database_the_page_says_since_when() -> None:
    down = replace(CALM, error="nothing answers there", down_since=NOW - 90, others=(), unowned=2, configurations=2)
    assert page(down).rows[1] == [
        "a-1 active",
        "3 of its share of 4",
        "none",
        "2",
        "does not answer since 2026-01-02 03:04:35Z 1 min ago",
        "2 different ones",
    ]
    assert "does not answer since the start" in page(replace(down, down_since=None)).rows[1]


def test_what_is_wrong_is_a_problem_with_its_fix() -> None:
    assert said(CALM) == ""
    assert "has not answered for 1 min" in said(replace(CALM, error="it is down", down_since=NOW - 60))
    assert "it is down" in said(replace(CALM, error="it is down"))
    assert "has not answered since the start" in said(replace(CALM, error="it is down"))
    assert "2 different configurations" in said(replace(CALM, configurations=2))
    assert "this replica has an older one" in said(replace(CALM, configurations=2, is_current=False))
    assert "1 account is polled by no replica" in said(replace(CALM, unowned=1))


def test_the_view_is_what_the_replica_knows() -> None:
    status = ReplicaStatus(
        holder="a-1",
        phase=Phase.ACTIVE,
        database_up=False,
        leases_held=3,
        target=4,
        accounts_unowned=1,
        live=("a-1", "b-2"),
        config_hashes=("x", "y"),
        has_current_config=False,
        lease_changes=dict.fromkeys(Change, 0),
        commits_refused=0,
        tick_seconds=None,
        clock_offset=None,
        not_ready=None,
        error="it is down",
        failing_since=NOW,
    )
    assert view(status) == ReplicasView("a-1", "active", 3, 4, 1, ("b-2",), 2, False, "it is down", NOW)
