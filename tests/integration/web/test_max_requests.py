"""How many scrapes are made at the same time, over real sockets."""

import contextlib
import http.client
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from exporter.exposition.scrape import Scrape
from exporter.web.app import App
from exporter.web.routes import Probes
from tests.support.patience import GENEROUS, eventually
from tests.support.serving import Place, Program, ask, connect, long_winded, serving

Answered = tuple[http.client.HTTPResponse, bytes]
WELL = Probes(lambda: True, lambda: None)
REFUSED = "Limit of concurrent requests reached ({}), try again later.\n"


class Slow(Program):
    """A program that renders no scrape until it is let go."""

    def __init__(self, most: int, path: str = "/metrics") -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()
        self.made: list[str] = []
        render = self.exposition.render

        def waiting(accept: str = "", accept_encoding: str = "", names: Sequence[str] = ()) -> Scrape:
            self.begun.set()
            self.made.append(accept)
            assert self.go.wait(GENEROUS)
            return render(accept, accept_encoding, names)

        self.exposition.render = waiting  # type: ignore[method-assign]
        self.app = App(self.exposition, self.store, WELL, telemetry_path=path, max_requests=most)


@contextlib.contextmanager
def scraped(program: Slow, count: int, path: str = "/metrics") -> Iterator[tuple[Place, list[Future[Answered]]]]:
    """Start so many scrapes at once, and wait until one of them is to be rendered.

    Yields the address and the scrapes.
    """
    with serving(program) as place, ThreadPoolExecutor(count) as pool:
        try:
            waiting = [pool.submit(ask, place, "GET", path) for _ in range(count)]
            assert program.begun.wait(GENEROUS)
            yield place, waiting
        finally:
            program.go.set()


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("path", ["/metrics", "/m"])
def test_a_scrape_beyond_the_limit_is_refused_in_the_words_of_promhttp(most: int, path: str) -> None:
    program = Slow(most, path)
    with scraped(program, most + 3, path) as (place, scrapes):
        eventually(lambda: sum(each.done() for each in scrapes) == 3)
        for answer, body in (each.result() for each in scrapes if each.done()):
            assert (answer.status, body) == (503, REFUSED.format(most).encode())
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert ask(place, "HEAD", path)[0].status == 503
        program.go.set()
        assert sorted(each.result()[0].status for each in scrapes) == [200] * most + [503] * 3
        assert ask(place, "GET", path)[0].status == 200


def test_scrapes_of_one_format_that_wait_are_made_once_and_not_before_they_came() -> None:
    program = Slow(30)
    program.live.set(1)
    with scraped(program, 31) as (_, scrapes):
        # All others have come when there is no room for one of them.
        eventually(lambda: any(each.done() for each in scrapes))
        program.live.set(2)
        program.go.set()
        answers = [each.result() for each in scrapes]
    assert sorted(answer.status for answer, _ in answers) == [200] * 30 + [503]
    assert len(program.made) == 2
    assert sum(b"\nlive 2.0\n" in body for _, body in answers) >= 29


def test_other_pages_are_answered_while_no_more_scrapes_are() -> None:
    program = Slow(1)
    with scraped(program, 1) as (place, _):
        for page in ("/", "/failures", "/-/healthy", "/-/ready"):
            assert ask(place, "GET", page)[0].status == 200


def test_0_is_no_limit() -> None:
    program = Slow(0)
    with scraped(program, 60) as (_, scrapes):
        program.go.set()
        assert [each.result()[0].status for each in scrapes] == [200] * 60


def test_clients_that_do_not_read_what_they_asked_for_keep_no_scraper_out() -> None:
    program = long_winded()
    program.app = App(program.exposition, program.store, WELL, max_requests=1)
    with serving(program) as place, contextlib.ExitStack() as clients:
        for _ in range(5):
            client = clients.enter_context(connect(place, 4096))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        assert ask(place, "GET", "/metrics")[0].status == 200


def test_a_client_that_is_gone_before_its_scrape_is_made_gives_its_place_back() -> None:
    program = Slow(1)
    with serving(program) as place:
        with connect(place) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert program.begun.wait(GENEROUS)
            assert ask(place, "GET", "/metrics")[0].status == 503
        program.go.set()
        eventually(lambda: ask(place, "GET", "/metrics")[0].status == 200)


def test_what_is_no_scrape_takes_no_place() -> None:
    program = Slow(1)
    program.go.set()
    with serving(program) as place:
        for _ in range(3):
            assert ask(place, "POST", "/metrics")[0].status == 405
        assert ask(place, "GET", "/metrics", **{"Accept-Encoding": "identity;q=0"})[0].status == 406
        assert ask(place, "GET", "/metrics")[0].status == 200
