"""Connections and the request log."""

import gzip
import socket
import struct
import threading
from urllib.parse import urlsplit

import pytest
import requests

from exporter.demo.faults import ListFaults
from exporter.demo.http_types import Answer, LoggedRequest
from exporter.demo.items import document_batch
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support.api_clients import TOKEN, Client
from tests.support.rig import NOW

REQUEST = f"GET /v1/batch HTTP/1.1\r\nX-Inkit-API-Token: {TOKEN}\r\n\r\n".encode()


def connect(mock_api: MockApi) -> socket.socket:
    url = urlsplit(mock_api.url)
    return socket.create_connection((url.hostname, url.port), timeout=5)


def exchange(mock_api: MockApi, content: bytes) -> bytes:
    """Send some bytes, and return everything that comes back until the end of the connection."""
    with connect(mock_api) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while more := connection.recv(65_536):
            received += more
        return received


def test_one_connection_serves_many_requests(mock_api: MockApi) -> None:
    assert exchange(mock_api, REQUEST * 3).count(b"HTTP/1.1 200 OK") == 3


def test_the_answer_to_head_has_no_body(mock_api: MockApi) -> None:
    received = exchange(mock_api, b"HEAD /v1/batch HTTP/1.1\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 401")
    assert received.endswith(b"\r\n\r\n")


def test_a_connection_ends_when_the_client_says_so(mock_api: MockApi) -> None:
    request = b"GET /v1/batch HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert exchange(mock_api, request * 3).count(b"HTTP/1.1 401 Unauthorized") == 1


@pytest.mark.parametrize(
    "content", [b"", b"nonsense\r\n\r\n", b"GET / SMTP\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_what_is_not_http_ends_the_connection_and_nothing_else(
    client: Client, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exchange(client.mock_api, content) == b""
    assert client.ids("/batch") == []
    assert capfd.readouterr() == ("", "")


def test_a_client_that_goes_away_leaves_no_trace(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    serving: list[threading.Thread] = []
    asked, deleted = threading.Event(), threading.Event()

    def wait_for_the_client_to_go(kind: str, page: int) -> None:
        serving.append(threading.current_thread())
        asked.set()
        deleted.wait(30)

    client.mock_api.faults.list_faults = ListFaults(before_page=wait_for_the_client_to_go)
    with connect(client.mock_api) as connection:
        connection.sendall(REQUEST)
        assert asked.wait(30)
        # A linger time of 0: closing sends a reset, so that answering fails.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deleted.set()
    serving[0].join(30)
    assert capfd.readouterr() == ("", "")


def test_stopping_ends_the_connections_that_are_idle(client: Client) -> None:
    with connect(client.mock_api) as connection:
        connection.sendall(REQUEST)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        client.mock_api.stop()
        assert connection.recv(65_536) == b""


def test_the_requests_are_logged_in_their_order_with_their_parameters(client: Client) -> None:
    client.get("/batch", page=2, search="")
    client.get("/batch/rb_1")
    assert list(client.mock_api.requests) == [
        LoggedRequest("GET", "/batch", {"page": "2", "search": ""}, 200),
        LoggedRequest("GET", "/batch/rb_1", {}, 404),
    ]
    client.mock_api.requests.clear()
    assert not client.mock_api.requests


def test_the_request_log_never_has_the_token(client: Client) -> None:
    client.get("/batch")
    assert TOKEN not in repr(client.mock_api.requests)


def test_the_answer_is_compressed_for_those_who_take_it(world: World) -> None:
    world.add("document_batches", document_batch("rb_1", NOW))
    with MockApi(world, TOKEN, compress=True) as mock_api:
        headers = {"X-Inkit-API-Token": TOKEN, "Accept-Encoding": "gzip"}
        with requests.get(mock_api.url + "/batch", headers=headers, stream=True, timeout=5) as answer:
            assert b"rb_1" in gzip.decompress(answer.raw.read(decode_content=False))
        plain = requests.get(mock_api.url + "/batch", headers=headers | {"Accept-Encoding": "identity"}, timeout=5)
        assert "Content-Encoding" not in plain.headers


def test_two_mock_apis_have_ports_of_their_own(world: World) -> None:
    with MockApi(world) as first, MockApi(world) as other:
        assert first.url != other.url


def test_a_stopped_mock_api_takes_no_connection(world: World) -> None:
    with MockApi(world) as mock_api:
        url = urlsplit(mock_api.url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((url.hostname, url.port), timeout=5)


def test_stopping_what_never_started_is_no_error(world: World) -> None:
    MockApi(world).stop()


@pytest.mark.parametrize(
    ("status", "phrase"),
    [(413, "Content Too Large"), (414, "URI Too Long"), (416, "Range Not Satisfiable"), (422, "Unprocessable Entity")],
)
def test_a_status_has_the_same_name_with_every_python(status: int, phrase: str) -> None:
    assert Answer(status).head(0).startswith(f"HTTP/1.1 {status} {phrase}\r\n".encode())
