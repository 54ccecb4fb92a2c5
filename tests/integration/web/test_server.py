"""How the server begins, what it serves on, and how it ends."""

import errno
import socket

import pytest

from exporter.web.server.server import Server, listen
from tests.support.serving import (
    GENEROUS,
    GET,
    HAS_IPV6,
    Program,
    complaints,
    connect,
    long_winded,
    read_answers,
    read_to_end,
    scrape,
    serving,
)


def test_every_socket_is_served_ipv6_among_them() -> None:
    sockets = [*listen("127.0.0.1:0"), *listen("[::1]:0" if HAS_IPV6 else "127.0.0.1:0")]
    places = [each.getsockname()[:2] for each in sockets]
    server = Server(Program().app, sockets)
    server.start()
    assert [scrape(place) for place in places] == [200, 200]
    assert server.stop(GENEROUS)


def test_a_client_that_connects_before_the_start_is_only_kept_waiting() -> None:
    sockets = listen("127.0.0.1:0")
    with connect(sockets[0].getsockname()) as client:
        client.sendall(GET)
        server = Server(Program().app, sockets)
        server.start()
        read_answers(client, 1)
        assert server.stop(GENEROUS)


def test_the_end_waits_for_nobody(caplog: pytest.LogCaptureFixture) -> None:
    sockets = listen("127.0.0.1:0")
    place = sockets[0].getsockname()
    server = Server(long_winded().app, sockets)
    server.start()
    with connect(place) as silent, connect(place) as slow, connect(place) as kept, connect(place, 4096) as deaf:
        slow.sendall(b"GET / HT")
        kept.sendall(GET)
        read_answers(kept, 1)
        deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        deaf.recv(1)
        assert server.stop(GENEROUS)
        assert not server.alive
        for client in (silent, slow, kept):
            assert read_to_end(client) == b""
    assert complaints(caplog) == []


def test_after_the_end_the_port_is_free() -> None:
    with serving(Program()) as place:
        pass
    for each in listen(f"{place[0]}:{place[1]}"):
        each.close()


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    sockets = listen("127.0.0.1:0")
    server = Server(Program().app, sockets)
    assert server.stop()
    assert sockets[0].fileno() == -1


def test_a_server_can_be_stopped_as_soon_as_it_was_started_and_again() -> None:
    server = Server(Program().app, listen("127.0.0.1:0"))
    server.start()
    assert server.stop(GENEROUS)
    assert server.stop(GENEROUS)


def test_where_the_system_gives_no_more_file_descriptors_it_waits_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Exhausted(socket.socket):
        refused = 0

        def accept(self) -> tuple[socket.socket, object]:
            if self.refused < 3:
                self.refused += 1
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    with Exhausted() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = Server(Program().app, [listening])
        server.start()
        assert scrape(listening.getsockname()) == 200
        assert server.stop(GENEROUS)
    assert caplog.messages == ["cannot accept connections, retrying"] * 3
