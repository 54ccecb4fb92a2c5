"""How clients are treated that scrape, and those that are silent, slow, deaf or too many."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from http.client import HTTPConnection

import pytest

from exporter.config.diff import Outcome
from exporter.web.app import PIECE_BYTES
from exporter.web.messages import Answer, Request, text
from exporter.web.server.connection import Limits
from exporter.web.server.listen import listen
from exporter.web.server.server import Server
from tests.support.patience import GENEROUS, eventually, in_haste
from tests.support.serving import (
    GET,
    HASTE,
    LONG,
    Place,
    Program,
    answers,
    ask,
    connect,
    hasty,
    long_winded,
    noted_connections,
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


def test_a_scrape_is_answered_beside_hundreds_of_clients_that_are_silent_or_slow(place: Place) -> None:
    threads = threading.active_count()
    with contextlib.ExitStack() as clients:
        for number in range(200):
            client = clients.enter_context(connect(place))
            if number % 2:
                client.sendall(b"GET /metrics HT")
        assert [scrape(place) for _ in range(5)] == [200] * 5
        assert threading.active_count() < threads + 100, "a thread for each client"


def test_a_connection_serves_one_request_after_the_other(place: Place) -> None:
    with connect(place) as client:
        for _ in range(3):
            client.sendall(GET)
            assert answers(read_answers(client, 1)) == 1


def test_requests_sent_at_once_are_answered_in_their_order(place: Place) -> None:
    with connect(place) as client:
        client.sendall(GET + GET.replace(b"healthy", b"nothing") + GET.replace(b"GET", b"HEAD") + GET)
        data = read_answers(client, 2)
    assert [part.split()[0] for part in data.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200", b"200"]


def test_a_thousand_requests_sent_at_once_are_all_answered(place: Place) -> None:
    with connect(place) as client:
        sender = threading.Thread(target=client.sendall, args=(GET * 1000,))
        sender.start()
        assert answers(read_answers(client, 1000)) == 1000
        sender.join()


def test_a_second_request_is_not_begun_before_the_first_answer_is_read() -> None:
    asked: list[str] = []
    program = long_winded()
    metrics = program.app.routes["/metrics"]["GET"]

    def noted(request: Request) -> Answer:
        asked.append(request.path)
        return metrics(request)

    program.app.routes["/metrics"] = {"GET": noted}
    with serving(program) as place, connect(place, receive_buffer=4096) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert client.recv(1) == b"H"
        assert scrape(place) == 200  # On another connection, which shows that the server went on.
        assert len(asked) == 2
        received = 1
        while received <= LONG:
            received += len(client.recv(2**20))
        eventually(lambda: len(asked) == 3)


def test_nothing_of_an_answer_is_left_with_the_server_when_the_next_request_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connections = noted_connections(monkeypatch)
    left: list[int] = []
    program = Program()

    def noted(_: Request) -> Answer:
        left.extend(each.transport.get_write_buffer_size() for each in connections)
        return text(200, "x" * 40_000)

    program.app.routes["/metrics"] = {"GET": noted}
    sockets = listen("127.0.0.1:0")
    server = Server(program.app, sockets)
    server.start()
    with connect(sockets[0].getsockname(), receive_buffer=4096) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 999)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while client.recv(2**20):
            pass
    assert server.stop(GENEROUS)
    assert left == [0] * 1000


def test_a_client_that_has_closed_its_side_is_let_go_with_its_answer() -> None:
    asked: list[Future[Outcome]] = []

    def reload() -> Future[Outcome]:
        asked.append(Future())
        return asked[-1]

    # A connection that may be used again would be kept for longer than the client waits.
    patient = Limits(request_seconds=10 * GENEROUS)
    with serving(Program(reload=reload), patient) as place, connect(place) as client:
        client.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        eventually(lambda: bool(asked))
        asked[0].set_result(Outcome(True, "Reloaded."))
        assert read_to_end(client).endswith(b"Reloaded.\n")


def test_a_client_that_sends_on_and_on_while_it_is_answered_is_cut_off() -> None:
    limits = Limits(answer_seconds=10 * GENEROUS, request_seconds=10 * GENEROUS)
    with serving(long_winded(), limits) as place, connect(place, receive_buffer=4096) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1) == b"H"
        with contextlib.suppress(ConnectionError):
            client.sendall(GET * (limits.pipelined_bytes // len(GET) + 1))
        assert len(read_to_end(client)) < LONG


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy"])
def test_a_client_that_closes_its_side_after_its_request_gets_the_whole_answer(path: str) -> None:
    with serving(long_winded()) as place:
        answer = speak(place, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert len(answer) > (LONG if path == "/metrics" else 100)


def test_a_client_that_closes_its_side_after_several_requests_gets_all_answers(place: Place) -> None:
    assert answers(speak(place, GET * 3)) == 3


@pytest.mark.parametrize("sent", [b"", b"GET /-/healthy HTTP/1.1\r\nHo", GET + b"GET"])
def test_a_client_that_closes_its_side_before_a_request_is_whole_is_let_go(sent: bytes) -> None:
    with serving(Program(), Limits(request_seconds=10 * GENEROUS)) as place:
        assert answers(speak(place, sent)) == sent.count(GET)


def test_a_client_of_http_1_0_is_answered_and_the_connection_closed(place: Place) -> None:
    assert speak(place, b"GET /-/healthy HTTP/1.0\r\n\r\n").endswith(b"batch-exporter is healthy.\n")


def test_a_client_that_sends_nothing_is_cut_off() -> None:
    with serving(Program(), hasty(HASTE)) as place, connect(place) as client:
        assert read_to_end(client) == b""


@pytest.mark.parametrize("before", [b"", GET], ids=["at first", "after an answer"])
@in_haste(HASTE)
def test_a_client_that_sends_a_byte_at_a_time_is_cut_off(before: bytes, haste: float) -> None:
    with serving(Program(), hasty(haste)) as place, connect(place) as client:
        if before:
            client.sendall(before)
            read_answers(client, 1)
        client.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        for _ in range(100):
            if select.select([client], [], [], haste / 4)[0]:
                break
            client.sendall(b"x")
        assert select.select([client], [], [], 0)[0]
        assert read_to_end(client) == b""


@in_haste(HASTE)
def test_a_client_that_stays_silent_after_an_answer_is_cut_off(haste: float) -> None:
    with serving(Program(), hasty(haste)) as place, connect(place) as client:
        client.sendall(GET)
        assert answers(read_to_end(client)) == 1


@in_haste(HASTE)
def test_a_client_that_does_not_read_its_answer_is_cut_off_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, haste: float
) -> None:
    connections = noted_connections(monkeypatch)
    sockets = listen("127.0.0.1:0")
    server = Server(long_winded().app, sockets, hasty(haste))
    server.start()
    place = sockets[0].getsockname()
    with connect(place, receive_buffer=4096) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1) == b"H"
        client.sendall(GET)
        assert ask(place, "GET", "/-/healthy")[0].status == 200
        eventually(lambda: not connections)
        assert len(read_to_end(client)) < LONG
    assert server.stop(GENEROUS)


def test_a_client_that_reads_a_long_answer_gets_all_of_it() -> None:
    with serving(long_winded()) as place:
        assert len(ask(place, "GET", "/metrics")[1]) > LONG


@in_haste(HASTE)
def test_a_client_that_takes_long_to_read_has_more_time_for_it_than_for_a_request_each_time(haste: float) -> None:
    limits = Limits(request_seconds=haste, answer_seconds=10 * GENEROUS)
    with serving(long_winded(), limits) as place, contextlib.closing(HTTPConnection(*place, timeout=GENEROUS)) as slow:
        for _ in range(2):
            slow.request("GET", "/metrics")
            answer = slow.getresponse()
            with connect(place) as silent:
                assert read_to_end(silent) == b""
            assert len(answer.read()) > LONG


def test_a_client_that_reads_bit_by_bit_has_no_more_time_than_one_that_does_not_read() -> None:
    limits = Limits(request_seconds=10 * GENEROUS, answer_seconds=0.2)
    pause, received = threading.Event(), 0
    with serving(long_winded(), limits) as place, connect(place) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(2**18):
                received += len(data)
                pause.wait(0.01)
    assert received < LONG


def test_what_clients_have_not_read_is_not_kept_for_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = noted_connections(monkeypatch)
    sockets = listen("127.0.0.1:0")
    server = Server(long_winded().app, sockets)
    server.start()
    with contextlib.ExitStack() as clients:
        for _ in range(5):
            client = clients.enter_context(connect(sockets[0].getsockname(), receive_buffer=4096))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1) == b"H"
        transports = [each.transport for each in connections]
        assert len(transports) == 5
        eventually(lambda: all(each.get_write_buffer_size() for each in transports))
        assert max(each.get_write_buffer_size() for each in transports) <= PIECE_BYTES < LONG
        assert server.stop(GENEROUS)


@in_haste(HASTE)
def test_a_client_that_has_read_a_long_answer_has_no_more_time_for_the_next_request_than_others(haste: float) -> None:
    limits = Limits(request_seconds=haste, answer_seconds=10 * GENEROUS)
    with serving(long_winded(), limits) as place, connect(place) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(read_to_end(client)) > LONG


@in_haste(HASTE)
def test_a_client_that_goes_on_asking_is_not_cut_off(haste: float) -> None:
    with serving(Program(), hasty(haste)) as place, connect(place) as busy, connect(place) as silent:
        while not select.select([silent], [], [], 0)[0]:
            busy.sendall(GET)
            read_answers(busy, 1)
        busy.sendall(GET)
        read_answers(busy, 1)


def test_when_too_many_are_connected_the_longest_waiting_makes_room_for_a_scrape() -> None:
    with serving(Program(), Limits(connections=5)) as place, contextlib.ExitStack() as clients:
        *idle, busy = [clients.enter_context(connect(place)) for _ in range(5)]
        busy.sendall(GET)
        read_answers(busy, 1)  # The one that came last is answered: the server knows of the others.
        assert scrape(place) == 200
        assert idle[0].recv(1) == b""
        busy.sendall(GET)
        read_answers(busy, 1)
