"""How many connections wait for their next request, of all accounts together."""

import http.server
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.connection import HTTPConnection

from exporter.client.idle_connections import LONGEST_SECONDS, LONGEST_USE_SECONDS, IdleConnections
from exporter.client.memory_budget import MemoryBudget, Reservation
from exporter.client.resolve import SYSTEM
from exporter.client.transport import RequestLimits, Transport
from exporter.model.record import FetchError
from exporter.model.tls import TLSConfig
from tests.support.patience import GENEROUS
from tests.support.properties import examples

SLOW = "/slow"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Keeping"

    def setup(self) -> None:
        super().setup()
        self.server.count(+1)

    def finish(self) -> None:
        super().finish()
        self.server.count(-1)

    def do_GET(self) -> None:
        if self.path == SLOW:
            self.server.asked.set()
            self.server.answered.wait(GENEROUS)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        pass


class Keeping(http.server.ThreadingHTTPServer):
    """Keeps connections, and counts them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.open = self.made = 0
        self.asked, self.answered = threading.Event(), threading.Event()
        """Whether there was a request for SLOW, and whether it is to be answered."""
        self._change = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def count(self, change: int) -> None:
        with self._change:
            self.open += change
            self.made += max(0, change)
            self._change.notify_all()

    def has_open(self, count: int) -> bool:
        """Wait until so many connections are open."""
        with self._change:
            return self._change.wait_for(lambda: self.open == count, GENEROUS)


@contextmanager
def keeping() -> Iterator[Keeping]:
    with Keeping() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def transports(count: int, most: int) -> list[Transport]:
    """Return a transport for each of so many accounts. They share the limit, and have no connections."""
    limits = RequestLimits(idle=IdleConnections(most))
    return [Transport(TLSConfig(server_name=str(number)), None, SYSTEM, limits) for number in range(count)]


def ask(transport: Transport, server: Keeping) -> None:
    assert transport.get(server.url, {}, {}, GENEROUS).status == 200


@pytest.mark.parametrize(("accounts", "most", "left"), [(40, 10, 10), (5, 10, 5), (5, 0, 0)])
def test_no_more_connections_are_kept_than_the_limit_whatever_the_number_of_accounts(
    accounts: int, most: int, left: int
) -> None:
    with keeping() as server:
        asking = transports(accounts, most)
        for transport in asking:
            ask(transport, server)
        assert server.has_open(left)
        for transport in asking:
            ask(transport, server)
        assert server.has_open(left)
        for transport in asking:
            transport.close()
        assert server.has_open(0)


def test_accounts_that_reach_their_api_in_the_same_way_share_connections() -> None:
    limits = RequestLimits()
    with keeping() as server:
        asking = [Transport(TLSConfig(), None, SYSTEM, limits) for _ in range(20)]
        for transport in asking * 2:
            ask(transport, server)
        assert (server.made, server.open) == (1, 1)
        for transport in asking[1:]:
            transport.close()
            transport.close()
        ask(asking[0], server)
        assert server.made == 1, "it stays for those who need it"
        asking[0].close()
        assert server.has_open(0)


def test_the_end_of_an_account_cuts_off_its_own_requests_only() -> None:
    limits = RequestLimits()
    with keeping() as server:
        ending, going_on = (Transport(TLSConfig(), None, SYSTEM, limits) for _ in range(2))
        ask(going_on, server)
        ending.close()
        with pytest.raises(FetchError):
            ending.get(server.url, {}, {}, GENEROUS)
        ask(going_on, server)


class Full(MemoryBudget):
    """Has no memory for any answer, until it is emptied."""

    def __init__(self) -> None:
        super().__init__(1)
        self.wanted = threading.Event()
        """Whether there is an answer that waits."""
        self._first = self.reserve()
        self.set_size(self._first, 1)

    def set_size(self, reservation: Reservation, size: int) -> bool:
        if reservation is not self._first:
            self.wanted.set()
        return super().set_size(reservation, size)

    def empty(self) -> None:
        self.release(self._first)


def test_a_request_that_is_cut_off_after_its_answer_was_read_leaves_the_connection_to_another_account() -> None:
    """It waits for memory by then, and the other account uses its connection."""
    memory = Full()
    limits = RequestLimits(memory)
    with keeping() as server, ThreadPoolExecutor() as threads:
        ending, going_on = (Transport(TLSConfig(), None, SYSTEM, limits) for _ in range(2))
        cut_off = threads.submit(ending.get, server.url, {}, {}, GENEROUS)
        assert memory.wanted.wait(GENEROUS)
        asked = threads.submit(going_on.get, server.url.removesuffix("/") + SLOW, {}, {}, GENEROUS)
        assert server.asked.wait(GENEROUS)
        ending.close()
        assert isinstance(cut_off.exception(GENEROUS), FetchError)
        server.answered.set()
        memory.empty()
        assert asked.result(GENEROUS).status == 200
        assert server.made == 1
        going_on.close()


def test_an_account_that_makes_many_requests_keeps_its_connection_while_others_come_and_go() -> None:
    with keeping() as server:
        busy, *others = transports(11, 2)
        for other in others[:2]:
            ask(other, server)
        for other in others[2:]:
            ask(busy, server)
            ask(other, server)
        assert server.made == 1 + len(others)


def test_requests_of_many_threads_do_not_fail_where_connections_are_closed_for_others() -> None:
    failed: list[FetchError] = []
    with keeping() as server:
        asking = transports(8, 2)

        def many(transport: Transport) -> None:
            for _ in range(30):
                try:
                    ask(transport, server)
                except FetchError as error:
                    failed.append(error)

        threads = [threading.Thread(target=many, args=(transport,)) for transport in asking * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.has_open(2)
    assert failed == []


@given(st.lists(st.integers(0, 900), min_size=1, max_size=5))
@settings(max_examples=examples(20))
def test_a_connection_that_was_idle_for_long_is_not_used_again(gaps: list[int]) -> None:
    """A device on the way may have forgotten it: the request would get no answer, and a poll would fail."""
    now = 0.0
    idle = IdleConnections(clock=lambda: now)
    used = connected()
    for gap in gaps:
        idle.add(used)
        before = used.sock
        now += gap
        idle.take(used)
        if gap > LONGEST_SECONDS:
            assert used.sock is None
            used.sock = socket.socket()
        else:
            assert used.sock is before
    used.close()


@given(st.lists(st.integers(45, 90), min_size=25, max_size=60))
@settings(max_examples=examples(20))
def test_a_connection_that_is_always_in_use_is_made_again_now_and_then(gaps: list[int]) -> None:
    """Otherwise it would keep the address, and the version of the API, that it was made to."""
    now = made = 0.0
    idle = IdleConnections(clock=lambda: now)
    used = connected()
    for gap in gaps:
        idle.add(used)
        before = used.sock
        now += gap
        idle.take(used)
        if now - made > LONGEST_USE_SECONDS:
            assert used.sock is None
            used.sock, made = socket.socket(), now
        else:
            assert used.sock is before
    used.close()


def test_a_request_after_a_long_time_connects_again() -> None:
    now = 0.0
    limits = RequestLimits(idle=IdleConnections(clock=lambda: now))
    with keeping() as server:
        transport = Transport(TLSConfig(), None, SYSTEM, limits)
        for made, gap in enumerate((0.0, LONGEST_SECONDS + 1, 3600.0), 1):
            now += gap
            ask(transport, server)
            ask(transport, server)
            assert server.made == made
        transport.close()


def connected() -> HTTPConnection:
    made = HTTPConnection("127.0.0.1")
    made.sock = socket.socket()
    return made


@given(st.integers(0, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=30))
def test_never_are_more_idle_than_the_limit_and_none_in_use_is_closed(most: int, steps: list[tuple[bool, int]]) -> None:
    idle, connections = IdleConnections(most), [connected() for _ in range(6)]
    sockets = [connection.sock for connection in connections]
    in_use = set(range(6))
    for ends, number in steps:
        if ends and number in in_use:
            in_use.remove(number)
            idle.add(connections[number])
        elif not ends and number not in in_use:
            idle.take(connections[number])
            if connections[number].sock is None:
                connections[number].sock = sockets[number] = socket.socket()
            in_use.add(number)
        assert all(connections[number].sock is not None for number in in_use)
        assert sum(connection.sock is not None for connection in connections) - len(in_use) <= most
    for connection in connections:
        with closing(connection):
            pass
