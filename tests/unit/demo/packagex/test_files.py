"""The files of batches: which there are, who may have them, and what they hold."""

import csv
import io
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from exporter.demo.items import Item
from exporter.demo.packagex.batches import Batches, Saved
from exporter.demo.packagex.files import FILES, VALID_SECONDS
from exporter.demo.packagex.items import packagex_batch, phase
from tests.support import faults
from tests.support.api_clients import KEY
from tests.support.api_clients import PackagexClient as Client
from tests.support.patience import GENEROUS
from tests.support.rig import NOW, Clock

ALL = {f"include_{name}": "true" for name in FILES}


def faulty(batch_id: str = "batch_1", resource: str = "contact") -> Item:
    """Return a batch of ten items, of which two failed the validation and one the processing."""
    phases = [phase("validation", 10, 8, 2), phase("processing", 8, 7, 1), phase("cleanup", 7, 7)]
    return packagex_batch(batch_id, NOW, resource=resource, phases=phases)


def urls(client: Client, batch_id: str = "batch_1", **params: str) -> dict[str, str]:
    """Return the URLs in an answer by their keys."""
    batch = client.page(f"/batches/{batch_id}", **(params or ALL))["data"]
    return {key: value for key, value in batch.items() if key.endswith("_url")}


def fetched(url: str, headers: dict[str, str] | None = None) -> requests.Response:
    return requests.get(url, headers=headers, timeout=GENEROUS)


def test_the_url_of_a_file_is_there_when_it_is_asked_for(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    assert set(urls(client)) == {
        "_upload_csv_url",
        "_upload_json_url",
        "_errors_csv_url",
        "_errors_json_url",
        "_result_json_url",
    }
    assert set(urls(client, include_errors_csv="true", include_result_json="false")) == {"_errors_csv_url"}
    assert "_url" not in client.get("/batches/batch_1").text
    assert "_url" not in client.get("/batches", **ALL).text


def test_what_is_no_boolean_is_refused(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    answer = client.get("/batches/batch_1", include_errors_csv="yes")
    assert answer.status_code == 400
    assert "include_errors_csv" in answer.json()["errors"][0]


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        (set(), set()),
        ({"upload"}, {"_upload_csv_url", "_upload_json_url"}),
        ({"result"}, {"_result_json_url"}),
    ],
    ids=["nothing", "upload", "result"],
)
def test_upload_and_result_are_there_where_the_batch_saved_them(
    batches: Batches, client: Client, saved: set[Saved], expected: set[str]
) -> None:
    batches.add(packagex_batch("batch_1", NOW, items=3), saved)
    assert set(urls(client)) == expected
    batches.update("batch_1", reason="changed")
    assert set(urls(client)) == expected


def test_errors_are_there_where_an_item_failed_and_a_result_where_the_batch_is_completed(
    batches: Batches, client: Client
) -> None:
    batches.add(packagex_batch("batch_1", NOW, items=3))
    assert not any("errors" in key for key in urls(client))
    batches.update("batch_1", status="failed", phases=[phase("validation", 3, 2, 1)])
    assert set(urls(client)) == {"_upload_csv_url", "_upload_json_url", "_errors_csv_url", "_errors_json_url"}


def test_files_are_on_another_host_and_are_had_without_a_key(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    api = urlsplit(client.mock_api.url)
    for url in urls(client).values():
        parts = urlsplit(url)
        assert (parts.hostname, parts.port) == ("localhost", api.port)
        assert api.hostname != parts.hostname
        assert set(parse_qs(parts.query)) >= {"X-Amz-Expires", "X-Amz-Signature"}
        assert fetched(url).status_code == 200


@pytest.mark.parametrize("header", ["PX-API-KEY", "X-API-KEY", "Authorization"])
def test_a_download_that_carries_a_key_is_refused(batches: Batches, client: Client, header: str) -> None:
    batches.add(faulty())
    answer = fetched(urls(client)["_errors_csv_url"], {header: KEY})
    assert answer.status_code == 400
    assert "row" not in answer.text


def test_a_wrong_signature_is_refused_with_xml(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    batches.add(faulty("batch_2"))
    url = urls(client)["_errors_csv_url"]
    unsigned, other = url.partition("?")[0], url.replace("batch_1", "batch_2")
    for wrong in (
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.replace("=900", "=9000"),
        unsigned,
        other,
        url + "é",
    ):
        answer = fetched(wrong)
        assert answer.status_code == 403
        assert answer.headers["Content-Type"] == "application/xml"
        assert answer.text.startswith("<?xml")
        assert "<Code>" in answer.text


def test_a_url_expires(batches: Batches, client: Client, clock: Clock) -> None:
    batches.add(faulty())
    url = urls(client)["_errors_csv_url"]
    clock.now += VALID_SECONDS
    assert fetched(url).status_code == 200
    clock.now += 1
    answer = fetched(url)
    assert answer.status_code == 403
    assert "expired" in answer.text


def test_a_file_that_is_gone_is_refused_with_xml(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    url = urls(client)["_errors_csv_url"]
    batches.remove("batch_1")
    answer = fetched(url)
    assert answer.status_code == 404
    assert "NoSuchKey" in answer.text


def test_files_are_only_read(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    assert requests.delete(urls(client)["_errors_csv_url"], timeout=GENEROUS).status_code == 405


def test_faults_befall_downloads_by_their_path_and_the_log_has_it(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    url = urls(client)["_errors_csv_url"]
    client.mock_api.faults.add(faults.status(503), "/files/*")
    assert fetched(url).status_code == 503
    assert client.page("/batches/batch_1")["status"] == 200
    client.mock_api.faults.clear()
    client.mock_api.faults.add(faults.truncated(), "/files/batch_1/errors.csv")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        fetched(url)
    assert client.mock_api.requests[-1].path == "/files/batch_1/errors.csv"


def test_the_files_are_not_below_the_base_path_of_the_apis(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    assert fetched(urls(client)["_errors_csv_url"].replace("/files/", "/v1/files/")).status_code == 404


@pytest.mark.parametrize("resource", ["contact", "group", "shipment", "tracker"])
def test_errors_have_a_row_each_with_number_field_code_and_message(
    batches: Batches, client: Client, resource: str
) -> None:
    batches.add(faulty(resource=resource))
    found = urls(client)
    answer = fetched(found["_errors_csv_url"])
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 3
    assert all(list(row) == ["row", "field", "code", "message"] and all(row.values()) for row in rows)
    numbers = [int(row["row"]) for row in rows]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= 10 for number in numbers)
    assert [{**row, "row": int(row["row"])} for row in rows] == fetched(found["_errors_json_url"]).json()


def test_an_error_quotes_what_was_uploaded(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    found = urls(client)
    uploaded = fetched(found["_upload_json_url"]).json()
    for row in fetched(found["_errors_json_url"]).json():
        assert f"'{uploaded[row['row'] - 1][row['field']]}'" in row["message"]


def test_the_upload_has_all_rows_and_only_invented_people(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    found = urls(client)
    rows = fetched(found["_upload_json_url"]).json()
    assert len(rows) == 10
    assert all(row["email"].endswith("@example.com") for row in rows)
    assert list(csv.DictReader(io.StringIO(fetched(found["_upload_csv_url"]).text))) == rows


def test_the_result_says_of_each_row_what_became_of_it(batches: Batches, client: Client) -> None:
    batches.add(faulty())
    found = urls(client)
    failed = [row["row"] for row in fetched(found["_errors_json_url"]).json()]
    result = fetched(found["_result_json_url"]).json()
    assert [row["row"] for row in result] == list(range(1, 11))
    assert [row["row"] for row in result if row["status"] == "error"] == failed


def test_an_upload_of_nothing_is_an_empty_file(batches: Batches, client: Client) -> None:
    batches.add(packagex_batch("batch_1", NOW, status="queued"))
    found = urls(client)
    assert fetched(found["_upload_json_url"]).json() == []
    assert fetched(found["_upload_csv_url"]).text.strip() == ""
