"""Malformed requests: each gets a refusal at most, and the exporter logs no error."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.support.serving import (
    GET,
    HASTY,
    Place,
    Program,
    complaints,
    connect,
    long_winded,
    read_answers,
    read_to_end,
    scrape,
    serving,
    speak,
)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Yield a server with the usual limits."""
    with serving(Program()) as address:
        yield address


@pytest.fixture(scope="module")
def hasty() -> Iterator[Place]:
    """A server that is soon out of patience."""
    with serving(Program(), HASTY) as address:
        yield address


def test_a_head_without_end_is_refused(place: Place) -> None:
    with connect(place) as client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 20000)
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_body_is_not_read_and_ends_the_connection(place: Place) -> None:
    head = b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"
    with connect(place) as client:
        client.sendall(head)
        answer = read_to_end(client)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"connection: close\r\n" in answer


HOSTILE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 100,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%ff%00 HTTP/1.1\r\nHost: \xff\r\nAccept: \xff;q=\xff\r\n\r\n",
    b"GET http://other/metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\nmore",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nmore",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\x00\x01",
    GET + b"\x00\x01",
    GET * 3 + b"\x00\x01",
]


@pytest.mark.parametrize("data", HOSTILE)
def test_a_client_that_makes_no_sense_and_goes_causes_no_error_of_ours(
    place: Place, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    speak(place, data)
    assert scrape(place) == 200
    assert complaints(caplog) == []
    assert "pip install" not in caplog.text


def test_clients_that_make_no_sense_and_stay_are_cut_off_without_an_error_of_ours(
    hasty: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.ExitStack() as clients:
        connected = [clients.enter_context(connect(hasty)) for _ in HOSTILE]
        for client, data in zip(connected, HOSTILE, strict=True):
            client.sendall(data)
        for client in connected:
            read_to_end(client)
    assert complaints(caplog) == []


def test_a_body_that_turns_malformed_after_the_answer_causes_no_error_of_ours(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(place) as client:
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        read_answers(client, 1)
        with contextlib.suppress(ConnectionError):
            client.sendall(b"zz\r\n")
        read_to_end(client)
    assert complaints(caplog) == []


def test_a_body_that_turns_malformed_during_the_answer_causes_no_error_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(long_winded()) as place, connect(place) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.recv(1) == b"H"
        client.sendall(b"zz\r\n")
        # Cut off or complete, as it may have been on its way already: the connection ends.
        read_to_end(client)
    assert complaints(caplog) == []
