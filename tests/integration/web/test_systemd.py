"""Sockets that systemd hands over."""

import os
import socket
from pathlib import Path

import pytest

from exporter.web.server.listen import ListenError
from exporter.web.server.server import Server
from exporter.web.server.systemd import FIRST_DESCRIPTOR, inherited
from tests.support.serving import Program, scrape

ME = str(os.getpid())


def handed(*sockets: socket.socket) -> int:
    """Move these sockets to consecutive descriptors, and return the first of them."""
    first = 900
    for number, each in enumerate(sockets):
        os.dup2(each.fileno(), first + number)
        each.close()
    return first


def test_every_socket_that_was_handed_over_is_served() -> None:
    first = handed(socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0)))
    sockets = inherited({"LISTEN_PID": ME, "LISTEN_FDS": "2"}, first)
    assert not [each for each in sockets if each.get_inheritable()]
    server = Server(Program().app, sockets)
    server.start()
    assert [scrape(each.getsockname()) for each in sockets] == [200, 200]
    assert server.stop(20)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "0", "LISTEN_PID": ME},
        {"LISTEN_FDS": "x", "LISTEN_PID": ME},
    ],
)
def test_without_a_socket_for_this_process_the_way_out_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(ListenError, match=r"no socket activation file descriptors found: .* systemd \.socket unit"):
        inherited(environ)


def test_a_socket_that_does_not_listen_is_refused() -> None:
    for made in (socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()):
        first = handed(made)
        with pytest.raises(ListenError, match=f"file descriptor {first}.*needs ListenStream= and Accept=no"):
            inherited({"LISTEN_PID": ME, "LISTEN_FDS": "1"}, first)
        os.close(first)


def test_a_descriptor_that_is_no_socket_is_refused() -> None:
    with (
        Path(os.devnull).open() as file,
        pytest.raises(ListenError, match=f"file descriptor {file.fileno()}.*is no socket"),
    ):
        inherited({"LISTEN_PID": ME, "LISTEN_FDS": "1"}, file.fileno())


def test_the_first_descriptor_is_the_one_that_systemd_documents() -> None:
    assert FIRST_DESCRIPTOR == 3
