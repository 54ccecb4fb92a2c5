"""What the landing page says about replicas."""

from dataclasses import replace

from exporter.model.replica_status import Phase, ReplicaStatus
from exporter.web.pages.landing import landing_page
from exporter.web.pages.replicas import replica_problems
from tests.support.examples import NOW
from tests.support.html_reader import Reader

CALM = ReplicaStatus(
    holder="a-1",
    phase=Phase.ACTIVE,
    leases_held=3,
    target=4,
    accounts_unowned=0,
    live=("a-1", "b-2", "c-3"),
    config_hashes=("new",),
    has_current_config=True,
    lease_changes={},
    commits_refused=0,
    clock_offset=0.0,
    not_ready=None,
)
TWO = ("new", "old")


def page(replicas: ReplicaStatus | None) -> Reader:
    return Reader(landing_page((), "1", (), (), NOW, replicas).decode())


def said(replicas: ReplicaStatus) -> str:
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
    down = replace(CALM, error="nothing answers there", failing_since=NOW - 90)
    down = replace(down, live=("a-1",), accounts_unowned=2, config_hashes=TWO)
    assert page(down).rows[1] == [
        "a-1 active",
        "3 of its share of 4",
        "none",
        "2",
        "does not answer since 2026-01-02 03:04:35Z 1 min ago",
        "2 different ones",
    ]
    assert "does not answer since the start" in page(replace(down, failing_since=None)).rows[1]


def test_what_is_wrong_is_a_problem_with_its_fix() -> None:
    assert said(CALM) == ""
    assert "has not answered for 1 min" in said(replace(CALM, error="it is down", failing_since=NOW - 60))
    assert "it is down" in said(replace(CALM, error="it is down"))
    assert "has not answered since the start" in said(replace(CALM, error="it is down"))
    assert "2 different configurations" in said(replace(CALM, config_hashes=TWO))
    assert "this replica has an older one" in said(replace(CALM, config_hashes=TWO, has_current_config=False))
    assert "1 account is polled by no replica" in said(replace(CALM, accounts_unowned=1))
