"""How the server begins, what it serves on, and how it ends."""

import contextlib
import errno
import logging
import os
import socket
import time

import pytest

from exporter.web.server.connection import Limits
from exporter.web.server.listen import listen
from exporter.web.server.server import Server
from tests.support.patience import GENEROUS, eventually, in_haste
from tests.support.serving import (
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


def test_where_the_system_gives_no_more_file_descriptors_it_waits_and_goes_on_and_says_each_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Exhausted(socket.socket):
        refused = 0

        def accept(self) -> tuple[socket.socket, object]:
            if self.refused < 3:
                self.refused += 1
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    caplog.set_level(logging.INFO, "exporter")
    with Exhausted() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = Server(Program().app, [listening], Limits(quiet_seconds=0.5))
        server.start()
        assert scrape(listening.getsockname()) == 200
        assert caplog.messages[:1] == ["cannot accept connections, waiting"]
        logged(caplog, "accepting connections again")
        assert server.stop(GENEROUS)
    assert len(caplog.messages) == 2


def logged(caplog: pytest.LogCaptureFixture, message: str) -> None:
    """Wait until the message is logged."""
    eventually(lambda: message in caplog.messages, lambda: caplog.messages)


@pytest.fixture
def free() -> int:
    """Return the lowest free file descriptor."""
    with socket.socket() as probe:
        return probe.fileno()


def test_the_last_file_descriptors_are_not_for_clients_and_who_is_connected_goes_on(
    free: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    limits = Limits(descriptors=free + 60, quiet_seconds=0.5)
    with serving(Program(), limits) as place, connect(place) as before, contextlib.ExitStack() as taken:
        before.sendall(GET)
        read_answers(before, 1)
        for _ in range(60):
            taken.callback(os.close, os.dup(before.fileno()))
        with connect(place) as after:
            after.sendall(GET)
            after.settimeout(0.5)
            with pytest.raises(TimeoutError):
                after.recv(1)
            before.sendall(GET)
            read_answers(before, 1)
            # It is still short, after longer than the quiet time.
            time.sleep(2 * limits.quiet_seconds)
            assert caplog.messages == ["cannot accept connections, waiting"]
            taken.close()
            after.settimeout(GENEROUS)
            read_answers(after, 1)
        logged(caplog, "accepting connections again")
    assert len(caplog.messages) == 2


@in_haste(0.5)
def test_that_the_connection_limit_is_reached_is_said_once_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture, haste: float
) -> None:
    caplog.clear()
    caplog.set_level(logging.INFO, "exporter")
    limits = Limits(connections=3, quiet_seconds=haste)
    with serving(Program(), limits) as place, contextlib.ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(connect(place))
        logged(caplog, "connections are below the limit again")
        assert scrape(place) == 200
    begin = "connection limit reached: closing those that wait longest for their client"
    assert caplog.messages[:2] == [begin, "connections are below the limit again"]
    assert caplog.messages[2:] in ([], [begin])
