"""The parameters of the list of batches and its pagination, asked over HTTP."""

import pytest

from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.packagex.listing import PackagexReadings
from tests.support.api_clients import PackagexClient as Client
from tests.support.rig import NOW


def fill(batches: Batches, count: int) -> list[str]:
    """Add so many batches, and return their IDs, oldest first."""
    batches.extend(packagex_batch(f"batch_{n:03}", NOW + n) for n in range(count))
    return [f"batch_{n:03}" for n in range(count)]


def test_pages_follow_each_other_without_gap_or_overlap(batches: Batches, client: Client) -> None:
    expected = fill(batches, 23)
    assert [record_id for page in (1, 2, 3) for record_id in client.ids(page=page, limit=10)] == expected


def test_a_page_has_25_batches_when_nothing_is_said(batches: Batches, client: Client) -> None:
    expected = fill(batches, 30)
    assert client.ids() == expected[:25]
    assert client.pagination() == {"limit": 25, "page": 1, "has_more": True, "total_count": 30}


def test_the_list_can_be_turned_round_while_it_is_served(batches: Batches, client: Client) -> None:
    oldest_first = fill(batches, 30)
    client.api.readings = PackagexReadings(order="newest_first")
    assert client.ids(limit=10) == oldest_first[::-1][:10]
    assert client.ids(limit=10, page=3, resource="contact") == oldest_first[:10][::-1]
    client.api.readings = PackagexReadings()
    assert client.ids(limit=10) == oldest_first[:10]
    assert client.ids(limit=10, page=3, resource="contact") == oldest_first[20:]


def test_a_sort_parameter_is_not_known(batches: Batches, client: Client) -> None:
    expected = fill(batches, 3)
    assert client.ids(sort="-created_at") == expected


@pytest.mark.parametrize(("page", "more", "found"), [(1, True, 10), (2, True, 10), (3, False, 1), (4, False, 0)])
def test_there_is_more_until_the_last_page_and_nothing_beyond_it(
    batches: Batches, client: Client, page: int, more: bool, found: int
) -> None:
    fill(batches, 21)
    assert client.pagination(page=page, limit=10) == {"limit": 10, "page": page, "has_more": more, "total_count": 21}
    assert len(client.ids(page=page, limit=10)) == found


def test_a_full_last_page_says_that_there_is_no_more(batches: Batches, client: Client) -> None:
    fill(batches, 20)
    assert client.pagination(page=2, limit=10)["has_more"] is False


def test_an_empty_list_is_an_array_with_pagination(client: Client) -> None:
    answer = client.page()
    assert answer["data"] == []
    assert answer["pagination"] == {"limit": 25, "page": 1, "has_more": False, "total_count": 0}


@pytest.mark.parametrize(
    ("readings", "status"), [(PackagexReadings(), 400), (PackagexReadings(wrong_parameter=422), 422)]
)
@pytest.mark.parametrize("name", ["page", "limit"])
@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "", "²", "9" * 30])
def test_a_page_or_limit_that_is_no_positive_integer_is_refused(
    client: Client, name: str, value: str, status: int
) -> None:
    answer = client.get("/batches", **{name: value})
    assert answer.status_code == status
    assert answer.json()["errors"] == [f"{name} must be a positive integer"]


def test_too_large_a_limit_is_silently_made_smaller(batches: Batches, client: Client) -> None:
    fill(batches, 120)
    assert len(client.ids(limit=500)) == 100
    assert client.pagination(limit=500)["limit"] == 100


@pytest.mark.parametrize("readings", [PackagexReadings(max_limit=50, large_limit="refuse")])
def test_too_large_a_limit_can_be_refused(client: Client) -> None:
    assert client.get("/batches", limit=50).status_code == 200
    assert client.get("/batches", limit=51).status_code == 400


@pytest.mark.parametrize("readings", [PackagexReadings(max_limit=None)])
def test_the_limit_can_be_unbounded(batches: Batches, client: Client) -> None:
    fill(batches, 120)
    assert len(client.ids(limit=500)) == 120


@pytest.fixture
def mixed(batches: Batches) -> None:
    batches.add(packagex_batch("batch_1", NOW, resource="contact", mode="sync", via="file"))
    batches.add(packagex_batch("batch_2", NOW + 1, resource="contact", mode="mixed", via="api", status="failed"))
    batches.add(packagex_batch("batch_3", NOW + 2, resource="tracker", mode="mixed", via="api"))


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"resource": "contact"}, ["batch_1", "batch_2"]),
        ({"mode": "mixed"}, ["batch_2", "batch_3"]),
        ({"via": "file"}, ["batch_1"]),
        ({"status": "completed"}, ["batch_1", "batch_3"]),
        ({"resource": "contact", "mode": "mixed"}, ["batch_2"]),
        ({"mode": "mixed", "via": "api", "status": "completed", "resource": "tracker"}, ["batch_3"]),
        ({"resource": "group"}, []),
        ({"status": "Completed"}, []),
        ({"status": ""}, ["batch_1", "batch_2", "batch_3"]),
    ],
    ids=str,
)
def test_the_filters_choose_together_and_are_counted(
    client: Client, filters: dict[str, str], expected: list[str]
) -> None:
    assert client.ids(**filters) == expected
    assert client.pagination(**filters)["total_count"] == len(expected)


@pytest.mark.usefixtures("mixed")
def test_filtered_lists_have_pages_too(client: Client) -> None:
    assert client.ids(resource="contact", limit=1, page=2) == ["batch_2"]
    assert client.pagination(resource="contact", limit=1)["has_more"] is True


@pytest.mark.usefixtures("mixed")
def test_a_filter_goes_by_what_a_batch_is_now(batches: Batches, client: Client) -> None:
    batches.update("batch_1", status="failed")
    assert client.ids(status="failed") == ["batch_1", "batch_2"]
    assert client.ids(status="completed") == ["batch_3"]


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize("readings", [PackagexReadings(unknown_filter_value="refuse")])
@pytest.mark.parametrize("name", ["resource", "mode", "via", "status"])
def test_a_filter_value_that_the_reference_does_not_name_can_be_refused(client: Client, name: str) -> None:
    answer = client.get("/batches", **{name: "nonsense"})
    assert answer.status_code == 400
    assert name in answer.json()["errors"][0]
    assert client.ids(resource="contact", mode="sync", via="file", status="completed") == ["batch_1"]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        (PackagexReadings(), 1_700_000_000),
        (PackagexReadings(times="milliseconds"), 1_700_000_000_000),
        (PackagexReadings(times="digits"), "1700000000"),
        (PackagexReadings(times="iso"), "2023-11-14T22:13:20.000Z"),
    ],
)
def test_times_can_have_other_forms_than_the_reference_says(
    batches: Batches, client: Client, expected: int | str
) -> None:
    batches.add(packagex_batch("batch_1", NOW))
    for batch in (client.page()["data"][0], client.page("/batches/batch_1")["data"]):
        assert (batch["created_at"], batch["updated_at"]) == (expected, expected)


@pytest.mark.parametrize("readings", [PackagexReadings(times="missing")])
def test_times_can_be_missing(batches: Batches, client: Client) -> None:
    batches.add(packagex_batch("batch_1", NOW))
    for batch in (client.page()["data"][0], client.page("/batches/batch_1")["data"]):
        assert batch["id"] == "batch_1"
        assert "created_at" not in batch
        assert "updated_at" not in batch
