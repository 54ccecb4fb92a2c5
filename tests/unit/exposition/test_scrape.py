"""What a scrape gets for what is on the board."""

import gzip
import random
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics, enable_created_metrics
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import CollectorRegistry

from exporter.exposition.scrape import LIVE_SECONDS, OPENMETRICS, TEXT, Exposition, Scrape
from exporter.exposition.snapshot import Block, CollectorSnapshot, SnapshotStore
from exporter.exposition.text_format import Exemplar, HistogramSample, Sample, render
from exporter.model.family import Family

BATCHES = Family("inkit_batches", "gauge", "Batches.", ("account",))
FINISHED = Family("inkit_finished_total", "counter", 'Finished "batches".', ("account",))
SECONDS = Family("inkit_seconds", "histogram", "Durations.", ("account",), buckets=(1.0, 60.0))
UP = Family("batch_exporter_up", "gauge", "Up.", ("account",))
FAMILIES = (BATCHES, FINISHED, SECONDS, UP)
OPENMETRICS_ONLY = "application/openmetrics-text"
NOISE = random.Random(1).randbytes(100_000).hex().encode() + b"\n"
"""Too much to be sent together with other lines, compressed too."""
ENCODINGS = pytest.mark.parametrize("encoding", ["", "gzip"])
FORMATS = pytest.mark.parametrize("accept", ["", OPENMETRICS_ONLY])


parse_openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families


@pytest.fixture(autouse=True, scope="module")
def _without_created_series() -> Iterator[None]:
    off: Callable[[], None] = disable_created_metrics
    on: Callable[[], None] = enable_created_metrics
    off()
    yield
    on()


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Scene:
    """A board with one exposition of it, and what lies around."""

    def __init__(self) -> None:
        self.clock = Clock(100.0)
        self.board = SnapshotStore()
        self.registry = CollectorRegistry(auto_describe=True)
        self.requests = Counter("api_requests", "Requests.", registry=self.registry)
        Gauge("api_open", "Open.", registry=self.registry)
        self.exposition = Exposition(self.board, FAMILIES, self.registry, self.clock)

    def publish(self, account: str, batches: int, fresh_until: float = 200.0, error: bool = False) -> None:
        exemplar = Exemplar((("record_id", "rb_1"),), 1.0, 99.0)
        data = blocks(
            (BATCHES, Sample((account,), batches)),
            (FINISHED, Sample((account,), 7, exemplar)),
            (SECONDS, HistogramSample((account,), (1, 2, 3), 99.5, (None, exemplar, None))),
        )
        status = blocks((UP, Sample((account,), 0 if error else 1)))
        self.board.publish(CollectorSnapshot(account, "inkit", "document_batches", data, fresh_until, status))

    def text(self, *names: str) -> str:
        return body(self.exposition.render("", "", names)).decode()

    def openmetrics(self, *names: str) -> str:
        return body(self.exposition.render(OPENMETRICS_ONLY, "", names)).decode()


def blocks(*rows: tuple[Family, Sample | HistogramSample]) -> Mapping[str, Block]:
    return {family.name: render(family, [sample]) for family, sample in rows}


def body(scrape: Scrape) -> bytes:
    return b"".join(scrape.chunks)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def families_of(text: str) -> list[str]:
    return re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)


def test_families_come_in_the_order_of_the_catalogue_each_with_one_header_and_all_accounts(scene: Scene) -> None:
    scene.publish("b", 2)
    scene.publish("a", 1)
    text = scene.text()
    assert families_of(text)[:4] == ["inkit_batches", "inkit_finished_total", "inkit_seconds", "batch_exporter_up"]
    assert text.startswith(
        '# HELP inkit_batches Batches.\n# TYPE inkit_batches gauge\ninkit_batches{account="b"} 2.0\n'
        'inkit_batches{account="a"} 1.0\n# HELP'
    )


def test_a_family_without_a_sample_is_left_out_with_its_header(scene: Scene) -> None:
    snapshot = CollectorSnapshot("a", "inkit", "invocations", {"inkit_batches": Block(b"")}, 200.0)
    scene.board.publish(snapshot)
    assert not [name for name in families_of(scene.text()) if name.startswith(("inkit", "batch_exporter"))]


def test_rows_about_records_are_withdrawn_when_stale_and_rows_about_polling_are_not(scene: Scene) -> None:
    scene.publish("old", 1, fresh_until=150.0)
    scene.publish("new", 1, fresh_until=250.0)
    scene.clock.now = 150.0
    assert 'inkit_batches{account="old"}' in scene.text()
    scene.clock.now = 150.1
    text = scene.text()
    assert 'inkit_batches{account="old"}' not in text
    assert 'inkit_finished_total{account="old"}' not in text
    assert 'inkit_batches{account="new"}' in text
    assert 'batch_exporter_up{account="old"}' in text
    scene.clock.now = 250.1
    assert families_of(scene.text())[0] == "batch_exporter_up"


def test_a_clock_that_is_set_back_makes_fresh_what_is_fresh_again(scene: Scene) -> None:
    scene.publish("a", 1, fresh_until=150.0)
    scene.clock.now = 160.0
    assert "inkit_batches" not in scene.text()
    scene.clock.now = 140.0
    assert "inkit_batches" in scene.text()


@ENCODINGS
@FORMATS
def test_a_scrape_is_kept_whole_for_a_second_of_a_snapshot(scene: Scene, accept: str, encoding: str) -> None:
    scene.publish("a", 1)
    first = scene.exposition.render(accept, encoding)
    scene.clock.now += LIVE_SECONDS
    assert scene.exposition.render(accept, encoding) is first
    scene.clock.now += 0.1
    assert scene.exposition.render(accept, encoding) is not first


@FORMATS
def test_a_family_is_compressed_again_only_when_a_line_of_it_has_changed(scene: Scene, accept: str) -> None:
    def large() -> bytes:
        return max(scene.exposition.render(accept, "gzip").chunks, key=len)

    def publish(lines: bytes, number: int) -> None:
        data = {BATCHES.name: Block(lines), **blocks((UP, Sample(("a",), number)))}
        scene.board.publish(CollectorSnapshot("a", "inkit", "c", data, 200.0))

    publish(NOISE, 1)
    first = large()
    scene.clock.now += 10
    assert large() is first
    publish(NOISE + b"", 2)
    assert large() is first
    publish(NOISE[1:], 2)
    assert large() is not first


def test_a_family_is_kept_too_when_all_collectors_are_stale(scene: Scene) -> None:
    status = {UP.name: Block(NOISE)}
    scene.board.publish(CollectorSnapshot("a", "inkit", "c", {}, 0.0, status))
    first = max(scene.exposition.render("", "gzip").chunks, key=len)
    scene.clock.now += 10
    assert max(scene.exposition.render("", "gzip").chunks, key=len) is first


@ENCODINGS
def test_small_families_are_sent_together(scene: Scene, encoding: str) -> None:
    scene.publish("a", 1)
    assert len(scene.exposition.render("", encoding).chunks) == 1


@ENCODINGS
@FORMATS
def test_scrapes_at_once_beside_polls_are_each_of_one_snapshot(scene: Scene, accept: str, encoding: str) -> None:
    def publish(number: int) -> None:
        data = blocks((BATCHES, Sample(("a",), number)), (FINISHED, Sample(("a",), number)))
        scene.board.publish(CollectorSnapshot("a", "inkit", "c", data, 200.0))

    def scrape(_: int) -> tuple[list[bytes], bool]:
        content = body(scene.exposition.render(accept, encoding))
        plain = gzip.decompress(content) if encoding else content
        return re.findall(rb"^inkit_.* (\d+)\.0$", plain, re.MULTILINE), b"api_open" in plain

    publish(0)
    with ThreadPoolExecutor(4) as pool:
        scrapes = pool.map(scrape, range(200))
        for number in range(200):
            publish(number)
        for numbers, live in scrapes:
            assert len(numbers) == 2
            assert numbers[0] == numbers[1]
            assert live


@ENCODINGS
def test_what_is_kept_of_one_format_is_not_given_in_the_other(scene: Scene, encoding: str) -> None:
    scene.publish("a", 1)
    for accept, exemplars in [("", 0), (OPENMETRICS_ONLY, 2), ("", 0)]:
        content = body(scene.exposition.render(accept, encoding))
        plain = gzip.decompress(content) if encoding else content
        assert plain.count(b"rb_1") == exemplars


@ENCODINGS
def test_a_new_snapshot_is_seen_at_once_in_every_format(scene: Scene, encoding: str) -> None:
    for number in (1, 2):
        scene.publish("a", number)
        for accept in ("", OPENMETRICS_ONLY):
            content = body(scene.exposition.render(accept, encoding))
            plain = gzip.decompress(content) if encoding else content
            assert f'inkit_batches{{account="a"}} {number}.0\n'.encode() in plain


def test_live_metrics_are_at_most_a_second_old(scene: Scene) -> None:
    assert "api_requests_total 0.0" in scene.text()
    scene.requests.inc()
    scene.clock.now += LIVE_SECONDS + 0.1
    assert "api_requests_total 1.0" in scene.text()


def test_live_metrics_are_not_older_than_the_snapshot_beside_them(scene: Scene) -> None:
    scene.publish("a", 1)
    scene.text()
    scene.requests.inc()
    scene.publish("a", 2)
    assert "api_requests_total 1.0" in scene.text()


def test_live_metrics_are_rendered_at_once_where_the_board_is_renewed(scene: Scene) -> None:
    scene.text()
    scene.requests.inc()
    scene.board.renew()
    assert "api_requests_total 1.0" in scene.text()


def test_live_metrics_are_rendered_at_each_scrape_by_name(scene: Scene) -> None:
    assert "api_requests_total 0.0" in scene.text("api_requests_total")
    scene.requests.inc()
    assert "api_requests_total 1.0" in scene.text("api_requests_total")


def test_the_content_types_are_exact(scene: Scene) -> None:
    assert scene.exposition.render("", "").content_type == TEXT == "text/plain; version=0.0.4; charset=utf-8"
    wanted = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert scene.exposition.render(OPENMETRICS_ONLY, "").content_type == OPENMETRICS == wanted


def test_the_text_format_is_what_the_strict_parser_reads(scene: Scene) -> None:
    scene.publish('hostile \\ \n " account', 3)
    samples = {s.name: s for family in parse_text(scene.text()) for s in family.samples}
    assert samples["inkit_batches"].labels == {"account": 'hostile \\ \n " account'}
    assert samples["inkit_finished_total"].value == 7
    assert samples["inkit_seconds_count"].value == 3


def test_the_openmetrics_format_is_what_the_strict_parser_reads_exemplars_and_all(scene: Scene) -> None:
    scene.publish('hostile \\ \n " account', 3)
    scene.publish("b", 3)
    families = {family.name: family for family in parse_openmetrics(scene.openmetrics())}
    counted = families["inkit_finished"].samples[0]
    assert (counted.name, counted.labels) == ("inkit_finished_total", {"account": 'hostile \\ \n " account'})
    assert counted.exemplar is not None
    assert counted.exemplar.labels == {"record_id": "rb_1"}
    assert families["inkit_finished"].documentation == 'Finished "batches".'
    assert families["api_requests"].type == "counter"


def test_openmetrics_ends_once_and_text_does_not(scene: Scene) -> None:
    scene.publish("a", 1)
    assert scene.openmetrics().count("# EOF") == 1
    assert scene.openmetrics().endswith("\n# EOF\n")
    assert "# EOF" not in scene.text()


def test_an_empty_board_is_a_valid_answer_in_both_formats(scene: Scene) -> None:
    assert families_of(scene.text())[0] == "api_requests_total"
    assert next(iter(parse_openmetrics(scene.openmetrics()))).name == "api_requests"


@FORMATS
def test_gzip_is_one_member_and_the_same_bytes_as_without(scene: Scene, accept: str) -> None:
    scene.publish("a", 1)
    plain = body(scene.exposition.render(accept, ""))
    for _ in range(2):
        scrape = scene.exposition.render(accept, "gzip")
        assert scrape.content_encoding == "gzip"
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        assert member.decompress(body(scrape)) == plain
        assert member.eof
        assert member.unused_data == b""


@given(st.binary(), st.text(st.characters(max_codepoint=0x2FF, exclude_characters="\r")))
def test_whatever_the_lines_are_gzip_carries_them(lines: bytes, text: str) -> None:
    scene = Scene()
    scene.board.publish(CollectorSnapshot("a", "inkit", "c", {}, 0.0, {UP.name: Block(lines)}))
    Gauge("g", "G.", ("text",), registry=scene.registry).labels(text).set(1)
    plain = body(scene.exposition.render("", ""))
    assert gzip.decompress(body(scene.exposition.render("", "gzip"))) == plain


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["inkit_batches"], ["inkit_batches"]),
        (["inkit_finished_total", "batch_exporter_up"], ["inkit_finished_total", "batch_exporter_up"]),
        (["inkit_seconds_bucket"], ["inkit_seconds"]),
        (["inkit_seconds_count"], ["inkit_seconds"]),
        (["inkit_seconds_sum"], ["inkit_seconds"]),
        (["inkit_seconds"], []),
        (["inkit_finished"], []),
        (["api_requests_total", "inkit_batches"], ["inkit_batches", "api_requests_total"]),
        (["api_open", "api_requests_total"], ["api_requests_total", "api_open"]),
        (["nothing"], []),
    ],
)
def test_names_keep_the_families_that_have_such_a_sample(scene: Scene, names: list[str], kept: list[str]) -> None:
    scene.publish("a", 1)
    assert families_of(scene.text(*names)) == kept


def test_names_do_not_change_what_the_next_scrape_gets(scene: Scene) -> None:
    scene.publish("a", 1)
    before = scene.text()
    scene.text("inkit_batches")
    body(scene.exposition.render("", "gzip", ("inkit_batches",)))
    assert scene.text() == before
    assert gzip.decompress(body(scene.exposition.render("", "gzip"))).decode() == before


def test_names_are_obeyed_under_gzip_and_openmetrics(scene: Scene) -> None:
    scene.publish("a", 1)
    body(scene.exposition.render(OPENMETRICS_ONLY, "gzip"))
    scrape = scene.exposition.render(OPENMETRICS_ONLY, "gzip", ("inkit_finished_total",))
    assert [family.name for family in parse_openmetrics(gzip.decompress(body(scrape)).decode())] == ["inkit_finished"]


def test_a_histogram_of_the_live_registry_is_kept_whole_by_one_of_its_names(scene: Scene) -> None:
    Histogram("api_seconds", "Seconds.", registry=scene.registry).observe(1)
    assert "api_seconds_sum 1.0" in scene.text("api_seconds_bucket")


@pytest.mark.parametrize("count", [499, 500, 1_001])
def test_a_family_of_many_collectors_is_compressed_in_batches_and_is_the_same(scene: Scene, count: int) -> None:
    for number in range(count):
        scene.board.publish(CollectorSnapshot(f"{number}", "inkit", "c", {}, 0.0, blocks((UP, Sample(("a",), number)))))
    plain = body(scene.exposition.render("", ""))
    assert gzip.decompress(body(scene.exposition.render("", "gzip"))) == plain
    assert plain.count(b"\nbatch_exporter_up{") == count


@ENCODINGS
@FORMATS
def test_only_a_cached_scrape_is_kept(scene: Scene, accept: str, encoding: str) -> None:
    scene.publish("a", 1)
    assert scene.exposition.kept(accept, encoding) is None
    made = scene.exposition.render(accept, encoding)
    assert scene.exposition.kept(accept, encoding) is made
    scene.publish("a", 2)
    assert scene.exposition.kept(accept, encoding) is None


def test_a_scrape_in_another_form_is_let_go_when_it_holds_no_more(scene: Scene) -> None:
    scene.publish("a", 1)
    chunks = scene.exposition.render("", "").chunks
    held = sys.getrefcount(chunks)
    scene.clock.now += LIVE_SECONDS + 0.1
    scene.exposition.render(OPENMETRICS_ONLY, "gzip")
    assert sys.getrefcount(chunks) == held - 1
