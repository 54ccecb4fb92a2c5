"""Interim answers (1xx), of which a server may send any number before the answer itself."""

import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.client.transport import RequestLimits, Transport
from exporter.model.record import FetchError, Reason
from exporter.model.tls import TLSConfig
from tests.support.properties import examples

INTERIM = st.tuples(st.sampled_from([100, 102, 103, 104, 199]), st.integers(0, 3))
"""The status of an interim answer, and how many headers it has."""


class Hinting:
    """Keeps a connection, and answers each request with its path, after the interim answers that a test wants."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.interim: Sequence[tuple[int, int]] = ()
        self.in_pieces = False
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self.connections += 1
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while head := connection.recv(65_536):
                path = head.split()[1]
                pieces = [_interim(*interim) for interim in self.interim]
                pieces.append(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))
                for piece in pieces if self.in_pieces else [b"".join(pieces)]:
                    connection.sendall(piece)


def _interim(status: int, headers: int) -> bytes:
    lines = b"".join(b"Link: </%d.css>; rel=preload\r\n" % number for number in range(headers))
    return b"HTTP/1.1 %d Interim\r\n%s\r\n" % (status, lines)


@pytest.fixture(scope="module")
def server() -> Iterator[Hinting]:
    running = Hinting()
    yield running
    running.close()


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(each=st.lists(st.tuples(st.lists(INTERIM, max_size=4), st.booleans()), min_size=2, max_size=4))
def test_each_request_gets_its_own_answer_whatever_comes_before_it(
    server: Hinting, each: list[tuple[list[tuple[int, int]], bool]]
) -> None:
    """Accounts share connections: an answer that is left on one would be read as that of another account."""
    limits = RequestLimits()
    one, another = Transport(TLSConfig(), None, limits=limits), Transport(TLSConfig(), None, limits=limits)
    for number, ((interim, in_pieces), transport) in enumerate(
        zip(each, itertools.cycle((one, another)), strict=False)
    ):
        server.interim, server.in_pieces = interim, in_pieces
        answer = transport.get(f"{server.url}/{number}", {}, {}, 30.0)
        assert (answer.status, bytes(answer.body)) == (200, b"/%d" % number)
    one.close()
    another.close()


def test_a_connection_goes_on_after_interim_answers(server: Hinting) -> None:
    server.interim, before = [(103, 1)], server.connections
    transport = Transport(TLSConfig(), None)
    for _ in range(3):
        transport.get(server.url, {}, {}, 30.0)
    transport.close()
    assert server.connections == before + 1


def test_an_answer_that_changes_the_protocol_is_none(server: Hinting) -> None:
    server.interim = [(101, 0)]
    transport = Transport(TLSConfig(), None)
    with pytest.raises(FetchError) as caught:
        transport.get(server.url, {}, {}, 30.0)
    transport.close()
    assert caught.value.reason is Reason.CONNECTION
