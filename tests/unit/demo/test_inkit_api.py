"""The endpoints: what is asked for is answered, and what is wrong is refused."""

import pytest
import requests

from exporter.demo.items import document_batch, invocation, workflow_batch
from exporter.demo.listing import Readings
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support.api_clients import TOKEN, Client
from tests.support.patience import GENEROUS
from tests.support.rig import NOW

HEADERS = {"X-Inkit-API-Token": TOKEN}


@pytest.fixture(autouse=True)
def _one_of_each(world: World) -> None:
    world.add("document_batches", document_batch("rb_1", NOW))
    world.add("workflow_batches", workflow_batch("fb_1", NOW))
    world.add("invocations", invocation("rend_1", NOW))


@pytest.mark.parametrize(("path", "expected"), [("/batch", "rb_1"), ("/invoke/batch", "fb_1"), ("/invoke", "rend_1")])
def test_each_list_has_its_own_records(client: Client, path: str, expected: str) -> None:
    assert client.ids(path) == [expected]


@pytest.mark.parametrize("path", ["/batch/rb_1", "/invoke/batch/fb_1"])
def test_a_batch_can_be_had_by_its_id(client: Client, path: str) -> None:
    assert client.page(path)["id"] == path.rpartition("/")[2]


@pytest.mark.parametrize(
    "path", ["/batch/rb_2", "/batch/fb_1", "/invoke/batch/rb_1", "/invoke/rend_1", "/batch/", "/batches", "/"]
)
def test_what_is_not_there_is_a_404_with_a_message(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["message"] == "Not found"


def test_there_is_nothing_outside_of_the_base_path(mock_api: MockApi) -> None:
    url = mock_api.url.removesuffix("/v1") + "/batch"
    assert requests.get(url, headers=HEADERS, timeout=GENEROUS).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"X-Inkit-API-Token": "wrong"}, {"Authorization": TOKEN}])
@pytest.mark.parametrize("path", ["/batch", "/batch/rb_1", "/batch/unknown", "/invoke/batch", "/invoke"])
def test_nothing_is_shown_without_the_right_token(mock_api: MockApi, headers: dict[str, str], path: str) -> None:
    answer = requests.get(mock_api.url + path, headers=headers, timeout=GENEROUS)
    assert answer.status_code == 401
    assert "rb_1" not in answer.text


@pytest.mark.parametrize("readings", [Readings(wrong_token=403)])
def test_a_wrong_token_can_be_forbidden_rather_than_unauthorized(mock_api: MockApi) -> None:
    assert requests.get(mock_api.url + "/batch", timeout=GENEROUS).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_are_refused_and_the_connection_stays_good(client: Client, method: str) -> None:
    answer = client.session.request(method, client.mock_api.url + "/batch", data=b"x" * 1000, timeout=GENEROUS)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"
    assert client.ids("/batch") == ["rb_1"]


@pytest.mark.parametrize("readings", [Readings(workflow_batch_list=404), Readings(workflow_batch_list=405)])
def test_an_older_account_has_workflow_batches_but_no_list_of_them(client: Client, readings: Readings) -> None:
    assert client.get("/invoke/batch").status_code == readings.workflow_batch_list
    assert client.page("/invoke/batch/fb_1")["id"] == "fb_1"
    assert client.ids("/invoke") == ["rend_1"]


def test_answers_have_exactly_the_content_type_that_the_vendors_client_compares_with(client: Client) -> None:
    for path in ("/batch", "/batch/rb_1", "/batch/unknown"):
        assert client.get(path).headers["Content-Type"] == "application/json"
