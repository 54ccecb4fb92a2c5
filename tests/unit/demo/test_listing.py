"""The parameters of a list and its metadata, asked over HTTP."""

from typing import Any

import pytest

from exporter.demo.items import document_batch, generations, invocation
from exporter.demo.listing import Readings
from exporter.demo.world import World
from tests.support.api_clients import Client
from tests.support.rig import NOW, Clock


def fill(world: World, count: int) -> list[str]:
    """Add so many invocations, and return their IDs, newest first."""
    world.extend("invocations", (invocation(f"rend_{n:03}", NOW + n) for n in range(count)))
    return [f"rend_{n:03}" for n in reversed(range(count))]


def pagination(client: Client, **params: str | int) -> Any:
    return client.page("/invoke", **params)["metadata"]["pagination"]


def test_pages_follow_each_other_without_gap_or_overlap(world: World, client: Client) -> None:
    expected = fill(world, 23)
    read = [record_id for page in (1, 2, 3) for record_id in client.ids("/invoke", page=page, page_size=10)]
    assert read == expected


def test_a_page_has_25_records_when_nothing_is_said(world: World, client: Client) -> None:
    expected = fill(world, 30)
    assert client.ids("/invoke") == expected[:25]


@pytest.mark.parametrize(("page", "following", "previous"), [(1, 2, 3), (2, 3, 1), (3, None, 2), (4, None, 3)], ids=str)
def test_the_page_before_the_first_is_the_last_and_none_follows_the_last(
    world: World, client: Client, page: int, following: int | None, previous: int
) -> None:
    fill(world, 21)
    assert pagination(client, page=page, page_size=10) == {
        "current_page": page,
        "next_page": following,
        "page_count": 3,
        "page_size": 10,
        "prev_page": previous,
        "total_count": 21,
    }


def test_a_page_beyond_the_end_is_empty(world: World, client: Client) -> None:
    fill(world, 3)
    assert client.ids("/invoke", page=2) == []


def test_an_empty_list_has_no_pages(client: Client) -> None:
    found = pagination(client)
    assert (found["page_count"], found["next_page"], found["prev_page"]) == (0, None, None)


@pytest.mark.parametrize("name", ["page", "page_size"])
@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "", "²", "9" * 30])
def test_a_page_or_size_that_is_no_positive_integer_is_refused(client: Client, name: str, value: str) -> None:
    answer = client.get("/invoke", **{name: value})
    assert answer.status_code == 422
    assert name in answer.json()["message"]


def test_too_large_a_page_is_silently_made_smaller(world: World, client: Client) -> None:
    fill(world, 120)
    assert len(client.ids("/invoke", page_size=500)) == 100
    assert pagination(client, page_size=500)["page_size"] == 100


@pytest.mark.parametrize("readings", [Readings(max_page_size=50, large_page_size="refuse")])
def test_too_large_a_page_can_be_refused(client: Client) -> None:
    assert client.get("/invoke", page_size=50).status_code == 200
    assert client.get("/invoke", page_size=51).status_code == 422


@pytest.mark.parametrize("readings", [Readings(max_page_size=None)])
def test_the_size_of_a_page_can_be_unbounded(world: World, client: Client) -> None:
    fill(world, 120)
    assert len(client.ids("/invoke", page_size=500)) == 120


def test_a_key_sorts_upwards_and_with_a_minus_downwards(world: World, client: Client) -> None:
    newest_first = fill(world, 5)
    assert client.ids("/invoke", sort="-created_at") == newest_first
    assert client.ids("/invoke", sort="created_at") == newest_first[::-1]
    assert client.ids("/invoke", sort="created_at", page=2, page_size=2) == newest_first[::-1][2:4]


def test_other_keys_sort_by_what_the_records_say(world: World, client: Client) -> None:
    for number, name in enumerate(("b", "c", "a")):
        world.add("invocations", invocation(f"rend_{name}", NOW + number, name=name))
    assert client.ids("/invoke", sort="name") == ["rend_a", "rend_b", "rend_c"]
    assert client.ids("/invoke", sort="-name") == ["rend_c", "rend_b", "rend_a"]


def test_invocations_stand_by_their_last_change_when_nothing_is_said(
    world: World, client: Client, clock: Clock
) -> None:
    newest = fill(world, 3)
    clock.now = NOW + 100
    world.update("invocations", newest[-1], status="Failed")
    assert client.ids("/invoke") == [newest[-1], *newest[:-1]]
    assert client.ids("/invoke", sort="-updated_at") == client.ids("/invoke")
    assert client.ids("/invoke", search="rend", sort="updated_at") == client.ids("/invoke")[::-1]


def test_the_metadata_name_the_sort_key_and_say_1_of_every_order(client: Client) -> None:
    for sort in ("created_at", "-created_at"):
        assert client.page("/invoke", sort=sort)["metadata"]["sort"] == {"key": "created_at", "order": 1}


def test_an_unknown_sort_key_is_refused(client: Client) -> None:
    assert client.get("/invoke", sort="-nonsense").status_code == 422


@pytest.mark.parametrize("readings", [Readings(unknown_sort_key="ignore", sort_keys=frozenset({"name"}))])
def test_an_unknown_sort_key_can_be_ignored(world: World, client: Client) -> None:
    newest_first = fill(world, 3)
    assert client.ids("/invoke", sort="created_at") == newest_first


def test_a_search_finds_what_is_part_of_an_id_or_a_name(world: World, client: Client) -> None:
    world.add("invocations", invocation("rend_abc", NOW, name="First"))
    world.add("invocations", invocation("rend_xyz", NOW + 1, name="second ABC run"))
    world.add("invocations", invocation("rend_other", NOW + 2))
    for search in ("abc", "ABC"):
        assert client.ids("/invoke", search=search) == ["rend_xyz", "rend_abc"]
    assert pagination(client, search="abc")["total_count"] == 2


def test_data_id_takes_several_ids_and_leaves_out_the_unknown(world: World, client: Client) -> None:
    fill(world, 5)
    assert client.ids("/invoke", data_id="rend_001,rend_003,rend_unknown") == ["rend_003", "rend_001"]
    assert pagination(client, data_id="rend_001,rend_003")["total_count"] == 2


def test_data_id_is_a_parameter_of_invocations_only(world: World, client: Client) -> None:
    world.add("document_batches", document_batch("rb_1", NOW))
    assert client.ids("/batch", data_id="rb_2") == ["rb_1"]


def destinations_to_choose_from(world: World) -> None:
    mixed = {"inkit_storage": "Completed", "sepire": "Failed"}
    world.add("invocations", invocation("rend_mixed", NOW, destinations=mixed))
    world.add("invocations", invocation("rend_sent", NOW + 1, destinations={"sepire": "Completed"}))
    world.add("invocations", invocation("rend_new", NOW + 2, destinations={}, status="In Progress"))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"destination_name": "sepire"}, ["rend_sent", "rend_mixed"]),
        ({"destination_name": "box"}, []),
        ({"destination_status": "Completed"}, ["rend_sent", "rend_mixed"]),
        ({"destination_status": "failed"}, ["rend_mixed"]),
        ({"destination_name": "inkit_storage", "destination_status": "Failed"}, []),
        ({"destination_name": "sepire", "destination_status": "Failed"}, ["rend_mixed"]),
    ],
    ids=str,
)
def test_the_destination_filters_look_at_each_destination(
    world: World, client: Client, filters: dict[str, str], expected: list[str]
) -> None:
    destinations_to_choose_from(world)
    assert client.ids("/invoke", **filters) == expected


@pytest.mark.parametrize("readings", [Readings(destination_filter="roll_up")])
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"destination_status": "Completed"}, ["rend_sent"]),
        ({"destination_status": "in_progress"}, ["rend_new"]),
        ({"destination_name": "inkit_storage", "destination_status": "Failed"}, ["rend_mixed"]),
    ],
    ids=str,
)
def test_the_status_filter_can_look_at_the_roll_up(
    world: World, client: Client, filters: dict[str, str], expected: list[str]
) -> None:
    destinations_to_choose_from(world)
    assert client.ids("/invoke", **filters) == expected


def test_the_destination_filters_choose_batches_too(world: World, client: Client) -> None:
    world.add("document_batches", document_batch("rb_done", NOW))
    world.add("document_batches", document_batch("rb_open", NOW, destinations={"sepire": generations(3, 1)}))
    assert client.ids("/batch", destination_status="In Progress") == ["rb_open"]
    assert client.ids("/batch", destination_name="inkit_storage") == ["rb_done"]
