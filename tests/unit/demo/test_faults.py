"""A mock API has the faults that it is given, and no others."""

import socket
import threading
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from exporter.demo.faults import Fault, ListFaults
from exporter.demo.items import invocation
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support import faults
from tests.support.api_clients import TOKEN, Client
from tests.support.patience import GENEROUS
from tests.support.rig import NOW, Clock


@pytest.fixture(autouse=True)
def _some_records(world: World) -> None:
    world.extend("invocations", (invocation(f"rend_{n:02}", NOW + n) for n in range(30)))


def connect(mock_api: MockApi) -> socket.socket:
    """Return a connection on which `/invoke` has been requested."""
    url = urlsplit(mock_api.url)
    connection = socket.create_connection((url.hostname, url.port), timeout=GENEROUS)
    connection.sendall(f"GET /v1/invoke HTTP/1.1\r\nHost: x\r\nX-Inkit-API-Token: {TOKEN}\r\n\r\n".encode())
    return connection


@pytest.mark.parametrize("code", [400, 403, 429, 500, 503, 520])
def test_a_status_takes_the_place_of_the_answer(client: Client, code: int) -> None:
    client.mock_api.faults.add(faults.status(code))
    assert client.get("/invoke").status_code == code


@pytest.mark.parametrize("value", ["3", "Wed, 15 Nov 2023 00:00:00 GMT"])
def test_a_status_can_come_with_headers(client: Client, value: str) -> None:
    client.mock_api.faults.add(faults.status(429, {"Retry-After": value}))
    assert client.get("/invoke").headers["Retry-After"] == value


def test_a_redirect_names_where_to(client: Client) -> None:
    client.mock_api.faults.add(faults.redirect("http://127.0.0.2:1/elsewhere"))
    answer = client.get("/invoke")
    assert (answer.status_code, answer.headers["Location"]) == (301, "http://127.0.0.2:1/elsewhere")


def test_a_page_for_people_says_that_it_is_one(client: Client) -> None:
    client.mock_api.faults.add(faults.html())
    answer = client.get("/invoke")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("body", [b"null", b"[]", b'{"items": 3}', b"", b"\xff\xfe"])
def test_any_bytes_can_be_the_body(client: Client, body: bytes) -> None:
    client.mock_api.faults.add(faults.raw(body))
    assert client.get("/invoke").content == body


def test_an_empty_body_is_a_success_without_content(client: Client) -> None:
    client.mock_api.faults.add(faults.empty())
    answer = client.get("/invoke")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_truncated_body_is_shorter_than_its_content_length(client: Client) -> None:
    whole = client.get("/invoke").content
    client.mock_api.faults.add(faults.truncated())
    with client.session.get(client.mock_api.url + "/invoke", stream=True, timeout=GENEROUS) as answer:
        assert int(answer.headers["Content-Length"]) == len(whole)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = answer.content


@pytest.mark.parametrize("declared", [True, False])
def test_a_huge_body_has_the_size_asked_for(client: Client, declared: bool) -> None:
    client.mock_api.faults.add(faults.huge(3_000_001, declared=declared))
    answer = client.get("/invoke")
    assert len(answer.content) == 3_000_001
    assert ("Content-Length" in answer.headers) is declared


def test_a_reset_is_a_reset_and_no_end_of_the_connection(client: Client) -> None:
    client.mock_api.faults.add(faults.reset())
    with connect(client.mock_api) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_a_request_without_answer_stays_open(client: Client) -> None:
    client.mock_api.faults.add(faults.hang())
    with connect(client.mock_api) as connection:
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_dripped_answer_is_the_true_one_a_byte_at_a_time(client: Client) -> None:
    whole = client.get("/invoke", page_size=1).content
    client.mock_api.faults.add(faults.drip(0.0001))
    assert client.get("/invoke", page_size=1).content == whole
    client.mock_api.faults.clear()
    client.mock_api.faults.add(faults.drip(0.0001, head=True))
    assert client.get("/invoke", page_size=1).content == whole


@pytest.mark.parametrize("head", [True, False])
def test_the_head_is_dripped_only_when_asked_for(client: Client, head: bool) -> None:
    client.mock_api.faults.add(faults.drip(3600, head=head))
    with connect(client.mock_api) as connection:
        connection.settimeout(0.1)
        if head:
            with pytest.raises(TimeoutError):
                connection.recv(1)
        else:
            assert connection.recv(65_536).endswith(b"\r\n\r\n")
            with pytest.raises(TimeoutError):
                connection.recv(1)


def test_latency_delays_the_true_answer(client: Client) -> None:
    client.mock_api.faults.add(faults.latency(0.1))
    began = monotonic()
    assert len(client.ids("/invoke")) == 25
    assert monotonic() - began >= 0.1


@pytest.mark.parametrize(
    "fault", [faults.hang(), faults.latency(3600), faults.drip(3600)], ids=["hang", "late", "drip"]
)
def test_stopping_ends_what_waits_at_once(world: World, fault: Fault) -> None:
    asked = threading.Event()
    mock_api = MockApi(world, TOKEN)
    mock_api.start()
    mock_api.faults.list_faults = ListFaults(before_page=lambda kind, page: asked.set())
    mock_api.faults.add(fault)
    with connect(mock_api) as connection:
        assert asked.wait(GENEROUS)
        began = monotonic()
        mock_api.stop()
        assert monotonic() - began < 15
        while connection.recv(65_536):
            pass


def test_a_fault_befalls_as_many_requests_as_said_and_then_the_next_fault_its_own(client: Client) -> None:
    client.mock_api.faults.add(faults.status(503), times=2)
    client.mock_api.faults.add(faults.status(429), times=1)
    assert [client.get("/invoke").status_code for _ in range(4)] == [503, 503, 429, 200]


def test_a_fault_befalls_its_path_alone(client: Client) -> None:
    client.mock_api.faults.add(faults.status(500), "/invoke/batch/*")
    assert client.get("/invoke").status_code == 200
    assert client.get("/invoke/batch").status_code == 200
    assert client.get("/invoke/batch/fb_1").status_code == 500


def test_clearing_ends_all_faults(client: Client) -> None:
    client.mock_api.faults.add(faults.status(500))
    client.mock_api.faults.list_faults = ListFaults(total_count=1)
    client.mock_api.faults.clear()
    assert client.page("/invoke")["metadata"]["pagination"]["total_count"] == 30


def read_all(client: Client, pages: int = 3) -> list[str]:
    return [record_id for page in range(1, pages + 1) for record_id in client.ids("/invoke", page=page, page_size=10)]


def test_a_list_can_run_upwards_although_asked_downwards(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(order="ascending")
    assert client.ids("/invoke", sort="-created_at")[0] == "rend_00"
    assert client.ids("/invoke", sort="-created_at", search="rend")[0] == "rend_00"


def test_a_list_can_run_downwards_although_asked_upwards(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(order="descending")
    assert client.ids("/invoke", sort="created_at")[0] == "rend_29"
    assert client.ids("/invoke", sort="created_at", search="rend")[0] == "rend_29"


def test_an_order_that_was_not_asked_for_is_by_creation(client: Client, world: World, clock: Clock) -> None:
    clock.now = NOW + 100
    world.update("invocations", "rend_00", status="Failed")
    assert client.ids("/invoke")[0] == "rend_00"
    client.mock_api.faults.list_faults = ListFaults(order="descending")
    assert client.ids("/invoke")[0] == "rend_29"
    assert client.ids("/invoke", search="rend")[0] == "rend_29"


def test_the_filters_can_be_ignored(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(ignore_filters=True)
    asked = {"search": "x", "data_id": "x", "destination_name": "box", "destination_status": "Failed"}
    assert client.ids("/invoke", **asked) == client.ids("/invoke")
    assert len(client.ids("/invoke")) == 25


def test_the_total_can_be_missing_while_the_pages_are_right(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(total_count="missing")
    found = client.page("/invoke", page_size=10)["metadata"]["pagination"]
    assert "total_count" not in found
    assert (found["page_count"], found["next_page"]) == (3, 2)


def test_a_shuffled_list_has_no_order_but_every_record_once(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(order="shuffled")
    read = read_all(client)
    assert read not in (sorted(read), sorted(read, reverse=True))
    assert sorted(read) == [f"rend_{n:02}" for n in range(30)]


def test_the_page_size_can_be_ignored(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(ignore_page_size=True)
    answer = client.page("/invoke", page_size=10)
    assert len(answer["items"]) == answer["metadata"]["pagination"]["page_size"] == 25


@pytest.mark.parametrize(
    ("list_faults", "expected"),
    [
        (ListFaults(total_count=5), {"total_count": 5, "page_count": 1, "next_page": None}),
        (ListFaults(total_count=99), {"total_count": 99, "page_count": 10, "next_page": 2}),
        (ListFaults(page_count=7), {"total_count": 30, "page_count": 7, "next_page": 2}),
    ],
)
def test_the_counts_can_be_wrong_while_the_records_are_right(
    client: Client, list_faults: ListFaults, expected: dict[str, Any]
) -> None:
    client.mock_api.faults.list_faults = list_faults
    answer = client.page("/invoke", page_size=10)
    assert answer["metadata"]["pagination"].items() >= expected.items()
    assert len(answer["items"]) == 10


def test_ids_can_come_twice_over_the_seam_of_two_pages(client: Client) -> None:
    client.mock_api.faults.list_faults = ListFaults(repeat_ids=True)
    pages = [client.ids("/invoke", page=page, page_size=10) for page in (1, 2, 3)]
    assert [page[0] for page in pages[1:]] == [page[-1] for page in pages[:-1]]
    assert {record_id for page in pages for record_id in page} == {f"rend_{n:02}" for n in range(30)}


def test_the_world_can_change_between_two_pages(client: Client, world: World) -> None:
    def insert(kind: str, page: int) -> None:
        if (kind, page) == ("invocations", 2):
            world.add("invocations", invocation("rend_new", NOW + 100))

    client.mock_api.faults.list_faults = ListFaults(before_page=insert)
    read = read_all(client)
    assert read[9] == read[10]
    assert "rend_new" not in read
