"""The requests of Inkit's lists, and how their answers are read."""

from typing import Any

import pytest
from hypothesis import given

from exporter.systems.inkit import SOURCE
from tests.support.inkit_items import batch, listing
from tests.support.odd import ANY_JSON


def test_every_parameter_of_the_reference_is_sent() -> None:
    filters = {"search": "x", "destination_name": "sepire", "destination_status": "Failed"}
    for collector, path in (
        ("document_batches", "/batch"),
        ("workflow_batches", "/invoke/batch"),
        ("invocations", "/invoke"),
    ):
        asked = listing(collector, filters=filters)
        request = asked.page(3, 50)
        assert request.path == request.endpoint == path
        assert request.params == {"page": "3", "page_size": "50", **filters}
        assert asked.sorting == {"sort": "-created_at"}


def test_batches_are_asked_for_one_by_one_and_invocations_in_chunks() -> None:
    assert [request.path for request in listing("workflow_batches").requests_by_id(["fb_1", "fb_2"])] == [
        "/invoke/batch/fb_1",
        "/invoke/batch/fb_2",
    ]
    chunks = listing("invocations").requests_by_id([f"rend_{number}" for number in range(120)])
    assert [chunk.params["data_id"].count(",") + 1 for chunk in chunks] == [50, 50, 20]


def test_an_id_never_becomes_an_endpoint_label() -> None:
    assert {request.endpoint for request in listing("document_batches").requests_by_id(["rb_1", "rb_2"])} == {
        "/batch/{id}"
    }


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"id": None}, "id"),
        ({"id": "a/b"}, "id"),
        ({"created_at": 12}, "created_at"),
        ({"created_at": "0001-01-01T00:00:00Z"}, "created_at"),
        ({"status": 1}, "status"),
    ],
)
def test_a_batch_that_cannot_be_understood_is_rejected_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    page = listing("document_batches").read_page({"items": [{**batch(), **changed}, batch()]})
    assert page.rejected == {reason: 1}
    assert len(page.records) == 1
    assert page.rows == 2


@pytest.mark.parametrize("pagination", [None, 3, [], {}, {"next_page": "x", "page_count": "y"}, {"page_count": -1}])
def test_a_list_without_usable_paging_is_still_read(pagination: object) -> None:
    page = listing("document_batches").read_page({"items": [batch()], "metadata": {"pagination": pagination}})
    assert len(page.records) == 1
    assert page.pages is None


@pytest.mark.parametrize("collector", SOURCE.system.collectors)
@pytest.mark.parametrize(("next_page", "last"), [(None, True), ("", True), (0, True), (False, True), (3, False)])
def test_no_next_page_may_be_written_in_many_ways(collector: str, next_page: Any, last: bool) -> None:
    """Otherwise each poll would ask for a page that does not exist."""
    page = listing(collector).read_page({"items": [], "metadata": {"pagination": {"next_page": next_page}}})
    assert page.last is last


@pytest.mark.parametrize("collector", SOURCE.system.collectors)
@given(item=ANY_JSON)
def test_whatever_an_item_is_it_is_a_record_or_rejected(collector: str, item: Any) -> None:
    page = listing(collector).read_page({"items": [item]})
    assert len(page.records) + sum(page.rejected.values()) == 1
