"""The requests of PackageX's list, and how its answers are read, errors included."""

from typing import Any

import pytest
from hypothesis import given

from exporter.model.record import FetchError, Reason
from exporter.systems.packagex import SOURCE
from tests.support.odd import ANY_JSON
from tests.support.packagex_items import batch, envelope, listing


@pytest.mark.parametrize(
    ("pagination", "last", "pages"),
    [
        ({"limit": 25, "page": 1, "has_more": True, "total_count": 60}, False, 3),
        ({"limit": 25, "page": 3, "has_more": False, "total_count": 60}, True, 3),
        ({"limit": 25, "page": 1, "has_more": False, "total_count": 60}, False, 3),
        ({"limit": 25, "page": 3, "has_more": True, "total_count": 60}, False, 3),
        ({"limit": 25, "page": 1, "has_more": True, "total_count": None}, False, None),
        ({"limit": 25, "page": 1, "has_more": False, "total_count": None}, True, None),
        ({"limit": 0, "page": 1, "has_more": False, "total_count": 60}, True, None),
        ({"limit": 25, "page": 1, "has_more": "true", "total_count": None}, False, None),
        ({"limit": 25, "page": 1, "has_more": 1, "total_count": None}, False, None),
        ({"limit": 25, "page": 1, "has_more": "false", "total_count": None}, True, None),
        ({"limit": "x", "page": [], "has_more": "no", "total_count": -3}, True, None),
    ],
)
def test_a_page_is_the_last_only_where_nothing_says_that_there_is_more(
    pagination: dict[str, Any], last: bool, pages: int | None
) -> None:
    page = listing().read_page(envelope(batch(), **pagination))
    assert (page.last, page.pages) == (last, pages)


@pytest.mark.parametrize("answer", [{}, {"pagination": 3}, {"pagination": []}, {"pagination": {}}])
def test_without_paging_the_list_goes_on_until_a_page_is_empty(answer: dict[str, Any]) -> None:
    assert listing().read_page({"data": [batch()], **answer}).last is False
    assert listing().read_page({"data": [], **answer}).last is True


def test_a_pagination_of_null_says_that_there_is_no_more() -> None:
    assert listing().read_page({"data": [batch()], "pagination": None}).last is True


@pytest.mark.parametrize("answer", [None, [], {}, {"data": None}, {"data": {}}, {"items": []}])
def test_an_answer_without_a_list_is_malformed(answer: Any) -> None:
    with pytest.raises(FetchError) as caught:
        listing().read_page(answer)
    assert caught.value.reason is Reason.MALFORMED


def test_one_batch_is_asked_for_by_its_id_and_never_becomes_an_endpoint_label() -> None:
    request = listing().requests_by_id(["batch_1"])[0]
    assert (request.path, request.endpoint) == ("/batches/batch_1", "/batches/{id}")
    assert listing().read_by_id({"data": batch(), "status": 200}).records[0].id == "batch_1"
    assert listing().read_by_id({"data": None}).rejected == {"not_an_object": 1}


def test_every_parameter_of_the_reference_is_sent() -> None:
    filters = {"resource": "contact", "mode": "mixed", "via": "api", "status": "failed"}
    assert listing(**filters).page(2, 50).params == {"page": "2", "limit": "50", **filters}


def test_batches_filtered_by_what_may_change_are_not_asked_for_by_id_or_other_filters() -> None:
    assert listing(resource="contact").can_fetch_by_id
    assert [filters["status"] for filters in listing().in_flight_filters] == ["requested", "queued", "processing"]
    assert not listing(status="failed").can_fetch_by_id
    assert not listing(status="failed").in_flight_filters


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (
            {"status": 403, "code": "auth.forbidden", "message": "No access", "data": None},
            403,
            "auth.forbidden: No access",
        ),
        ({"status": 500, "message": "Sorry"}, 500, "Sorry"),
        ({"status": 200, "errors": ["x"], "code": 7, "message": None, "data": None}, None, "7"),
        ({"status": 404}, 404, ""),
        ({"status": "503", "data": []}, 503, ""),
        ({"status": 429.0, "error_code": "rate.limited", "message": "Wait", "data": []}, 429, "rate.limited: Wait"),
    ],
)
def test_an_error_in_the_envelope_is_its_code_and_message(answer: Any, status: int | None, words: str) -> None:
    refused = SOURCE.refused(answer)
    assert refused is not None
    assert (refused.status, refused.words) == (status, words)


@pytest.mark.parametrize(
    "answer", [None, [], {}, envelope(), {"status": "ok"}, {"status": 200, "errors": [1], "data": []}]
)
def test_an_envelope_with_data_is_no_error(answer: Any) -> None:
    assert SOURCE.refused(answer) is None


@given(item=ANY_JSON)
def test_whatever_an_item_is_it_is_a_record_or_rejected(item: Any) -> None:
    page = listing().read_page({"data": [item]})
    assert len(page.records) + sum(page.rejected.values()) == 1


@given(answer=ANY_JSON)
def test_whatever_an_answer_is_it_is_a_refusal_or_not(answer: Any) -> None:
    refused = SOURCE.refused(answer)
    assert refused is None or isinstance(refused.words, str)
