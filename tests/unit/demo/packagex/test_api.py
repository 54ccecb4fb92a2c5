"""The endpoints: what is asked for is answered in an envelope, and so is what is refused."""

from typing import Any

import pytest
import requests

from exporter.demo.items import document_batch
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.packagex.listing import PackagexReadings
from tests.support.api_clients import KEY
from tests.support.api_clients import PackagexClient as Client
from tests.support.rig import NOW

ENVELOPE = ["message", "data", "status", "errors", "code", "pagination", "endpoint"]
"""As "Requests & Responses" lists it."""
MODEL = [
    *("object", "id", "organization_id", "resource", "mode", "via", "action", "status", "duplicate_handling", "reason"),
    *("phases", "stats", "created_at", "updated_at", "updated_by", "checksum"),
]
"""As the batch model lists it, without the URLs."""


@pytest.fixture(autouse=True)
def _one_batch(batches: Batches) -> None:
    batches.add(packagex_batch("batch_1", NOW, items=3))


def test_a_list_is_an_array_in_an_envelope(client: Client) -> None:
    answer = client.page()
    assert list(answer) == ENVELOPE
    assert [item["id"] for item in answer["data"]] == ["batch_1"]
    assert (answer["status"], answer["errors"], answer["code"]) == (200, [], None)
    assert answer["endpoint"] == "/v1/batches"


def test_one_batch_is_an_object_in_an_envelope_without_pagination(client: Client) -> None:
    answer = client.page("/batches/batch_1")
    assert list(answer) == ENVELOPE
    assert answer["data"] == client.page()["data"][0]
    assert answer["pagination"] is None
    assert answer["endpoint"] == "/v1/batches/batch_1"


def test_a_batch_has_all_that_the_model_has(client: Client) -> None:
    batch = client.page("/batches/batch_1")["data"]
    assert list(batch) == MODEL
    assert batch["object"] == "batch"
    assert batch["phases"][0] == {
        "name": "validation",
        "mode": "sync",
        "total": 3,
        "processed": 3,
        "success": 3,
        "error": 0,
    }
    assert batch["stats"] == {"created": 3, "updated": 0, "deleted": 0, "overwritten": 0, "events": 3}
    assert (batch["created_at"], batch["updated_at"]) == (1_700_000_000, 1_700_000_000)


@pytest.mark.parametrize("header", ["PX-API-KEY", "X-API-KEY", "px-api-key"])
def test_either_header_opens(client: Client, header: str) -> None:
    answer = requests.get(client.mock_api.url + "/batches", headers={header: KEY}, timeout=5)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/batches", "/batches/batch_1", "/batches/unknown"])
@pytest.mark.parametrize(
    "headers", [{}, {"PX-API-KEY": "wrong"}, {"Authorization": KEY}, {"X-Inkit-API-Token": "demo-token"}], ids=str
)
def test_nothing_is_shown_without_the_right_key(client: Client, headers: dict[str, str], path: str) -> None:
    answer = requests.get(client.mock_api.url + path, headers=headers, timeout=5)
    assert answer.status_code == 401
    assert answer.json()["data"] is None


def refusal(client: Client, answer: requests.Response) -> Any:
    """Return the envelope of an error response. Asserts that the envelope is complete and that the key is not in it."""
    envelope = answer.json()
    assert list(envelope) == ENVELOPE
    assert envelope["status"] == answer.status_code
    assert (envelope["data"], envelope["pagination"]) == (None, None)
    assert envelope["message"]
    assert envelope["endpoint"].startswith("/v1/batches")
    assert KEY not in answer.text
    return envelope


@pytest.mark.parametrize(
    ("readings", "params", "status", "code"),
    [
        (PackagexReadings(), {"limit": "x"}, 400, "bad_request"),
        (PackagexReadings(wrong_parameter=422), {"limit": "x"}, 422, "unprocessable_entity"),
    ],
)
def test_a_wrong_parameter_is_named_in_the_envelope(
    client: Client, params: dict[str, str], status: int, code: str
) -> None:
    envelope = refusal(client, client.get("/batches", **params))
    assert (envelope["status"], envelope["code"]) == (status, code)
    assert "limit" in envelope["errors"][0]


@pytest.mark.parametrize(
    ("readings", "status", "code"),
    [(PackagexReadings(), 401, "unauthorized"), (PackagexReadings(wrong_token=403), 403, "forbidden")],
)
def test_a_wrong_key_is_refused_in_an_envelope(client: Client, status: int, code: str) -> None:
    answer = requests.get(client.mock_api.url + "/batches", headers={"PX-API-KEY": "wrong"}, timeout=5)
    envelope = refusal(client, answer)
    assert (envelope["status"], envelope["code"]) == (status, code)


def test_an_unknown_batch_is_refused_in_an_envelope(client: Client) -> None:
    envelope = refusal(client, client.get("/batches/batch_2"))
    assert (envelope["status"], envelope["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/batches", "/batches/batch_1"])
def test_only_reading_is_implemented(client: Client, method: str, path: str) -> None:
    answer = client.session.request(method, client.mock_api.url + path, data=b"x" * 1000, timeout=5)
    assert refusal(client, answer)["code"] == "method_not_allowed"
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"
    assert client.ids() == ["batch_1"]


@pytest.mark.parametrize("path", ["/batches/", "/batches/batch_1/files"])
def test_there_is_nothing_below_a_batch(client: Client, path: str) -> None:
    assert refusal(client, client.get(path))["status"] == 404


def test_a_path_that_only_begins_alike_is_not_of_this_api(client: Client) -> None:
    answer = client.get("/batchesbatch_1")
    assert answer.status_code == 404
    assert "data" not in answer.json()


def test_both_apis_are_served_side_by_side_and_each_has_a_token_of_its_own(client: Client) -> None:
    client.mock_api.world.add("document_batches", document_batch("rb_1", NOW))
    url, inkit = client.mock_api.url, {"X-Inkit-API-Token": "demo-token"}
    assert requests.get(url + "/batch", headers=inkit, timeout=5).json()["items"][0]["id"] == "rb_1"
    assert requests.get(url + "/batch", headers={"X-Inkit-API-Token": KEY}, timeout=5).status_code == 401
    assert requests.get(url + "/batches", headers={"PX-API-KEY": "demo-token"}, timeout=5).status_code == 401
    assert client.ids() == ["batch_1"]
