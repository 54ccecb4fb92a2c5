"""Faults of the list of batches that a test can switch on, while each single response looks right."""

from typing import Any

import pytest

from exporter.demo.faults import ListFaults
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.packagex.listing import PackagexReadings
from tests.support import faults
from tests.support.api_clients import PackagexClient as Client
from tests.support.rig import NOW

ALL = [f"batch_{n:02}" for n in range(30)]


@pytest.fixture(autouse=True)
def _thirty_batches(batches: Batches) -> None:
    batches.extend(packagex_batch(record_id, NOW + n) for n, record_id in enumerate(ALL))


def read_all(client: Client) -> list[str]:
    return [record_id for page in (1, 2, 3) for record_id in client.ids(page=page, limit=10)]


@pytest.mark.parametrize("readings", [PackagexReadings(order="newest_first"), PackagexReadings()], ids=str)
def test_the_order_can_be_another_than_is_read_from_the_reference(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(order="ascending")
    assert read_all(client) == ALL
    client.mock_api.faults.list_faults = ListFaults(order="descending")
    assert read_all(client) == ALL[::-1]


def test_a_shuffled_list_has_no_order_but_every_batch_once(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(order="shuffled")
    read = read_all(client)
    assert read not in (ALL, ALL[::-1])
    assert sorted(read) == ALL


@pytest.mark.parametrize(
    ("list_faults", "page", "expected"),
    [
        (ListFaults(total_count=5), 1, {"total_count": 5, "has_more": True}),
        (ListFaults(total_count=99), 3, {"total_count": 99, "has_more": False}),
        (ListFaults(has_more=True), 3, {"total_count": 30, "has_more": True}),
        (ListFaults(has_more=False), 1, {"total_count": 30, "has_more": False}),
    ],
    ids=str,
)
def test_the_total_and_whether_there_is_more_can_disagree(
    client: Client, list_faults: ListFaults, page: int, expected: dict[str, Any]
) -> None:
    client.mock_api.faults.list_faults = list_faults
    answer = client.page(page=page, limit=10)
    assert answer["pagination"].items() >= expected.items()
    assert len(answer["data"]) == 10


def test_the_total_can_be_missing(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(total_count="missing")
    assert client.pagination(limit=10) == {"limit": 10, "page": 1, "has_more": True}


def test_the_limit_can_be_ignored(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(ignore_page_size=True)
    answer = client.page(limit=10)
    assert len(answer["data"]) == answer["pagination"]["limit"] == 25


def test_the_filters_can_be_ignored(client: Client) -> None:
    assert client.ids(status="failed") == []
    client.mock_api.faults.list_faults = ListFaults(ignore_filters=True)
    assert client.ids(status="failed", limit=30) == ALL


def test_ids_can_come_twice_over_the_seam_of_two_pages(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(repeat_ids=True)
    pages = [client.ids(page=page, limit=10) for page in (1, 2, 3)]
    assert [page[0] for page in pages[1:]] == [page[-1] for page in pages[:-1]]
    assert [record_id for page in pages for record_id in page if record_id not in ("batch_09", "batch_19")] == [
        record_id for record_id in ALL if record_id not in ("batch_09", "batch_19")
    ]


def test_the_batches_can_change_between_two_pages(batches: Batches, client: Client) -> None:
    def remove(kind: str, page: int) -> None:
        if (kind, page) == ("batches", 2):
            batches.remove("batch_00")

    client.mock_api.faults.list_faults = ListFaults(before_page=remove)
    assert "batch_10" not in read_all(client)


def test_faults_befall_this_api_as_they_do_any(client: Client) -> None:
    client.mock_api.faults.add(faults.status(429, {"Retry-After": "3"}), "/batches", times=1)
    client.mock_api.faults.add(faults.html(), "/batches/*", times=1)
    assert client.get("/batches").status_code == 429
    assert client.get("/batches/batch_01").text.startswith("<!DOCTYPE html>")
    assert client.ids() == ALL[:25]
