"""What a scrape gets for what is in the store."""

import gzip
import re
import zlib
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.exposition.scrape import content_type
from exporter.exposition.snapshot import Block, CollectorSnapshot
from tests.support.scrape_scene import (
    FORMATS,
    OPENMETRICS_ONLY,
    UP,
    Scene,
    body,
)

parse_openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families


def families_of(text: str) -> list[str]:
    return re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)


def test_families_come_in_the_order_of_the_catalog_each_with_one_header_and_all_accounts(scene: Scene) -> None:
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
    scene.store.publish(snapshot)
    assert not [name for name in families_of(scene.text()) if name.startswith(("inkit", "batch_exporter"))]


def test_rows_about_records_are_dropped_when_stale_and_rows_about_polling_are_not(scene: Scene) -> None:
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


@pytest.mark.parametrize(
    ("accept", "exact"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
        ("text/plain;version=1.0.0;escaping=dots", "text/plain; version=0.0.4; charset=utf-8; escaping=dots"),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        ),
    ],
)
def test_the_content_types_are_exact(accept: str, exact: str) -> None:
    assert content_type(accept) == exact


_RANGES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["application/openmetrics-text", "text/plain", "*/*", "text/*", "application/json", "", "/"]),
    st.sampled_from(["", ";version=1.0.0", ";version=0.0.4", ";version=0.0.1", ';version="1.0.0"', ";version"]),
    st.lists(
        st.sampled_from(["allow-utf-8", "underscores", "dots", "values", "", "none", '"dots"', "a b"]), max_size=2
    ).map(lambda schemes: "".join(f";escaping={scheme}" for scheme in schemes)),
    st.sampled_from(["", ";q=0", ";q=0.1", ";q=0.5", ";q=1", ";q=2", ";q=nan", ";q", ";q=0.5;q=0.7"]),
)


@given(st.lists(_RANGES, max_size=5).map(",".join) | st.text())
def test_any_header_gets_the_same_bytes_with_a_content_type_that_can_be_parsed(accept: str) -> None:
    scene = Scene()
    scene.publish("a", 3)
    answer = body(scene.exposition.render(accept, "")).decode()
    media, *parameters = content_type(accept).split("; ")
    version, openmetrics = ("1.0.0", True) if media == "application/openmetrics-text" else ("0.0.4", False)
    assert media in ("application/openmetrics-text", "text/plain")
    assert parameters[:2] == [f"version={version}", "charset=utf-8"]
    assert parameters[2:] in [[f"escaping={scheme}"] for scheme in ("allow-utf-8", "underscores", "dots", "values")]
    assert answer == (scene.openmetrics() if openmetrics else scene.text())


@FORMATS
def test_scrapers_with_different_escapings_share_what_is_kept(scene: Scene, accept: str) -> None:
    scene.publish("a", 3)
    media = accept or "text/plain"
    first = scene.exposition.render(f"{media};escaping=dots", "")
    assert scene.exposition.kept(f"{media};escaping=values", "") is first


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


def test_an_empty_store_is_a_valid_answer_in_both_formats(scene: Scene) -> None:
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
    scene.store.publish(CollectorSnapshot("a", "inkit", "c", {}, 0.0, {UP.name: Block(lines)}))
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
