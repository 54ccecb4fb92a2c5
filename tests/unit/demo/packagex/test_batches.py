"""The batches that are served, and their order."""

import json
import random
import time
from collections.abc import Callable

import pytest

from exporter.demo.faults import ListFaults
from exporter.demo.http_types import Request
from exporter.demo.items import new_id
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import packagex_batch
from tests.support.rig import NOW, Clock


def ids(batches: Batches) -> list[str]:
    return [batch["id"] for batch in batches.items()]


def test_batches_are_newest_first_in_whatever_order_they_came(batches: Batches) -> None:
    batches.add(packagex_batch("batch_2", NOW - 2))
    batches.extend(packagex_batch(f"batch_{age}", NOW - age) for age in (0, 3, 1))
    assert ids(batches) == ["batch_0", "batch_1", "batch_2", "batch_3"]
    assert batches.count() == 4
    texts, total = batches.texts({"status": "completed"}, 0, None, newest_first=True)
    assert [json.loads(text)["id"] for text in texts] == ids(batches)
    assert total == 4


def test_a_change_moves_updated_at_and_nothing_else(batches: Batches, clock: Clock) -> None:
    batches.add(packagex_batch("batch_1", NOW))
    batches.add(packagex_batch("batch_2", NOW + 1))
    before = batches.get("batch_1")
    assert before is not None
    clock.now = NOW + 60.7
    batches.update("batch_1", status="failed", reason="no")
    assert batches.get("batch_1") == before | {"status": "failed", "reason": "no", "updated_at": int(NOW) + 60}
    assert ids(batches) == ["batch_2", "batch_1"]


def test_the_time_of_a_change_can_be_given(batches: Batches) -> None:
    batches.add(packagex_batch("batch_1", NOW))
    batches.update("batch_1", updated_at=5)
    changed = batches.get("batch_1")
    assert changed is not None
    assert changed["updated_at"] == 5


def test_adding_a_known_id_puts_the_new_batch_in_the_place_of_the_old(batches: Batches) -> None:
    batches.add(packagex_batch("batch_1", NOW - 5))
    batches.add(packagex_batch("batch_1", NOW, status="failed"))
    assert [(batch["id"], batch["status"]) for batch in batches.items()] == [("batch_1", "failed")]


def test_a_removed_batch_is_nowhere(batches: Batches) -> None:
    batches.extend(packagex_batch(f"batch_{n}", NOW) for n in range(3))
    batches.remove("batch_1")
    assert ids(batches) == ["batch_2", "batch_0"]
    assert batches.get("batch_1") is None
    assert batches.saved("batch_1") == frozenset()


def test_removing_or_changing_what_is_not_there_is_a_key_error(batches: Batches) -> None:
    with pytest.raises(KeyError):
        batches.remove("batch_1")
    with pytest.raises(KeyError):
        batches.update("batch_1", status="failed")


def test_what_is_handed_out_is_a_copy(batches: Batches) -> None:
    batches.add(packagex_batch("batch_1", NOW))
    batches.items()[0]["status"] = "failed"
    assert batches.items()[0]["status"] == "completed"


@pytest.mark.parametrize("created_at", [None, "yesterday"])
def test_a_batch_without_a_time_is_listed_as_if_it_was_new(batches: Batches, created_at: str | None) -> None:
    batches.add(packagex_batch("batch_old", NOW - 5))
    batches.add(packagex_batch("batch_odd", 0) | {"created_at": created_at})
    assert ids(batches) == ["batch_odd", "batch_old"]
    batches.remove("batch_odd")
    assert ids(batches) == ["batch_old"]


@pytest.mark.parametrize("value", [None, 7, ["contact"]])
def test_a_batch_with_a_value_that_cannot_be_filtered_by_is_listed_all_the_same(
    batches: Batches, value: object
) -> None:
    batches.add(packagex_batch("batch_1", NOW) | {"resource": value})
    assert ids(batches) == ["batch_1"]
    assert batches.texts({"resource": "contact"}, 0, None, newest_first=True) == ([], 0)


def test_ids_are_those_of_the_random_numbers() -> None:
    assert Batches(random.Random(5)).new_id() == new_id(random.Random(5), "batch")


def test_a_page_of_many_batches_costs_little() -> None:
    batches = Batches()
    batches.extend(packagex_batch(f"batch_{n}", NOW + n) for n in range(20_000))
    api = PackagexApi(batches, "key")

    def seconds(read: Callable[[], object]) -> float:
        began = time.process_time()
        read()
        return time.process_time() - began

    def pages() -> None:
        for params in ({"page": "199", "limit": "100"}, {"page": "1", "limit": "100", "status": "processing"}):
            answer = api.answer(Request("GET", "/batches", params, {"px-api-key": "key"}), ListFaults())
            assert answer is not None
            assert answer.status == 200

    assert min(seconds(pages) for _ in range(3)) < min(seconds(batches.items) for _ in range(3)) / 2, "it decodes all"
