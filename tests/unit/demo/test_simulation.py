"""How the demo's world moves, held to the rules of the API at every step."""

import random

import pytest

from exporter.demo.items import PIECES, PREFIXES, Item, Kind, iso
from exporter.demo.simulation import WORKFLOWS, Pace, Simulation
from exporter.demo.world import World
from tests.support.rig import NOW

TITLE_CASE = {"Completed", "In Progress", "Failed"}
BATCHES: tuple[Kind, ...] = ("document_batches", "workflow_batches")


def live(minutes: int, seed: int = 7) -> tuple[World, Simulation]:
    """Return a world after some minutes in steps of 5 seconds, and its simulation."""
    world = World(random.Random(seed), lambda: NOW)
    simulation = Simulation(world, random.Random(seed))
    for step in range(minutes * 12 + 1):
        simulation.step(NOW + step * 5)
    return world, simulation


@pytest.fixture(scope="module")
def hour() -> tuple[World, Simulation]:
    return live(60)


def batches(world: World) -> list[Item]:
    return [item for kind in BATCHES for item in world.items(kind)]


def open_batches(world: World, before: float) -> set[str]:
    """Return the batches with generations in progress that were created before a time."""
    return {
        item["id"]
        for item in batches(world)
        if item["created_at"] < iso(before)
        and any(destination["in_progress"] for destination in item["destinations"].values())
    }


def open_invocations(world: World, before: float) -> set[str]:
    return {
        item["id"]
        for item in world.items("invocations")
        if item["created_at"] < iso(before) and "In Progress" in (item["status"], item["destination_status"])
    }


def test_the_counts_of_every_batch_add_up_at_every_step() -> None:
    world = World(random.Random(3), lambda: NOW)
    simulation = Simulation(world, random.Random(3))
    for step in range(200):
        simulation.step(NOW + step * 5)
        for batch in batches(world):
            for counts in batch["destinations"].values():
                assert counts["completed"] + counts["failed"] + counts["in_progress"] == counts["count"]
                assert min(counts["completed"], counts["failed"], counts["in_progress"]) >= 0
                assert counts["count"] == batch["total"]


def test_what_has_finished_is_never_open_again() -> None:
    world = World(random.Random(3), lambda: NOW)
    simulation = Simulation(world, random.Random(3))
    finished: dict[tuple[str, str], int] = {}
    for step in range(200):
        simulation.step(NOW + step * 5)
        for batch in batches(world):
            for name, counts in batch["destinations"].items():
                done = counts["completed"] + counts["failed"]
                assert done >= finished.get((batch["id"], name), 0)
                finished[batch["id"], name] = done
    assert sum(finished.values()) > 100


def test_statuses_are_those_that_the_api_has(hour: tuple[World, Simulation]) -> None:
    world, _ = hour
    for batch in batches(world):
        assert batch["status"] in TITLE_CASE
        for counts in batch["destinations"].values():
            assert counts["status"] in {"completed", "failed", "in_progress"}
            assert (counts["status"] == "in_progress") is (counts["in_progress"] > 0)
    for item in world.items("invocations"):
        assert {item["status"], item["destination_status"]} <= TITLE_CASE
        assert {destination["status"] for destination in item["destinations"].values()} <= TITLE_CASE


def test_a_batch_is_created_before_its_generations_begin() -> None:
    world, _ = live(10)
    begun = [item for item in batches(world) if item["destinations"]]
    not_begun = [item for item in batches(world) if not item["destinations"]]
    assert {item["status"] for item in begun} == {"Completed"}
    assert {item["status"] for item in not_begun} <= {"In Progress", "Failed"}
    assert any(destination["in_progress"] for item in begun for destination in item["destinations"].values())


def test_exactly_one_batch_and_one_invocation_are_stuck(hour: tuple[World, Simulation]) -> None:
    world, simulation = hour
    long_ago = NOW + 2400
    assert open_batches(world, long_ago) == {simulation.stuck["document_batches"]}
    assert open_invocations(world, long_ago) == {simulation.stuck["invocations"]}


def test_some_generations_fail_and_most_do_not(hour: tuple[World, Simulation]) -> None:
    world, _ = hour
    counts = [destination for item in batches(world) for destination in item["destinations"].values()]
    share = sum(count["failed"] for count in counts) / sum(count["count"] for count in counts)
    assert 0.03 < share < 0.15


def test_a_burst_of_failures_befalls_one_destination_and_passes() -> None:
    world = World(random.Random(7), lambda: NOW)
    simulation = Simulation(world, random.Random(7))
    seen = []
    for step in range(720):
        simulation.step(NOW + step * 5)
        seen.append(simulation.burst)
    first = next(number for number, burst in enumerate(seen) if burst)
    assert None in seen[first:]
    assert len(set(seen)) > 2
    assert set(seen) <= {None, *PIECES}


def test_most_generations_fail_where_a_burst_is() -> None:
    world = World(random.Random(2), lambda: NOW)
    simulation = Simulation(world, random.Random(2), Pace(bursts=1e6, burst_lasts=1e9))
    for step in range(240):
        simulation.step(NOW + step * 5)
    assert simulation.burst is not None
    counts = [
        item["destinations"][simulation.burst] for item in batches(world) if simulation.burst in item["destinations"]
    ]
    done = sum(count["completed"] + count["failed"] for count in counts)
    assert sum(count["failed"] for count in counts) / done > 0.5


def test_a_delivery_can_fail_although_the_workflow_is_completed(hour: tuple[World, Simulation]) -> None:
    world, _ = hour
    pairs = {(item["status"], item["destination_status"]) for item in world.items("invocations")}
    assert pairs >= {("Completed", "Completed"), ("Completed", "Failed"), ("Failed", "Failed")}


def test_a_workflow_batch_counts_the_invocations_that_belong_to_it(hour: tuple[World, Simulation]) -> None:
    world, _ = hour
    parts: dict[str, list[Item]] = {}
    for item in world.items("invocations"):
        parts.setdefault(item["flows_batch_id"], []).append(item)
    finished = [batch for batch in world.items("workflow_batches") if batch["created_at"] < iso(NOW + 2400)]
    assert len(finished) > 20
    for batch in finished:
        for name, counts in batch["destinations"].items():
            mine = parts[batch["id"]]
            delivered = [batch["destinations"].get(name, {"status": "Failed"})["status"] for batch in mine]
            assert counts["completed"] == delivered.count("Completed")
            assert counts["count"] == len(mine)


def test_every_destination_and_workflow_occurs(hour: tuple[World, Simulation]) -> None:
    world, _ = hour
    invocations = world.items("invocations")
    assert {name for item in invocations for name in item["destinations"]} == set(PIECES)
    assert {item["flow_name"] for item in invocations} == set(WORKFLOWS)


def test_the_same_seed_makes_the_same_world() -> None:
    assert live(5)[0].items("invocations") == live(5)[0].items("invocations")
    assert live(5)[0].items("invocations") != live(5, seed=8)[0].items("invocations")


def test_the_world_can_lose_what_is_open() -> None:
    world, simulation = live(5)
    for kind in PREFIXES:
        for item in world.items(kind):
            world.remove(kind, item["id"])
    simulation.step(NOW + 600)
    assert batches(world)
    assert all(item["created_at"] >= iso(NOW + 300) for kind in PREFIXES for item in world.items(kind))


def test_time_that_runs_backwards_changes_nothing() -> None:
    world, simulation = live(5)
    before = world.items("invocations")
    simulation.step(NOW)
    simulation.step(NOW + 300)
    assert world.items("invocations") == before


def test_a_history_fills_the_days_before_now_with_about_as_many_records_as_asked_for() -> None:
    world = World(random.Random(7), lambda: NOW)
    simulation = Simulation(world, random.Random(7))
    simulation.history(NOW, days=7, records=400)
    items = [item for kind in PREFIXES for item in world.items(kind)]
    assert 300 < len(items) < 500
    times = sorted(item["created_at"] for item in items)
    assert iso(NOW - 7 * 86_400) <= times[0] < iso(NOW - 6 * 86_400)
    assert iso(NOW - 86_400) < times[-1] <= iso(NOW)


def test_after_a_history_only_what_is_stuck_is_open_and_is_younger_than_half_a_day() -> None:
    world = World(random.Random(7), lambda: NOW)
    simulation = Simulation(world, random.Random(7))
    simulation.history(NOW)
    assert set(simulation.stuck) == {"document_batches", "invocations"}
    assert open_batches(world, NOW - 3600) == {simulation.stuck["document_batches"]}
    assert open_invocations(world, NOW - 3600) == {simulation.stuck["invocations"]}
    assert open_batches(world, NOW - 43_200) == set()


def test_after_a_history_life_goes_on_at_its_own_pace() -> None:
    world = World(random.Random(7), lambda: NOW)
    simulation = Simulation(world, random.Random(7))
    simulation.history(NOW)
    before = world.count("invocations")
    for step in range(1, 121):
        simulation.step(NOW + step * 5)
    assert world.count("invocations") - before > 50
