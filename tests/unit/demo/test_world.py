"""The records of a mock API and their orders."""

import random

import pytest

from exporter.demo.items import document_batch, invocation, new_id
from exporter.demo.world import Order, World
from tests.support.rig import NOW, Clock


def ids(world: World, order: Order = "created_at") -> list[str]:
    return [item["id"] for item in world.items("invocations", order)]


def test_records_are_listed_newest_first_in_whatever_order_they_came(world: World) -> None:
    for age in (2, 0, 3, 1):
        world.add("invocations", invocation(f"rend_{age}", NOW - age))
    assert ids(world) == ["rend_0", "rend_1", "rend_2", "rend_3"]


def test_many_records_at_once_are_listed_as_if_they_had_come_one_by_one() -> None:
    one_by_one, at_once = World(), World()
    made = [invocation(f"rend_{n}", NOW - n * 7 % 10) for n in range(20)]
    at_once.add("invocations", made[0])
    at_once.extend("invocations", made[1:])
    for item in made:
        one_by_one.add("invocations", item)
    assert ids(at_once) == ids(one_by_one)
    assert ids(at_once, "updated_at") == ids(one_by_one, "updated_at")


def test_a_changed_record_keeps_its_place_by_creation_and_becomes_the_newest_by_change(
    world: World, clock: Clock
) -> None:
    world.extend("invocations", (invocation(f"rend_{n}", NOW - 10 + n) for n in range(3)))
    clock.now = NOW
    world.update("invocations", "rend_0", status="Failed")
    assert ids(world) == ["rend_2", "rend_1", "rend_0"]
    assert ids(world, "updated_at") == ["rend_0", "rend_2", "rend_1"]
    changed = world.get("invocations", "rend_0")
    assert changed is not None
    assert changed["status"] == "Failed"


def test_adding_a_known_id_puts_the_new_record_in_the_place_of_the_old(world: World) -> None:
    world.add("invocations", invocation("rend_1", NOW - 5))
    world.add("invocations", invocation("rend_1", NOW, status="Failed"))
    assert [(item["id"], item["status"]) for item in world.items("invocations")] == [("rend_1", "Failed")]
    assert world.count("invocations") == 1


def test_the_time_of_a_change_can_be_given(world: World) -> None:
    world.add("invocations", invocation("rend_late", NOW - 9), updated_at=NOW)
    world.add("invocations", invocation("rend_new", NOW - 1))
    assert ids(world, "updated_at") == ["rend_late", "rend_new"]


def test_a_removed_record_is_in_no_list_and_the_others_stay(world: World) -> None:
    world.extend("invocations", (invocation(f"rend_{n}", NOW) for n in range(3)))
    world.remove("invocations", "rend_1")
    assert ids(world) == ids(world, "updated_at") == ["rend_2", "rend_0"]
    assert world.get("invocations", "rend_1") is None


def test_removing_or_changing_what_is_not_there_is_a_key_error(world: World) -> None:
    with pytest.raises(KeyError):
        world.remove("invocations", "rend_1")
    with pytest.raises(KeyError):
        world.update("invocations", "rend_1", status="Failed")


def test_kinds_do_not_mix(world: World) -> None:
    world.add("document_batches", document_batch("rb_1", NOW))
    assert world.get("invocations", "rb_1") is None
    assert world.count("workflow_batches") == 0


def test_what_the_world_hands_out_is_a_copy(world: World) -> None:
    world.add("invocations", invocation("rend_1", NOW))
    world.items("invocations")[0]["status"] = "Failed"
    assert world.items("invocations")[0]["status"] == "Completed"


def test_a_slice_beyond_the_end_is_empty_in_both_directions(world: World) -> None:
    world.extend("invocations", (invocation(f"rend_{n}", NOW + n) for n in range(3)))
    for newest_first in (True, False):
        assert world.texts("invocations", "created_at", 3, 6, newest_first=newest_first) == ([], 3)
        texts, _ = world.texts("invocations", "created_at", 2, 4, newest_first=newest_first)
        assert len(texts) == 1


def test_ids_are_those_of_the_random_numbers_and_look_like_the_vendors() -> None:
    assert World(random.Random(5)).new_id("workflow_batches") == new_id(random.Random(5), "fb")
    prefix, _, rest = World(random.Random(5)).new_id("invocations").partition("_")
    assert prefix == "rend"
    assert rest.isalnum()
    assert 15 < len(rest) < 23
