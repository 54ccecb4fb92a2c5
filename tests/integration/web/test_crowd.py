"""A scraper among clients that take all places: whatever they do, it gets its answer, and soon."""

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.config.bounds import ConfiguredLimits, derive
from exporter.config.resources import Resources
from exporter.web.server.connection import DEFAULTS, ConnectionLimiter, Limits, limits_within, peer_of
from tests.support.certificates import client as trust
from tests.support.patience import GENEROUS
from tests.support.serving import GET, Place, Program, ask, connect, long_winded, read_answers, read_to_end, serving

FEW = Limits(connections=48, per_peer=24)
CROWD = 60
SOON = 1000
"""Rounds in which each of the crowd has acted, a hundred a second at most. It is answered within a few."""
METRICS = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
Act = Callable[[socket.socket, int], None]


def silent(client: socket.socket, turn: int) -> None:
    """Send nothing."""


def pipelines(client: socket.socket, turn: int) -> None:
    """Send request after request, and read nothing."""
    client.send(METRICS * 20)


def sends_slowly(client: socket.socket, turn: int) -> None:
    """Send a head one byte at a time."""
    head = b"GET /metrics HTTP/1.1\r\nX-Slow: "
    client.send(head[turn : turn + 1] or b"x")


def reads_slowly(client: socket.socket, turn: int) -> None:
    """Send one request, and read a byte now and then."""
    if turn == 0:
        client.send(METRICS)
    else:
        client.recv(1)


def half_closes(client: socket.socket, turn: int) -> None:
    """Request a long response, shut down the sending side, and read nothing."""
    if turn == 0:
        client.send(METRICS)
        client.shutdown(socket.SHUT_WR)


def half_closes_in_mid_request(client: socket.socket, turn: int) -> None:
    if turn == 0:
        client.send(METRICS[:20])
        client.shutdown(socket.SHUT_WR)


def asks_and_reads(client: socket.socket, turn: int) -> None:
    """Obey all rules, and keep the place."""
    client.send(GET)
    with contextlib.suppress(BlockingIOError):
        client.recv(65536)


def shakes_hands_for_ever(client: socket.socket, turn: int) -> None:
    client.send(HELLO[turn : turn + 1])


ACTS = (
    silent,
    pipelines,
    sends_slowly,
    reads_slowly,
    half_closes,
    half_closes_in_mid_request,
    asks_and_reads,
    shakes_hands_for_ever,
)


class Crowd:
    """Clients that connect again as soon as they are cut off, and act in turns."""

    def __init__(self, place: Place, size: int, peers: int, act: Act) -> None:
        self._place = place
        self._peers = peers
        self._act = act
        self._clients: list[tuple[socket.socket, int] | None] = [None] * size
        self._over = threading.Event()
        self.all_came = threading.Event()
        self.rounds = 0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Crowd":
        self._thread.start()
        assert self.all_came.wait(GENEROUS)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.ExitStack() as undo:
            undo.callback(self._leave)
            while not self._over.wait(0.01):
                for number in range(len(self._clients)):
                    self._turn(number)
                self.all_came.set()
                self.rounds += 1

    def _leave(self) -> None:
        for client in self._clients:
            if client is not None:
                client[0].close()

    def _turn(self, number: int) -> None:
        client, turn = self._clients[number] or (self._connect(number), 0)
        self._clients[number] = client, turn + 1
        try:
            self._act(client, turn)
            if turn > 20 and not client.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError
        except BlockingIOError:
            pass
        except OSError:
            client.close()
            self._clients[number] = None

    def _connect(self, number: int) -> socket.socket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.bind((f"127.0.0.{2 + number % self._peers}" if self._peers > 1 else "127.0.0.1", 0))
        client.connect(self._place)
        client.setblocking(False)
        return client


def scrapes(place: Place, times: int, crowd: Crowd) -> list[int]:
    """Return the statuses of so many requests, each on a new connection and before the crowd has acted often."""
    statuses = []
    for _ in range(times):
        before = crowd.rounds
        statuses.append(ask(place, "GET", "/-/healthy")[0].status)
        assert crowd.rounds - before < SOON
    return statuses


@pytest.mark.parametrize("peers", [1, 30], ids=["one-peer", "many-peers"])
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_a_scraper_is_answered_among_clients_that_take_all_places(act: Act, peers: int) -> None:
    with serving(long_winded(), FEW) as place, Crowd(place, CROWD, peers, act) as crowd:
        assert scrapes(place, 8, crowd) == [200] * 8


@pytest.mark.parametrize(
    ("limits", "size", "times"),
    [
        pytest.param(Limits(connections=64, per_peer=32), 70, 10, id="few-places"),
        pytest.param(DEFAULTS, 530, 5, id="all-places", marks=pytest.mark.slow),
    ],
)
def test_a_scraper_is_answered_among_more_clients_than_there_are_places_that_ask_and_read_nothing(
    limits: Limits, size: int, times: int
) -> None:
    with serving(Program(), limits) as place, Crowd(place, size, 1, pipelines) as crowd:
        assert scrapes(place, times, crowd) == [200] * times


@pytest.mark.parametrize("act", [silent, shakes_hands_for_ever], ids=lambda act: act.__name__)
def test_a_scraper_is_answered_over_tls_among_handshakes_that_never_end(
    act: Act, tmp_path: Path, certificates: Path
) -> None:
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: {certificates}/server.pem, key_file: {certificates}/server.key}}")
    trusting = trust(certificates)
    with serving(Program(), Limits(connections=120, per_peer=100), web=web) as place, Crowd(place, 120, 1, act):
        for _ in range(10):
            connection = http.client.HTTPSConnection(*place, context=trusting, timeout=GENEROUS)
            with contextlib.closing(connection):
                connection.request("GET", "/-/healthy")
                assert connection.getresponse().status == 200


def test_a_peer_that_has_all_its_places_makes_room_itself() -> None:
    limits = Limits(connections=10, per_peer=3)
    with serving(Program(), limits) as place, contextlib.ExitStack() as clients:
        other = clients.enter_context(contextlib.closing(socket.create_connection(place, GENEROUS, ("127.0.0.9", 0))))
        mine = [clients.enter_context(connect(place)) for _ in range(5)]
        assert [read_to_end(client) for client in mine[:2]] == [b"", b""]
        for client in (other, *mine[2:]):
            client.sendall(GET)
            assert b" 200 OK" in client.recv(65536)


def test_where_none_has_owed_for_long_the_oldest_makes_room() -> None:
    with serving(Program(), Limits(connections=3)) as place, contextlib.ExitStack() as clients:
        first, second, third = (clients.enter_context(connect(place)) for _ in range(3))
        for client in (third, second, first):
            client.sendall(GET)
            read_answers(client, 1)
        fourth = clients.enter_context(connect(place))
        assert read_to_end(first) == b""
        for client in (second, third, fourth):
            client.sendall(GET)
            read_answers(client, 1)


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        (("192.0.2.1", 1), "192.0.2.1"),
        (("::ffff:192.0.2.1", 1, 0, 0), "192.0.2.1"),
        (("2001:db8::1", 1, 0, 0), "2001:db8::/64"),
        (("2001:db8::ffff:2", 1, 0, 0), "2001:db8::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"),
        (("::1", 1, 0, 0), "::/64"),
        ((3, 1024), "3"),
        ("", ""),
        (b"", ""),
        (None, ""),
    ],
)
def test_a_peer_is_who_can_have_the_address(address: object, peer: str) -> None:
    assert peer_of(address) == peer


@pytest.mark.parametrize(("descriptors", "connections", "per_peer"), [(1024, 512, 256), (256, 77, 38), (57, 4, 2)])
def test_where_few_files_may_be_open_there_are_fewer_places(descriptors: int, connections: int, per_peer: int) -> None:
    limits = limits_within(derive(Resources(descriptors, 1 << 34, 2.0), ConfiguredLimits()))
    assert (limits.connections, limits.per_peer, limits.descriptors) == (connections, per_peer, descriptors)


class Held:
    """Stands for a connection that has its place since a moment."""

    def __init__(self, made: float) -> None:
        self.peer = "a"
        self.made_at = made
        self.transport = self
        self.closed = False

    def eviction_order(self, now: float) -> tuple[bool, float]:
        return True, self.made_at

    def abort(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("age", "wait"), [(0.1, 4.0), (1.0, 0.0)])
def test_newcomers_wait_where_others_would_lose_their_places_before_their_turn(age: float, wait: float) -> None:
    limiter = ConnectionLimiter(Limits(per_peer=1))
    first, second = Held(100.0), Held(100.0 + age)
    limiter.admit(first, 100.0)  # type: ignore[arg-type]
    assert limiter.accept_delay(16) == 0
    limiter.admit(second, 100.0 + age)  # type: ignore[arg-type]
    assert (first.closed, second.closed) == (True, False)
    assert limiter.accept_delay(16) == wait
    assert limiter.accept_delay(16) == 0
