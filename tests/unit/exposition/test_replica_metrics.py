"""What a replica exposes about itself, the other replicas and the database."""

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from exporter.exposition.catalog import LIVE
from exporter.exposition.scrape import Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.model.replica_status import Change, Phase, ReplicaStatus
from exporter.replicas.leases import Replica
from exporter.replicas.status import Tally, describe
from exporter.replicas.values import Peer, Tick, Unowned

ME, OTHER = Peer("me", "new", 2.0), Peer("other", "new", 2.0)
TICK = Tick(100.0, 1000.0, (ME, OTHER), {"a": 1}, (Unowned("b", None, 990.0), Unowned("elsewhere", None, 0.0)))
SHARED = ("clock_offset_seconds", "replicas_live", "config_hashes", "leases_held", "leases_target", "accounts_unowned")
"""What a replica knows from the tables alone."""


def status(tick: Tick | None = TICK, now: float = 101.0, tally: Tally | None = None) -> ReplicaStatus:
    replica = Replica("me", 20.0, frozenset("abc"))
    offset = None if tick is None else 0.25
    return describe(replica if tick is None else replica.after(tick), {}, tally or Tally(error=None), now, offset)


def exposed(shown: ReplicaStatus) -> Mapping[str, str]:
    """The samples of the exporter itself, by name and labels."""
    live = SelfMetrics("1", "abc", SnapshotStore())
    live.show_replica(lambda: shown)
    text = b"".join(Exposition(SnapshotStore(), (), live.registry).render().chunks).decode()
    return dict(re.findall(r"^batch_exporter_(\S+) (\S+)$", text, re.MULTILINE))


def test_a_replica_exposes_its_share_the_others_and_the_database() -> None:
    shown = exposed(status())
    assert [float(shown[name]) for name in SHARED] == [0.25, 2, 1, 1, 2, 1]
    assert float(shown["state_up"]) == 1


def test_every_reason_of_a_lease_change_is_exposed_at_zero_from_the_start() -> None:
    shown = exposed(status(None))
    assert {name: float(value) for name, value in shown.items() if name.startswith("lease_changes")} == {
        f'lease_changes_total{{reason="{change.value}"}}': 0 for change in Change
    }
    assert float(shown["commits_refused_total"]) == 0


def test_changes_and_refused_writes_are_counted() -> None:
    tally = Tally(refused=3)
    tally.changes[Change.TAKEN_OVER] = 7
    shown = exposed(status(tally=tally))
    assert float(shown["commits_refused_total"]) == 3
    assert float(shown['lease_changes_total{reason="taken_over"}']) == 7


@pytest.mark.parametrize(("tick", "now"), [(None, 101.0), (TICK, 115.0)], ids=["nothing was read", "it is too old"])
def test_what_a_replica_does_not_know_now_has_no_sample(tick: Tick | None, now: float) -> None:
    shown = exposed(status(tick, now, Tally()))
    assert shown.keys().isdisjoint(SHARED)
    assert float(shown["state_up"]) == 0


def test_a_failed_tick_alone_hides_nothing_while_the_leases_hold() -> None:
    assert status(TICK, 114.9, Tally(error="down")).phase is not Phase.SILENT
    assert exposed(status(TICK, 114.9, Tally(error="down"))).keys() >= set(SHARED)


def test_a_replica_without_the_configuration_that_counts_does_not_know_what_needs_an_owner() -> None:
    tick = replace(TICK, live=(Peer("me", "old", 1.0), OTHER))
    shown = exposed(status(tick))
    assert "accounts_unowned" not in shown
    assert float(shown["config_hashes"]) == 2


def test_without_replicas_there_is_none_of_these_families() -> None:
    live = SelfMetrics("1", "abc", SnapshotStore())
    text = b"".join(Exposition(SnapshotStore(), (), live.registry).render().chunks).decode()
    assert not re.search("lease|replicas|unowned|commits|state_up|clock_offset|state_operation", text)


def test_no_family_of_replicas_has_the_label_that_the_relabelling_selects_by() -> None:
    names = {f"batch_exporter_{name}" for name in (*SHARED, "lease_changes_total", "commits_refused_total")}
    assert names <= {family.name for family in LIVE}
    assert all("account" not in family.labels for family in LIVE if family.name in names)


def test_the_durations_of_calls_to_the_database_are_exposed_by_operation() -> None:
    live = SelfMetrics("1", "abc", SnapshotStore())
    leases, records = live.time_database("leases", "records")
    leases(0.002)
    records(4.0)
    count = "batch_exporter_state_operation_duration_seconds_count"
    assert live.registry.get_sample_value(count, {"operation": "leases"}) == 1
    assert live.registry.get_sample_value(count, {"operation": "records"}) == 1
