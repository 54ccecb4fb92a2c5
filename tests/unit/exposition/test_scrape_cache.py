"""What scrapes share with those before, and what they never do."""

import gzip
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import Histogram

from exporter.exposition.scrape import FORMAT_SECONDS, LIVE_SECONDS, Exposition, Scrape
from exporter.exposition.snapshot import Block, CollectorSnapshot
from exporter.exposition.text_format import Exemplar, Sample
from tests.support.scrape_scene import (
    BATCHES,
    ENCODINGS,
    FAMILIES,
    FINISHED,
    FORMATS,
    NOISE,
    OPENMETRICS_ONLY,
    UP,
    Scene,
    blocks,
    body,
)


@ENCODINGS
@FORMATS
def test_a_scrape_is_kept_whole_for_a_second_of_a_snapshot(scene: Scene, accept: str, encoding: str) -> None:
    scene.publish("a", 1)
    first = scene.exposition.render(accept, encoding)
    scene.clock.now += LIVE_SECONDS
    assert scene.exposition.render(accept, encoding) is first
    scene.clock.now += 0.1
    assert scene.exposition.render(accept, encoding) is not first


@ENCODINGS
@FORMATS
def test_a_scrape_that_is_no_longer_valid_is_freed_when_that_is_asked_for(
    scene: Scene, accept: str, encoding: str
) -> None:
    scene.publish("a", 1)
    first = scene.exposition.render(accept, encoding)
    chunks = first.chunks
    scene.exposition.drop_expired()
    assert scene.exposition.kept(accept, encoding) is first
    del first
    references = sys.getrefcount(chunks)
    scene.clock.now += LIVE_SECONDS + 0.1
    scene.exposition.drop_expired()
    assert sys.getrefcount(chunks) == references - 1


@FORMATS
def test_a_family_is_compressed_again_only_when_a_line_of_it_has_changed(scene: Scene, accept: str) -> None:
    def large() -> bytes:
        return max(scene.exposition.render(accept, "gzip").chunks, key=len)

    def publish(lines: bytes, number: int) -> None:
        data = {BATCHES.name: Block(lines), **blocks((UP, Sample(("a",), number)))}
        scene.store.publish(CollectorSnapshot("a", "inkit", "c", data, 200.0))

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
    scene.store.publish(CollectorSnapshot("a", "inkit", "c", {}, 0.0, status))
    first = max(scene.exposition.render("", "gzip").chunks, key=len)
    scene.clock.now += 10
    assert max(scene.exposition.render("", "gzip").chunks, key=len) is first


@FORMATS
def test_when_a_line_changes_only_its_neighbors_are_compressed_again(scene: Scene, accept: str) -> None:
    def publish(place: int, number: int) -> None:
        line = f"api_up {number} {NOISE[place : place + 10_000].hex()}\n".encode()
        scene.store.publish(CollectorSnapshot(f"{place}", "inkit", "c", {}, 0.0, {UP.name: Block(line)}))

    def compressed() -> list[bytes]:
        return list(scene.exposition.render(accept, "gzip").chunks)

    for place in range(100):
        publish(place, 1)
    before = compressed()
    publish(50, 2)
    after = compressed()
    assert len(before) == len(after) > 20
    # The chunk with the line has changed, and the last one, which has the checksum.
    assert [old is new for old, new in zip(before, after, strict=True)].count(False) == 2


@FORMATS
def test_a_family_is_divided_again_when_its_lines_have_become_longer(scene: Scene, accept: str) -> None:
    for size in (1, 10_000):
        for place in range(100):
            block = Block(f"api_up {NOISE[place : place + size].hex()}\n".encode())
            scene.store.publish(CollectorSnapshot(f"{place}", "inkit", "c", {}, 0.0, {UP.name: block}))
        assert len(list(scene.exposition.render(accept, "gzip").chunks)) == (
            3 if size == 1 else pytest.approx(30, abs=10)
        )


@FORMATS
def test_a_scrape_without_compression_shares_the_lines_of_the_snapshot(scene: Scene, accept: str) -> None:
    lines = {BATCHES.name: Block(NOISE)}
    scene.store.publish(CollectorSnapshot("a", "inkit", "c", lines, 200.0))
    chunks = scene.exposition.render(accept, "").chunks
    assert any(chunk is NOISE for chunk in chunks)


@ENCODINGS
@FORMATS
def test_scrapes_at_once_beside_polls_are_each_of_one_snapshot(scene: Scene, accept: str, encoding: str) -> None:
    def publish(number: int) -> None:
        data = blocks((BATCHES, Sample(("a",), number)), (FINISHED, Sample(("a",), number)))
        scene.store.publish(CollectorSnapshot("a", "inkit", "c", data, 200.0))

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


def test_live_metrics_are_rendered_at_once_where_the_store_is_renewed(scene: Scene) -> None:
    scene.text()
    scene.requests.inc()
    scene.store.renew()
    assert "api_requests_total 1.0" in scene.text()


def test_live_metrics_are_rendered_at_each_scrape_by_name(scene: Scene) -> None:
    assert "api_requests_total 0.0" in scene.text("api_requests_total")
    scene.requests.inc()
    assert "api_requests_total 1.0" in scene.text("api_requests_total")


def test_a_histogram_of_the_live_registry_is_kept_whole_by_one_of_its_names(scene: Scene) -> None:
    Histogram("api_seconds", "Seconds.", registry=scene.registry).observe(1)
    assert "api_seconds_sum 1.0" in scene.text("api_seconds_bucket")


@pytest.mark.parametrize("count", [499, 500, 1_001])
def test_a_family_of_many_collectors_is_compressed_in_batches_and_is_the_same(scene: Scene, count: int) -> None:
    for number in range(count):
        scene.store.publish(CollectorSnapshot(f"{number}", "inkit", "c", {}, 0.0, blocks((UP, Sample(("a",), number)))))
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


@ENCODINGS
def test_what_was_made_for_a_format_is_freed_when_nobody_asks_for_it_any_more(scene: Scene, encoding: str) -> None:
    lines = Block(bytes(NOISE))
    scene.store.publish(CollectorSnapshot("a", "inkit", "c", {}, 0.0, {UP.name: lines}))
    scene.exposition.render("", encoding)
    scene.store.arrange([])
    del lines
    held = sys.getrefcount(NOISE)
    for _ in range(3):
        scene.clock.now += FORMAT_SECONDS / 2
        scene.exposition.render(OPENMETRICS_ONLY, "gzip")
    assert sys.getrefcount(NOISE) < held


def test_a_scrape_in_another_form_is_let_go_when_it_holds_no_more(scene: Scene) -> None:
    scene.publish("a", 1)
    chunks = scene.exposition.render("", "").chunks
    held = sys.getrefcount(chunks)
    scene.clock.now += LIVE_SECONDS + 0.1
    scene.exposition.render(OPENMETRICS_ONLY, "gzip")
    assert sys.getrefcount(chunks) == held - 1


def plain(scrape: Scrape) -> bytes:
    return gzip.decompress(body(scrape)) if scrape.content_encoding else body(scrape)


PUBLISHED = st.tuples(
    st.sampled_from("abc"), st.integers(0, 2), st.sampled_from([0.0, 150.0, 300.0]), *(st.booleans(),) * 3
)
ARRANGED = st.lists(st.sampled_from("abc"), unique=True)
CLOCKS = st.sampled_from([100.0, 150.0, 150.5, 400.0])
SCRAPES = st.sampled_from(["", OPENMETRICS_ONLY])


@example([("a", 1, 0.0, False, True, True), ("b", 1, 0.0, False, True, True), "", ["a"]])
@given(st.lists(PUBLISHED | ARRANGED | CLOCKS | SCRAPES))
def test_whatever_happens_between_scrapes_each_is_what_a_new_exposition_returns(
    events: list[tuple[str, int, float, bool, bool, bool] | list[str] | float | str],
) -> None:
    scene = Scene()

    def publish(account: str, number: int, fresh_until: float, *has: bool) -> None:
        exemplar = Exemplar((("record_id", account),), 1.0, 99.0)
        rows = (BATCHES, None), (FINISHED, exemplar), (UP, None)
        gauges, counters, status = (
            blocks((family, Sample((account,), number, exemplar))) if wanted else {}
            for wanted, (family, exemplar) in zip(has, rows, strict=True)
        )
        scene.store.publish(CollectorSnapshot(account, "inkit", "c", gauges, fresh_until, status, counters=counters))

    for event in [*events, "", OPENMETRICS_ONLY]:
        match event:
            case str():
                anew = Exposition(scene.store, FAMILIES, scene.registry, scene.clock)
                for encoding, names in [("", ()), ("gzip", ()), ("", (FINISHED.name,))]:
                    # Compressed, they may be divided in another way.
                    assert plain(scene.exposition.render(event, encoding, names)) == plain(
                        anew.render(event, encoding, names)
                    )
            case float():
                scene.clock.now = event
            case list():
                scene.store.arrange([(account, "c") for account in event])
            case _:
                publish(*event)


def test_a_format_may_be_asked_for_while_those_that_nobody_asks_for_are_dropped(scene: Scene) -> None:
    class Moment(float):
        """A time at which another thread renders a scrape while ages are measured."""

        def __sub__(self, other: float) -> float:
            scene.clock.now = float(self)
            scene.exposition.render(OPENMETRICS_ONLY, "", [BATCHES.name])
            return float(self) - other

    scene.publish("a", 1)
    scene.exposition.render("")
    scene.clock.now = Moment(scene.clock.now + LIVE_SECONDS + 0.1)
    scene.exposition.drop_expired()
    assert b"inkit_batches" in b"".join(scene.exposition.render(OPENMETRICS_ONLY).chunks)
