"""How the demo's batches move, held to the rules of the API at every step."""

import itertools
import random

import pytest

from exporter.demo.items import Item
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import FINISHED, OPEN, RESOURCES
from exporter.demo.packagex.simulation import PackagexPace, PackagexSimulation
from tests.support.rig import NOW

ORDER = ("requested", "queued", "processing", *FINISHED)
PHASES = ("parsing", "validation", "processing", "cleanup")


def begun(seed: int = 7, pace: PackagexPace | None = None) -> tuple[Batches, PackagexSimulation]:
    batches = Batches(random.Random(seed), lambda: NOW)
    return batches, PackagexSimulation(batches, random.Random(seed), pace)


def live(minutes: int, seed: int = 7, pace: PackagexPace | None = None) -> tuple[Batches, PackagexSimulation]:
    """Return batches after some minutes in steps of 5 seconds, and their simulation."""
    batches, simulation = begun(seed, pace)
    for step in range(minutes * 12 + 1):
        simulation.step(NOW + step * 5)
    return batches, simulation


@pytest.fixture(scope="module")
def hour() -> tuple[Batches, PackagexSimulation]:
    return live(60)


def has_only_grown(before: Item, after: Item) -> bool:
    phases = zip(before["phases"], after["phases"], strict=False)
    grown = all(old["success"] <= new["success"] and old["error"] <= new["error"] for old, new in phases)
    counted = all(count <= after["stats"][name] for name, count in before["stats"].items())
    return grown and counted and len(before["phases"]) <= len(after["phases"])


def test_the_counts_of_every_batch_add_up_at_every_step() -> None:
    batches, simulation = begun()
    for step in range(240):
        simulation.step(NOW + step * 5)
        for batch in batches.items():
            phases = batch["phases"]
            assert [phase["name"] for phase in phases] == list(PHASES[batch["via"] == "api" :])[: len(phases)]
            for phase in phases:
                assert phase["success"] + phase["error"] == phase["processed"] <= phase["total"]
                assert min(phase["success"], phase["error"]) >= 0
            for before, after in itertools.pairwise(phases):
                assert before["processed"] == before["total"]
                assert after["total"] == before["success"]
            processed = sum(phase["success"] for phase in phases if phase["name"] == "processing")
            changed = batch["stats"] | {"events": 0}
            assert sum(changed.values()) == batch["stats"]["events"] == processed


def test_a_batch_only_goes_forward_and_says_when_it_changed() -> None:
    batches, simulation = begun()
    known: dict[str, Item] = {}
    for step in range(480):
        now = NOW + step * 5
        simulation.step(now)
        for batch in batches.items():
            before = known.get(batch["id"])
            if before is not None and before != batch:
                assert before["status"] in OPEN
                assert ORDER.index(batch["status"]) >= ORDER.index(before["status"])
                assert has_only_grown(before, batch)
                assert batch["updated_at"] == int(now)
                assert batch["created_at"] == before["created_at"]
            known[batch["id"]] = batch
    assert len(known) > 50


def test_what_is_done_says_why_if_it_is_not_completed(hour: tuple[Batches, PackagexSimulation]) -> None:
    for batch in hour[0].items():
        assert (batch["reason"] is not None) is (batch["status"] in ("failed", "timed_out", "expired"))
        if batch["status"] in ("requested", "queued", "expired"):
            assert batch["phases"] == []
        if batch["status"] == "timed_out":
            assert batch["phases"][-1]["processed"] < batch["phases"][-1]["total"]


def test_exactly_one_batch_is_stuck_and_it_is_half_processed(hour: tuple[Batches, PackagexSimulation]) -> None:
    batches, simulation = hour
    stuck = [batch for batch in batches.items() if batch["status"] in OPEN and batch["created_at"] < NOW + 2400]
    assert [batch["id"] for batch in stuck] == [simulation.stuck]
    last = stuck[0]["phases"][-1]
    assert last["name"] == "processing"
    assert 0 < last["processed"] < last["total"]
    assert stuck[0]["updated_at"] < NOW + 2400


def test_most_batches_are_completed_and_some_of_their_items_failed(hour: tuple[Batches, PackagexSimulation]) -> None:
    done = [batch for batch in hour[0].items() if batch["status"] in FINISHED]
    completed = [batch for batch in done if batch["status"] == "completed"]
    assert 0.6 < len(completed) / len(done) < 0.9
    assert any(phase["error"] for batch in completed for phase in batch["phases"])


def test_an_item_that_is_processed_is_not_lost_afterwards(hour: tuple[Batches, PackagexSimulation]) -> None:
    cleanups = [phase for batch in hour[0].items() for phase in batch["phases"] if phase["name"] == "cleanup"]
    assert sum(cleanup["success"] for cleanup in cleanups) > 1000
    assert sum(cleanup["error"] for cleanup in cleanups) == 0


def test_no_outcome_has_a_fixed_turn() -> None:
    turns = set()
    for seed in range(4):
        oldest_first = live(20, seed)[0].items()[::-1]
        turns.add(next(number for number, batch in enumerate(oldest_first) if batch["status"] == "expired"))
    assert len(turns) > 1


def test_every_resource_action_mode_and_change_occurs(hour: tuple[Batches, PackagexSimulation]) -> None:
    items = hour[0].items()
    assert {batch["resource"] for batch in items} == set(RESOURCES)
    assert {batch["mode"] for batch in items} == {"sync", "mixed"}
    assert {batch["via"] for batch in items} == {"api", "file"}
    assert {batch["action"] for batch in items} == {"merge", "overwrite", "delete"}
    assert {batch["action"] for batch in items if batch["resource"] == "shipment"} == {"merge"}
    assert {name for batch in items for name, count in batch["stats"].items() if count} == {
        "created",
        "updated",
        "deleted",
        "overwritten",
        "events",
    }


def test_a_burst_of_failures_befalls_one_resource_and_passes() -> None:
    _, simulation = begun()
    seen = []
    for step in range(1440):
        simulation.step(NOW + step * 5)
        seen.append(simulation.burst)
    first = next(number for number, burst in enumerate(seen) if burst)
    assert None in seen[first:]
    assert len(set(seen)) > 2
    assert set(seen) <= {None, *RESOURCES}


def test_batches_fail_where_a_burst_is() -> None:
    batches, simulation = live(30, pace=PackagexPace(bursts=1e6, burst_lasts=1e9))
    assert simulation.burst is not None
    hit = [batch for batch in batches.items() if batch["resource"] == simulation.burst and batch["status"] in FINISHED]
    spared = [
        batch for batch in batches.items() if batch["resource"] != simulation.burst and batch["status"] in FINISHED
    ]
    assert sum(batch["status"] == "failed" for batch in hit) / len(hit) > 0.7
    assert sum(batch["status"] == "failed" for batch in spared) / len(spared) < 0.3


def test_the_same_seed_makes_the_same_batches() -> None:
    assert live(5)[0].items() == live(5)[0].items()
    assert live(5)[0].items() != live(5, seed=8)[0].items()


def test_the_batches_can_be_lost_while_they_are_open() -> None:
    batches, simulation = live(5)
    lost = batches.items()
    for batch in lost:
        batches.remove(batch["id"])
    simulation.step(NOW + 600)
    assert batches.count() > 0
    assert not {batch["id"] for batch in lost} & {batch["id"] for batch in batches.items()}


def test_time_that_runs_backwards_changes_nothing() -> None:
    batches, simulation = live(5)
    before = batches.items()
    simulation.step(NOW)
    simulation.step(NOW + 300)
    assert batches.items() == before


@pytest.mark.parametrize("seed", range(3))
def test_every_status_appears_in_a_history_and_only_one_batch_is_stuck_after_it(seed: int) -> None:
    batches, simulation = begun(seed)
    simulation.history(NOW)
    items = batches.items()
    assert {batch["status"] for batch in items} == set(ORDER)
    assert 150 < len(items) < 260
    assert NOW - 7 * 86_400 <= items[-1]["created_at"] < NOW - 6 * 86_400
    assert {batch["id"] for batch in items if batch["status"] in OPEN and batch["created_at"] < NOW - 3600} == {
        simulation.stuck
    }
    assert {batch["id"] for batch in items if batch["status"] in OPEN and batch["created_at"] < NOW - 43_200} == set()


def test_after_a_history_life_goes_on_at_its_own_pace() -> None:
    batches, simulation = begun()
    simulation.history(NOW)
    before = batches.count()
    waiting = [batch["id"] for batch in batches.items() if batch["status"] in ("requested", "queued")]
    assert len(waiting) == 2
    for step in range(1, 121):
        simulation.step(NOW + step * 5)
    assert 15 < batches.count() - before < 60
    moved = {batch["id"]: batch["status"] for batch in batches.items()}
    assert all(moved[batch_id] not in ("requested", "queued") for batch_id in waiting)
