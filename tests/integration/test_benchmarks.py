"""The benchmarks run, and count right; how fast anything is is not tested."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector, CollectorRegistry

from benchmarks import figures, publishing, scraping, series, serving
from benchmarks.bench import Bench, Sizes
from benchmarks.load import hold
from benchmarks.report import PAGE, Row, markers, measured, write
from benchmarks.world import Scene
from exporter.exposition.scrape import OPENMETRICS, Exposition
from exporter.exposition.snapshot import SnapshotStore

TINY = Sizes(
    small=300,
    large=600,
    in_flight=6,
    among=24,
    backfill=300,
    late=200,
    accounts=3,
    account_records=120,
    polls=1,
    rounds=1,
    series=2_000,
    crowd=3,
    connections=3,
    hold_seconds=0.1,
    scrape_rounds=1,
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Row]:
    return list(figures.figures(Bench(TINY, tmp_path_factory.mktemp("bench"), apart=False)))


@pytest.fixture(scope="module")
def scrapes(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Row]:
    return list(scraping.figures(Bench(TINY, tmp_path_factory.mktemp("bench"), apart=False)))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Row]:
    return list(publishing.figures(Bench(TINY, tmp_path_factory.mktemp("bench"), apart=False)))


def named(rows: Sequence[Row], figure: str) -> list[Row]:
    return [row for row in rows if row.figure == figure]


def shown(section: str) -> list[str]:
    first, last = markers(f"python -m benchmarks {section}")
    table = PAGE.read_text().partition(first)[2].partition(last)[0]
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][2:]


def test_the_page_shows_every_figure_that_is_measured(
    rows: Sequence[Row], scrapes: Sequence[Row], published: Sequence[Row]
) -> None:
    assert shown("poll") == [row.figure for row in rows]
    assert shown("scrape") == [row.figure for row in scrapes]
    assert shown("publish") == [row.figure for row in published]


@pytest.mark.parametrize("collector", ["document_batches", "workflow_batches", "invocations"])
def test_a_quiet_poll_is_counted_by_the_server_and_does_not_grow_with_the_window(
    rows: Sequence[Row], collector: str
) -> None:
    small, large = named(rows, f"requests of a quiet poll, {collector}")
    assert small.ours == large.ours == "1"
    assert (small.beside, large.beside) == ("naive exporter: 3", "naive exporter: 6")


def test_what_is_in_flight_far_down_the_list_costs_requests_too(rows: Sequence[Row]) -> None:
    [batches] = named(rows, "requests of a quiet poll, document_batches, worst case")
    [invocations] = named(rows, "requests of a quiet poll, invocations, worst case")
    assert (batches.ours, invocations.ours) == ("3", "2")


def test_those_in_flight_stand_at_even_distances_among_the_newest() -> None:
    scene = Scene(records=100, in_flight=3, among=12)
    assert [place for place in range(100) if scene.is_open(place)] == [3, 7, 11]


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
def test_the_exporter_and_the_library_are_compared_in_making_the_same_bytes(accept: str) -> None:
    store, registry = SnapshotStore(), CollectorRegistry()
    for snapshot in series.snapshots(2_000):
        store.publish(snapshot)
    encode: Callable[[Collector], bytes] = generate_latest
    if accept == OPENMETRICS:
        encode = openmetrics_exposition.generate_latest
    ours = Exposition(store, series.families(), registry).render(accept).chunks
    assert b"".join(ours) == encode(series.Library(2_000, registry))


@pytest.mark.parametrize("form", serving.FORMS, ids=str)
def test_a_file_is_compared_with_a_scrape_of_as_many_bytes(form: serving.Form) -> None:
    with serving.served(2_000, None, apart=False) as address:
        answers = []
        for path in (serving.METRICS, serving.FILE):
            with socket.create_connection(address) as client:
                client.sendall(request(path, form))
                answers.append(whole(client))
    sizes = [len(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    # The live metrics differ by some digits.
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)
    assert (b"\r\ncontent-encoding: gzip" in answers[0]) is form.compressed
    assert (b"application/openmetrics-text" in answers[0]) is form.openmetrics


def request(path: str, form: serving.Form) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in form.headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n".encode()


def whole(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(2**16), b""))


@contextlib.contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, int]]:
    """Run a server that sends these answers on one connection, one for each piece that it receives.

    Yields its address.
    """

    def answer() -> None:
        client, _ = listening.accept()
        with client:
            for each in answers:
                client.recv(2**16)
                client.sendall(each)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=answer)
        server.start()
        yield listening.getsockname()
        server.join()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


def test_each_connection_scrapes_at_least_once_and_is_heard_to_the_end() -> None:
    with answering(OK + b"12345") as address:
        [taken] = hold(address, "/", {}, connections=1, seconds=0.0)
    assert taken > 0


@pytest.mark.parametrize("answer", [OK + b"1234", OK[:20], b"", b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"])
def test_an_answer_that_fails_or_is_cut_short_must_not_pass_for_a_figure(answer: bytes) -> None:
    with pytest.raises(RuntimeError, match=r"closed the connection|500"), answering(answer) as address:
        hold(address, "/", {}, connections=1, seconds=0.0)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(200, 0, -1)]
    assert [scraping.percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 101, 199, 200]


def test_the_table_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (first, last), (other, end) = markers("make poll"), markers("make scrape")
    page.write_text(f"before\n{other}kept\n{end}{first}old\n{last}after\n")
    text = measured([Row("a figure", "here", "1", "2", "1/2", "at most 3")], "make bench")
    write(text, "make poll", page)
    assert page.read_text() == f"before\n{other}kept\n{end}{first}{text}{last}after\n"
    assert "| a figure | here | 1 | 2 | 1/2 | at most 3 |\n" in text


def test_a_page_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no markers\n")
    with pytest.raises(ValueError, match="no place for the table"):
        write("text\n", "make poll", page)
    assert page.read_text() == "no markers\n"
