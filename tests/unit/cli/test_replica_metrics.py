"""The metrics of a replica are those of its status, and have no account."""

from dataclasses import replace

from exporter.cli.replica_metrics import samples
from exporter.exposition.replica_families import REPLICAS
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.replicas.status import ReplicaStatus
from exporter.replicas.values import Change, Phase

STATUS = ReplicaStatus(
    holder="one",
    phase=Phase.ACTIVE,
    database_up=True,
    leases_held=5,
    target=6,
    accounts_unowned=2,
    live=("one", "two"),
    config_hashes=("a", "b", "c"),
    lease_changes=dict.fromkeys(Change, 0) | {Change.SHED: 7},
    commits_refused=4,
    tick_seconds=0.25,
    clock_offset=-1.5,
    not_ready=None,
)


def test_each_family_about_replicas_is_exposed_with_the_value_of_the_status() -> None:
    live = SelfMetrics("1", "abc", SnapshotStore())
    shown = [STATUS]
    live.show_replicas(lambda: samples(shown[0]))

    def value(name: str, **labels: str) -> float | None:
        return live.registry.get_sample_value(f"batch_exporter_{name}", labels)

    expected = {
        "state_up": 1,
        "leases_held": 5,
        "leases_target": 6,
        "accounts_unowned": 2,
        "replicas_live": 2,
        "config_hashes": 3,
        "commits_refused_total": 4,
        "clock_offset_seconds": -1.5,
    }
    assert {name: value(name) for name in expected} == expected
    assert value("lease_changes_total", reason="shed") == 7
    assert value("lease_changes_total", reason="taken_over") == 0
    shown[0] = replace(STATUS, database_up=False)
    assert value("state_up") == 0


def test_before_the_first_tick_what_it_would_have_read_is_absent() -> None:
    known = {family.name for family, _, _ in samples(replace(STATUS, clock_offset=None))}
    assert known == {f"batch_exporter_{name}" for name in ("state_up", "leases_held")} | {
        "batch_exporter_lease_changes_total",
        "batch_exporter_commits_refused_total",
    }


def test_every_family_about_replicas_has_a_sample_and_no_account() -> None:
    assert {family.name for family, _, _ in samples(STATUS)} == {family.name for family in REPLICAS}
    assert not any("account" in family.labels for family in REPLICAS)
