"""The ports that tests give to programs."""

import multiprocessing
import socket
import threading
from collections.abc import Sequence

from tests.support.ports import free_port


def _given(_number: int) -> Sequence[int]:
    """Return the ports that four threads of a process are given at the same time."""
    ports: list[int] = []
    threads = [threading.Thread(target=lambda: ports.extend(free_port() for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ports


def test_no_two_programs_are_given_the_same_port_though_neither_has_taken_it_yet() -> None:
    with multiprocessing.get_context("fork").Pool(3) as pool:
        ports = [port for given in pool.map(_given, range(3), chunksize=1) for port in given]
        ports += _given(0)
    assert len(set(ports)) == len(ports) >= 240


def test_a_port_at_which_something_listens_is_not_given() -> None:
    with socket.create_server(("", free_port())) as server:
        assert server.getsockname()[1] not in {free_port() for _ in range(400)}
