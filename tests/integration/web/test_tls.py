"""TLS as clients meet it, over real sockets."""

import base64
import contextlib
import shutil
import socket
import ssl
from pathlib import Path

import bcrypt
import pytest

from exporter.web.config import WebConfigFile
from exporter.web.server.connection import Limits
from exporter.web.server.listen import listen
from exporter.web.server.server import Server
from tests.support import certificates
from tests.support.serving import (
    GENEROUS,
    GET,
    LONG,
    Place,
    answers,
    connect,
    eventually,
    long_winded,
    noted_connections,
    read_answers,
    read_to_end,
    speak,
)
from tests.support.tls_clients import TLS, at_most, is_cut_off, secured, shaken, status

SOON = Limits(request_seconds=1.0, answer_seconds=1.0)
"""A handshake is to fit in, also on a machine that is busy."""
USERS = f"basic_auth_users: {{alice: {bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}}}\n"
AUTHORIZED = b"Authorization: Basic " + base64.b64encode(b"alice:secret") + b"\r\n"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_is_answered_over_tls(folder: Path, version: ssl.TLSVersion) -> None:
    with secured(folder) as place:
        assert status(place, at_most(version, folder)) == 200


def test_a_connection_serves_one_request_after_the_other(folder: Path) -> None:
    with secured(folder) as place, shaken(place, certificates.client(folder)) as client:
        for _ in range(3):
            client.sendall(GET)
            assert answers(read_answers(client, 1)) == 1


def test_a_thousand_requests_sent_at_once_are_all_answered(folder: Path) -> None:
    with secured(folder) as place, shaken(place, certificates.client(folder)) as client:
        # No second thread sends: before Python 3.13 an SSLSocket must not be read and written at once. The requests
        # fit the buffers of the sockets, whatever the server does.
        client.sendall(GET * 1000)
        assert answers(read_answers(client, 1000)) == 1000


def test_a_long_answer_arrives_complete_and_the_connection_ends_in_order(folder: Path) -> None:
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with secured(folder, program=long_winded()) as place, shaken(place, certificates.client(folder)) as client:
        client.sendall(request)
        received = 0
        while data := client.recv(65536):  # An end without close_notify would raise an error here.
            received += len(data)
        assert received > LONG


def test_a_client_that_sends_plain_http_gets_an_answer_that_says_so(folder: Path) -> None:
    with secured(folder) as place:
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
            assert speak(place, f"{method} / HTTP/1.1\r\n\r\n".encode()) == (
                b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
            )
        assert not speak(place, b"nonsense, and more than a header of it\r\n\r\n").startswith(b"HTTP")


def test_plain_http_is_recognised_however_it_is_cut_into_pieces(folder: Path) -> None:
    with secured(folder) as place, connect(place) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            for byte in b"GET / HTTP/1.1\r\n\r\n":
                client.sendall(bytes([byte]))
        assert read_to_end(client).startswith(b"HTTP/1.0 400 Bad Request\r\n")


def test_clients_that_stall_in_the_handshake_hold_nobody_up_and_are_cut_off(folder: Path) -> None:
    with secured(folder, limits=SOON) as place, contextlib.ExitStack() as clients:
        stalled = [clients.enter_context(connect(place)) for _ in range(20)]
        for client in stalled[::2]:
            client.sendall(b"\x16\x03\x01")
        assert status(place, certificates.client(folder)) == 200
        assert [read_to_end(client) for client in stalled] == [b""] * 20


def test_clients_in_the_handshake_count_among_those_connected(folder: Path) -> None:
    with secured(folder, limits=Limits(connections=3)) as place, contextlib.ExitStack() as clients:
        silent = [clients.enter_context(connect(place)) for _ in range(3)]
        assert status(place, certificates.client(folder)) == 200
        assert read_to_end(silent[0]) == b""


def test_a_client_that_is_silent_after_the_handshake_is_cut_off(folder: Path) -> None:
    with secured(folder, limits=SOON) as place, shaken(place, certificates.client(folder)) as client:
        assert is_cut_off(client)


def test_a_client_that_does_not_read_its_answer_is_cut_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = noted_connections(monkeypatch)
    (folder / "web.yml").write_text(TLS)
    sockets = listen("127.0.0.1:0")
    server = Server(long_winded().app, sockets, SOON, WebConfigFile(folder / "web.yml"))
    server.start()
    place = sockets[0].getsockname()
    with connect(place, 4096) as plain:
        client = certificates.client(folder).wrap_socket(plain, server_hostname="127.0.0.1")
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1) == b"H"
        assert status(place, certificates.client(folder)) == 200
        eventually(lambda: not connections)
        client.close()
    assert server.stop(GENEROUS)


def test_a_client_that_takes_long_to_read_has_more_time_for_it_than_for_a_request(folder: Path) -> None:
    limits = Limits(request_seconds=1.0, answer_seconds=GENEROUS)
    with (
        secured(folder, limits=limits, program=long_winded()) as place,
        shaken(place, certificates.client(folder)) as slow,
    ):
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert slow.recv(1) == b"H"
        with connect(place) as silent:
            assert read_to_end(silent) == b""
        received = 0
        while data := slow.recv(65536):
            received += len(data)
        assert received > LONG


def test_new_connections_have_the_new_certificate_and_old_ones_go_on(folder: Path) -> None:
    with secured(folder) as place, shaken(place, certificates.client(folder)) as old:
        before = old.getpeercert(binary_form=True)
        for kind in ("pem", "key"):
            shutil.copy(folder / f"other.{kind}", folder / f"server.{kind}")
        with shaken(place, certificates.client(folder)) as new:
            assert new.getpeercert(binary_form=True) != before
        old.sendall(GET)
        assert answers(read_answers(old, 1)) == 1


def test_a_client_that_ends_in_order_is_let_go(folder: Path) -> None:
    patient = Limits(request_seconds=10 * GENEROUS)
    with secured(folder, limits=patient) as place, shaken(place, certificates.client(folder)) as client:
        plain = client.unwrap()
        assert plain.recv(1) == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("path", ["/metrics", "/-/healthy"])
def test_a_client_that_says_at_once_that_its_request_is_all_gets_its_answer(
    folder: Path, version: ssl.TLSVersion, path: str
) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with secured(folder, USERS + TLS, program=long_winded()) as place:
        answer = tls_answer(place, at_most(version, folder), request.replace(b"Host", AUTHORIZED + b"Host"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(answer) > (LONG if path == "/metrics" else 100)


def tls_answer(place: Place, context: ssl.SSLContext, request: bytes) -> bytes:
    """What comes for a request that is sent together with the end of the connection (close_notify)."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    received = bytearray()
    with connect(place) as client:
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
            client.sendall(outgoing.read())
            incoming.write(client.recv(65536))
        tls.write(request)
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        client.sendall(outgoing.read())
        client.shutdown(socket.SHUT_WR)
        while data := client.recv(2**20):
            incoming.write(data)
            received += read_all(tls)
    return bytes(received)


def read_all(tls: ssl.SSLObject) -> bytes:
    received = bytearray()
    with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
        while data := tls.read(65536):
            received += data
    return bytes(received)


def test_a_request_that_comes_byte_by_byte_is_answered(folder: Path) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates.client(folder).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")

    def trickle(client: socket.socket) -> None:
        for byte in outgoing.read():
            client.sendall(bytes([byte]))

    with secured(folder) as place, connect(place) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                trickle(client)
                incoming.write(client.recv(65536))
        tls.write(GET)
        trickle(client)
        received = b""
        while b"healthy.\n" not in received:
            incoming.write(client.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                while True:
                    received += tls.read(65536)
        assert answers(received) == 1
