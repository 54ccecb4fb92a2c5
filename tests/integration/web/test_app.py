"""What is answered where, over real sockets."""

import gzip
import json
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin, urlsplit

import pytest
from prometheus_client.registry import CollectorRegistry

from exporter import __version__
from exporter.exposition.scrape import Exposition, Scrape
from exporter.exposition.snapshot import CollectorSnapshot
from exporter.web.app import PIECE_BYTES, App
from exporter.web.pages.html import headers
from exporter.web.pages.runbooks import runbooks_page
from exporter.web.routes import Probes
from tests.support.examples import failure, polled, with_problems
from tests.support.html_reader import Reader
from tests.support.patience import GENEROUS
from tests.support.serving import Program, ask, serving, speak

READY = polled(True, True, 1.0, 2, 3)
READING = polled(True, False, 1.0, 2, 3)
Place = tuple[str, int]


@pytest.fixture(scope="module")
def _served() -> Iterator[tuple[Program, Place]]:
    program = Program()
    with serving(program) as place:
        yield program, place


@pytest.fixture
def program(_served: tuple[Program, Place]) -> Program:
    program = _served[0]
    program.well = True
    program.not_ready = None
    program.publish("production", READY)
    return program


@pytest.fixture
def place(_served: tuple[Program, Place], program: Program) -> Place:
    return _served[1]


def test_metrics_are_served_with_their_content_type(place: Place) -> None:
    answer, body = ask(place, "GET", "/metrics")
    assert (answer.status, answer.headers["content-type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
    )
    assert b'inkit_batches{account="production-0"} 0.0\n' in body
    assert b"live 0.0\n" in body
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert answer.headers["content-encoding"] is None


def test_metrics_are_negotiated_by_the_request_s_headers(place: Place) -> None:
    headers = {"Accept": "application/openmetrics-text;escaping=allow-utf-8", "Accept-Encoding": "gzip"}
    answer, body = ask(place, "GET", "/metrics", **headers)
    wanted = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    assert answer.headers["content-type"] == wanted
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body).endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("identity;q=0, *", "gzip"),
        ("gzip;q=0, *", None),
        ("*;q=0.5", "gzip"),
        ("br", None),
        ("identity, gzip;q=0.5", None),
    ],
)
def test_the_coding_is_the_one_that_is_accepted(place: Place, header: str, encoding: str | None) -> None:
    answer, _ = ask(place, "GET", "/metrics", **{"Accept-Encoding": header})
    assert (answer.status, answer.headers["content-encoding"]) == (200, encoding)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_that_accepts_no_coding_gets_the_list_of_codings(place: Place, method: str) -> None:
    answer, body = ask(place, method, "/metrics", **{"Accept-Encoding": "identity;q=0"})
    assert (answer.status, answer.headers["vary"]) == (406, "Accept, Accept-Encoding")
    assert body.startswith(b"Not acceptable: ask for gzip or identity") is (method == "GET")


def test_a_header_that_comes_twice_counts_as_one(place: Place) -> None:
    lines = b"Accept: text/plain;q=0.5\r\nAccept: application/openmetrics-text\r\nAccept-Encoding: br\r\n"
    answer = speak(place, b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + lines + b"Accept-Encoding: gzip\r\n\r\n")
    assert b"\r\ncontent-type: application/openmetrics-text; version=1.0.0" in answer
    assert b"\r\ncontent-encoding: gzip\r\n" in answer


def test_an_answer_in_pieces_is_whole_and_a_head_of_it_says_its_length() -> None:
    program = Program()
    program.publish("production", READY, series=20_000)
    with serving(program) as place:
        _, body = ask(place, "GET", "/metrics")
        assert len(body) > 2 * PIECE_BYTES
        assert re.findall(rb"-(\d+)\"} \1\.0\n", body) == [str(number).encode() for number in range(10**6)][:20_000]
        assert ask(place, "HEAD", "/metrics")[0].headers["content-length"] == str(len(body))


def test_the_names_in_the_query_choose_families(place: Place) -> None:
    _, body = ask(place, "GET", "/metrics?name%5B%5D=live&name[]=other")
    assert body == b"# HELP live Live.\n# TYPE live gauge\nlive 0.0\n"


def test_a_query_that_is_not_understood_is_ignored(place: Place) -> None:
    assert ask(place, "GET", "/metrics?x=%ff%zz&;&=&name=live&name[]=&y")[1] == ask(place, "GET", "/metrics")[1]


@pytest.mark.parametrize(
    "path", ["/metrics", "/", "/failures", "/failures?format=json", "/runbooks", "/-/healthy", "/-/ready", "/nothing"]
)
def test_head_has_the_headers_of_get_and_no_body(place: Place, path: str) -> None:
    get, body = ask(place, "GET", path)
    head, nothing = ask(place, "HEAD", path)
    assert nothing == b""
    assert head.status == get.status
    assert head.headers["content-length"] == str(len(body))
    assert head.headers["content-type"] == get.headers["content-type"]


def test_healthy_while_the_poll_loops_are_alive(program: Program, place: Place) -> None:
    answer, body = ask(place, "GET", "/-/healthy")
    assert (answer.status, body) == (200, b"batch-exporter is healthy.\n")
    program.well = False
    answer, body = ask(place, "GET", "/-/healthy")
    assert answer.status == 503
    assert b"a poll loop has ended" in body


def test_ready_says_what_is_not_ready(program: Program, place: Place) -> None:
    assert ask(place, "GET", "/-/ready")[0].status == 200
    program.not_ready = "still reading the window: staging/invocations"
    answer, body = ask(place, "GET", "/-/ready")
    assert answer.status == 503
    assert body == b"batch-exporter is not ready: still reading the window: staging/invocations.\n"


def test_the_landing_page_is_html_that_may_load_nothing(place: Place) -> None:
    answer, body = ask(place, "GET", "/")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert {name: answer.headers[name] for name, _ in headers()} == dict(headers())
    assert f"Version {__version__}".encode() in body
    assert b'href="./metrics"' in body


def test_a_loop_that_has_ended_is_the_first_thing_on_the_landing_page(program: Program, place: Place) -> None:
    assert b"A poll loop has ended" not in ask(place, "GET", "/")[1]
    program.well = False
    assert b"A poll loop has ended" in ask(place, "GET", "/")[1]


@pytest.mark.parametrize(
    ("path", "accept", "content_type"),
    [
        ("/failures", "text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("/failures", "application/json", "application/json"),
        ("/failures?format=json", "text/html", "application/json"),
        ("/failures?format=html", "application/json", "text/html; charset=utf-8"),
    ],
)
def test_failed_records_are_a_page_or_json_as_is_asked_for(
    place: Place, path: str, accept: str, content_type: str
) -> None:
    answer, body = ask(place, "GET", path, Accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert answer.headers["vary"] == "Accept"
    assert (body[:1] == b"{") is (content_type == "application/json")


@pytest.mark.parametrize("path", ["/failures", "/runbooks"])
def test_the_other_pages_may_load_nothing_either(place: Place, path: str) -> None:
    answer, _ = ask(place, "GET", path)
    assert {name: answer.headers[name] for name, _ in headers()} == dict(headers())


@pytest.mark.parametrize("telemetry_path", ["/metrics", "/internal/metrics"])
@pytest.mark.parametrize("path", ["/", "/failures", "/runbooks"])
def test_below_a_proxy_s_prefix_every_link_leads_to_the_exporter(path: str, telemetry_path: str) -> None:
    prefix = "https://proxy.example/batch-exporter"
    program = Program(telemetry_path)
    for collector in with_problems().snapshot.collectors:
        program.store.publish(collector)
    with serving(program) as place:
        reader = Reader(ask(place, "GET", path)[1].decode())
        links = [element["href"] for element in reader.attributes("a")]
        links += [element["action"] for element in reader.attributes("form")]
        below = [urljoin(prefix + path, link).removeprefix(prefix) for link in links if not urlsplit(link).netloc]
        assert {"/", "/failures", "/runbooks", telemetry_path} <= set(below)
        assert {link: ask(place, "GET", link.partition("#")[0])[0].status for link in set(below)} == dict.fromkeys(
            below, 200
        )


def test_the_runbooks_are_a_page_like_the_others(place: Place) -> None:
    answer, body = ask(place, "GET", "/runbooks")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b'<a href="./runbooks" aria-current="page">Runbooks</a>' in body
    assert runbooks_page().encode() in body


def test_failed_records_are_chosen_by_the_query(program: Program, place: Place) -> None:
    store = program.store
    for account in ("x y", "z"):
        store.publish(CollectorSnapshot(account, "inkit", "c", failures=(failure(f"rb_{account[0]}", 1.0, "box"),)))

    def ids(query: str) -> list[str]:
        body = ask(place, "GET", f"/failures?format=json&{query}")[1]
        return sorted(failure["id"] for failure in json.loads(body)["failures"])

    assert ids("") == ["rb_x", "rb_z"]
    assert ids("account=x+y") == ids("account=x%20y&collector=&destination=box") == ["rb_x"]
    assert ids("account=z&destination=sepire") == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("format=xml", b"format: expected html or json.\n"),
        ("limit=many", b"limit: expected a number from 1 to 1000.\n"),
        ("format=json&limit=1&limit=2", b"limit: expected one value, not 2.\n"),
        ("q", b"unknown query parameter: expected account, collector, destination, limit or format.\n"),
        ("format=json&q=", b"unknown query parameter: expected account, collector, destination, limit or format.\n"),
    ],
)
def test_a_query_for_failed_records_that_makes_no_sense_gets_the_valid_ones(
    place: Place, query: str, message: bytes
) -> None:
    answer, body = ask(place, "GET", f"/failures?{query}")
    assert (answer.status, body) == (400, message)


@pytest.mark.parametrize(
    "path", ["/nothing", "//nothing", "/metrics/", "//metrics/", "/-/", "/%00", "//evil.example/metrics"]
)
def test_any_other_path_is_not_found(place: Place, path: str) -> None:
    answer, body = ask(place, "GET", path)
    assert (answer.status, body) == (404, b"Not found.\n")


@pytest.mark.parametrize(
    ("path", "location"),
    [
        *((path, "/metrics") for path in ("//metrics", "///metrics", "/./metrics", "/../metrics", "/x/..//metrics/.")),
        ("/%2Fmetrics", "/metrics"),
        ("//metrics?name%5B%5D=live&x=%0D%0AA%3Ab&x=", "/metrics?name%5B%5D=live&x=%0D%0AA%3Ab&x="),
        ("//", "/"),
        ("//evil.example/..", "/"),
        ("/-//ready", "/-/ready"),
    ],
)
def test_a_path_that_stands_for_another_is_redirected_to_it_as_exporters_in_go_do(
    place: Place, path: str, location: str
) -> None:
    for method in ("GET", "HEAD"):
        answer, _ = ask(place, method, path)
        assert (answer.status, answer.headers["location"]) == (307, location)
    assert ask(place, "GET", location)[0].status == 200
    assert ask(place, "POST", path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "get", "BREW"])
def test_another_method_gets_the_allowed_ones(place: Place, method: str) -> None:
    answer, _ = ask(place, method, "/metrics")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        *((path, "GET, HEAD, OPTIONS") for path in ("/", "/metrics", "/failures", "/runbooks")),
        ("/-/reload", "OPTIONS, POST, PUT"),
        ("*", "OPTIONS"),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_load_balancer_that_checks_with_options_finds_the_exporter_up(
    place: Place, path: str, allowed: str, version: str
) -> None:
    """HAProxy's `option httpchk` does that by default, without a Host header."""
    host = "Host: x\r\n" if version == "1.1" else ""
    answer = speak(place, f"OPTIONS {path} HTTP/{version}\r\n{host}Connection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert {f"allow: {allowed}".encode(), b"content-length: 0"} <= set(head.split(b"\r\n"))
    assert body == b""


def test_a_probe_gets_the_same_status_with_options(program: Program, place: Place) -> None:
    for path, unwell in (("/-/healthy", {"well": False}), ("/-/ready", {"not_ready": "because"})):
        assert ask(place, "OPTIONS", path)[0].status == 200
        for name, value in unwell.items():
            setattr(program, name, value)
        assert ask(place, "OPTIONS", path)[0].status == 503


def test_options_does_not_make_a_path(place: Place) -> None:
    for path in ("/nothing", "/*", "//metrics"):
        assert ask(place, "OPTIONS", path)[0].status == 404
    assert ask(place, "GET", "*")[0].status == 404


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://exporter.example.org:10977/-/healthy", 200),
        ("https://exporter.example.org/failures?format=json", 200),
        ("HTTP://[::1]:10977/metrics?name[]=live", 200),
        ("http://exporter.example.org", 200),
        ("http://exporter.example.org/", 200),
        ("http://exporter.example.org?a=b", 200),
        ("http://exporter.example.org/nothing", 404),
        ("http:/metrics", 404),
        ("://x/metrics", 404),
        ("x/metrics", 404),
    ],
)
def test_a_request_may_name_the_whole_url_as_a_forward_proxy_may_send_it(place: Place, url: str, status: int) -> None:
    answer = speak(place, f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]


@pytest.mark.parametrize(
    "path", ["/metrics", "/", "/failures", "/failures?limit=0", "/runbooks", "/nothing", "/-/ready"]
)
def test_every_answer_forbids_sniffing_and_storing_and_does_not_name_the_server(place: Place, path: str) -> None:
    answer, _ = ask(place, "GET", path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["server"] is None
    assert answer.headers["date"] is not None


def test_the_telemetry_path_may_be_another_and_is_what_the_landing_page_links() -> None:
    with serving(Program("/probe")) as place:
        assert ask(place, "GET", "/probe")[1].startswith(b"# HELP live")
        assert ask(place, "GET", "/metrics")[0].status == 404
        assert b'href="./probe"' in ask(place, "GET", "/")[1]


def test_the_telemetry_path_may_be_the_root_and_then_there_is_no_landing_page() -> None:
    with serving(Program("/")) as place:
        assert ask(place, "GET", "/")[1].startswith(b"# HELP live")


class Slow(Exposition):
    """An exposition that renders only when it may."""

    def __init__(self, program: Program, may: threading.Event) -> None:
        super().__init__(program.store, [], CollectorRegistry())
        self._may = may

    def render(self, accept: str = "", accept_encoding: str = "", names: Sequence[str] = ()) -> Scrape:
        assert self._may.wait(GENEROUS)
        return super().render(accept, accept_encoding, names)


def test_a_scrape_and_a_page_that_take_long_keep_no_probe_and_not_each_other_waiting() -> None:
    program, may_scrape, may_show = Program(), threading.Event(), threading.Event()

    def reload_failed() -> None:
        assert may_show.wait(GENEROUS)

    exposition = Slow(program, may_scrape)
    program.app = App(exposition, program.store, Probes(lambda: True, lambda: None, reload_failed))
    with serving(program) as place, ThreadPoolExecutor(3) as pool:
        page, *scrapes = (pool.submit(ask, place, "GET", path) for path in ("/", "/metrics", "/metrics"))
        try:
            assert ask(place, "GET", "/-/healthy")[0].status == 200
            assert ask(place, "GET", "/-/ready")[0].status == 200
            may_scrape.set()
            assert [scrape.result(GENEROUS)[0].status for scrape in scrapes] == [200, 200]
            assert not page.done()
        finally:
            may_scrape.set()
            may_show.set()
        assert page.result(GENEROUS)[0].status == 200
