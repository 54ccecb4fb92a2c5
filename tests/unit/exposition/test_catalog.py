"""The catalog and the rows made from it."""

import re
from dataclasses import replace
from typing import Any

import pytest

from exporter.cli.metrics import page
from exporter.config.buckets import MOST
from exporter.exposition.catalog import STATUS, Feeds, catalog
from exporter.exposition.samples import Counters, Gauges, Shape, counters, gauges, status_blocks
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import CollectorSnapshot, SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.family import Family, unknown_labels, with_bounds
from exporter.model.record import Key, Reason
from exporter.model.totals import Cause, CounterState, HistogramState, Observations, Sums
from exporter.systems import families, sources
from tests.support.paths import ROOT

PACKAGE = ROOT / "exporter"
DESTINATIONS = ("sepire", "docusign")
GENERATIONS = Family(
    "x_generations",
    "gauge",
    "Generations.",
    ("account", "destination", "status", "workflow"),
    {"invocations": {"destination": DESTINATIONS, "status": ("completed", "failed")}},
    optional=("workflow",),
)


COUNTED = Family("x_total", "counter", "Events.", GENERATIONS.labels, GENERATIONS.zeros, optional=("workflow",))


def lines(
    family: Family,
    totals: dict[Key, int],
    optional: bool = False,
    collector: str = "invocations",
    cap: int = 2000,
    **sums: Any,
) -> set[str]:
    block = made(family, Sums(totals, **sums), optional, collector, cap).blocks.get(family.name)
    return set() if block is None else set(block.text.decode().splitlines())


def made(
    family: Family, totals: Sums, optional: bool = False, collector: str = "invocations", cap: int = 2000
) -> Gauges | Counters:
    """Return all that is rendered of a family."""
    families = (family,) if collector in family.zeros else ()
    shape = Shape(Feeds(collector, families), optional, cap)
    return (gauges if family.kind == "gauge" else counters)(shape, CollectorStatus("prod", "inkit", collector), totals)


READ = {
    "up": "up",
    "last_success_timestamp_seconds": "last_success",
    "last_poll_duration_seconds": "last_duration",
    "poll_lateness_seconds": "lateness",
    "poll_backoff_seconds": "backoff",
    "last_reconcile_timestamp_seconds": "last_reconcile",
    "state_created_timestamp_seconds": "state_created",
    "poll_interval_seconds": "poll_interval",
    "reconcile_interval_seconds": "reconcile_interval",
    "lookback_seconds": "lookback",
    "stale_after_seconds": "stale_after",
    "incremental": "incremental",
    "window_truncated": "window_truncated",
    "newest_record_ahead_seconds": "dated_ahead",
    "backfilling": "backfilling",
    "records": "finished in_flight",
    "records_stuck": "stuck",
}
"""The families about polling, without their prefix, and the field of the status that each shows."""


def test_each_family_about_polling_shows_its_own_field_of_the_status_and_no_other() -> None:
    numbers: dict[str, Any] = {name: float(number) for number, name in enumerate(" ".join(READ.values()).split(), 2)}
    status = replace(CollectorStatus("prod", "inkit", "invocations"), **numbers)
    shown = {row.family.name: [value for _, value in row.values(status)] for row in STATUS}
    assert shown == {f"batch_exporter_{name}": [numbers[field] for field in READ[name].split()] for name in READ}


def test_all_known_combinations_are_exposed_at_zero() -> None:
    assert lines(GENERATIONS, {}) == {
        f'x_generations{{account="prod",destination="{destination}",status="{status}"}} 0.0'
        for destination in DESTINATIONS
        for status in ("completed", "failed")
    }


def test_what_was_counted_takes_the_place_of_its_zero_and_unknown_values_are_shown_beside() -> None:
    shown = lines(GENERATIONS, {("x_generations", "sepire", "failed"): 3, ("x_generations", "fax", "lost"): 1})
    assert 'x_generations{account="prod",destination="sepire",status="failed"} 3.0' in shown
    assert 'x_generations{account="prod",destination="fax",status="lost"} 1.0' in shown
    assert len(shown) == 5


def test_an_open_label_has_its_zeros_for_each_value_that_was_seen() -> None:
    shown = lines(GENERATIONS, {("x_generations", "sepire", "failed", "Invoice"): 1}, optional=True)
    assert len(shown) == 4
    assert all('workflow="Invoice"' in line for line in shown)


def test_an_account_has_no_optional_labels_unless_they_are_asked_for() -> None:
    assert Shape(Feeds("invocations", (GENERATIONS,))).labels(GENERATIONS) == ("destination", "status")


def test_an_account_has_room_for_two_thousand_series_of_a_family() -> None:
    shape = Shape(Feeds("invocations", (GENERATIONS,)))
    assert shape.room(GENERATIONS) * len(GENERATIONS.zeros) == 2000


def test_an_open_label_of_which_nothing_was_seen_has_no_zeros() -> None:
    assert lines(GENERATIONS, {}, optional=True) == set()


def test_a_family_that_another_collector_feeds_has_no_zeros_here() -> None:
    assert lines(GENERATIONS, {}, collector="document_batches") == set()


def test_a_help_text_is_one_sentence_that_begins_with_a_noun_or_whether() -> None:
    questions = {"How", "If", "It", "This", "What", "When", "Where", "Which", "Why"}
    for family in catalog(families()):
        assert re.fullmatch(r"[A-Z][^.\n]*\.", family.help), family.name
        assert family.help.split()[0] not in questions, family.name


def test_a_value_outside_the_known_ones_is_noticed_with_its_label() -> None:
    assert list(unknown_labels([GENERATIONS], "invocations", ("x_generations", "fax", "failed"))) == [
        ("destination", "fax")
    ]
    assert list(unknown_labels([GENERATIONS], "invocations", ("x_generations", "sepire", "failed", "Any name"))) == []


def test_series_beyond_the_cap_are_folded_where_their_values_were_not_known_beforehand() -> None:
    totals: dict[Key, int] = {("x_generations", f"fax_{n}", "failed"): 1 for n in range(10)}
    folded = made(GENERATIONS, Sums(totals), cap=4)
    shown = folded.blocks["x_generations"].text.decode()
    assert shown.count("fax_") == 4
    assert 'x_generations{account="prod",destination="__other__",status="failed"} 6.0\n' in shown
    assert folded.folded == {"x_generations": 6}


def test_zeros_count_towards_the_cap() -> None:
    totals: dict[Key, int] = {("x_generations", "sepire", "failed", f"flow {n}"): 1 for n in range(50)}
    assert len(lines(GENERATIONS, totals, optional=True, cap=60)) == 60


def test_a_series_that_was_kept_once_is_kept() -> None:
    first: dict[Key, int] = {("x_generations", f"fax_{n}", "failed"): 1 for n in range(4)}
    more = {**first, ("x_generations", "aaa", "failed"): 1}
    assert lines(GENERATIONS, first, cap=4) <= lines(GENERATIONS, more, cap=4)


def test_a_counter_shows_what_was_published_and_not_what_was_counted() -> None:
    key = ("x_total", "fax", "failed")
    shown = lines(COUNTED, {}, counters={key: CounterState(counted=3, published=2)})
    assert 'x_total{account="prod",destination="fax",status="failed"} 2.0' in shown


def test_a_counter_of_failures_says_in_openmetrics_which_record_raised_it() -> None:
    count = CounterState(3, 3, Cause("rend_1", 2, 1700000000.0))
    block = made(COUNTED, Sums(counters={("x_total", "fax", "failed"): count})).blocks["x_total"]
    assert b'3.0 # {record_id="rend_1"} 2.0 1700000000.0' in block.openmetrics
    assert b"rend_1" not in block.text


def test_an_exemplar_is_shown_with_the_rise_that_it_is_of_and_not_before() -> None:
    count = CounterState(3, 1, Cause("rend_1", 2, 1700000000.0))
    block = made(COUNTED, Sums(counters={("x_total", "fax", "failed"): count})).blocks["x_total"]
    assert b"rend_1" not in block.openmetrics


def test_a_series_that_was_exposed_at_zero_stays_when_what_it_came_from_has_gone() -> None:
    before = made(COUNTED, Sums({("x_total", "sepire", "failed", "A"): 1}), optional=True)
    assert isinstance(before, Counters)
    shape = Shape(Feeds("invocations", (COUNTED,)), optional=True)
    after = counters(shape, CollectorStatus("prod", "inkit", "invocations"), Sums(), before.series)
    assert before.series == after.series
    assert ("x_total", "sepire", "failed", "A") in after.series


def test_the_cap_is_of_an_account_whose_collectors_share_a_family() -> None:
    shared = replace(COUNTED, zeros={**COUNTED.zeros, "batches": {}})
    totals = Sums(counters={("x_total", f"fax_{n}", "failed"): CounterState(1, 1) for n in range(50)})
    shown = made(shared, totals, cap=40)
    assert len(shown.blocks["x_total"].text.splitlines()) == 21
    assert shown.folded == {"x_total": 30}


def test_the_cap_holds_for_the_lines_of_histograms() -> None:
    family = Family("x_seconds", "histogram", "Time.", ("account", "resource"), {"invocations": {}}, buckets=(1.0, 5.0))
    spread = HistogramState(Observations((1, 2, 3), 9.0, (1.0, 5.0)), Observations((1, 2, 3), 9.0, (1.0, 5.0)))
    shown = made(family, Sums(histograms={("x_seconds", f"r{n}"): spread for n in range(6000)}), cap=100)
    text = shown.blocks["x_seconds"].text.decode()
    assert len(text.splitlines()) <= 100 + 5
    assert 'x_seconds_count{account="prod",resource="__other__"} 35880.0\n' in text
    assert shown.folded == {"x_seconds": 5980}


def test_the_cap_of_histograms_with_the_most_bounds_is_what_the_page_about_security_says() -> None:
    families = [family for source in sources().values() for family in source.families if family.kind == "histogram"]
    most = max(
        Shape(Feeds(collector, (family,))).room(family) * len(family.zeros) * (MOST + 3)
        for family in families
        for collector in family.zeros
    )
    assert most + MOST + 3 <= 8_200 < most + 200


@pytest.mark.parametrize("bounds", [(1.0,), (1.0, 5.0), tuple(map(float, range(1, 51)))])
def test_other_bounds_of_histograms_move_no_series_into_others_or_out_of_them(bounds: tuple[float, ...]) -> None:
    """A sum that loses a part falls, which Prometheus takes for a reset; one that gains a part invents events."""
    family = Family("x_seconds", "histogram", "Time.", ("account", "resource"), {"invocations": {}}, buckets=(1.0, 5.0))
    observed = Observations((1, 2, 3), 9.0, (1.0, 5.0))
    totals = Sums(histograms={("x_seconds", f"r{n}"): HistogramState(observed, observed) for n in range(60)})
    [chosen] = with_bounds([family], bounds)
    before, after = made(family, totals, cap=100), made(chosen, totals, cap=100)
    assert isinstance(before, Counters)
    assert isinstance(after, Counters)
    assert before.shown_as == after.shown_as
    assert len(after.shown_as) == 40


def test_only_series_of_which_more_was_counted_than_published_are_to_rise() -> None:
    observed = Observations((1, 2), 9.0, (1.0,))
    sums = Sums(
        counters={("a_total",): CounterState(2, 1), ("b_total",): CounterState(2, 2)},
        histograms={("a_seconds",): HistogramState(observed), ("b_seconds",): HistogramState(observed, observed)},
    )
    assert sums.rising() == [("a_total",), ("a_seconds",)]


def test_counters_of_other_labels_than_the_account_has_now_are_not_shown() -> None:
    assert lines(COUNTED, {}, counters={("x_total", "fax", "failed", "Invoice"): CounterState(1, 1)}) == lines(
        COUNTED, {}
    )


def test_a_histogram_is_exposed_from_the_first_and_its_buckets_add_up() -> None:
    family = Family("x_seconds", "histogram", "Time.", ("account",), {"invocations": {}}, buckets=(1.0, 5.0))
    assert 'x_seconds_count{account="prod"} 0.0' in lines(family, {})
    published = HistogramState(Observations((3, 1, 4), 100.0, (1.0, 5.0)), Observations((2, 1, 4), 99.5, (1.0, 5.0)))
    shown = lines(family, {}, histograms={("x_seconds",): published})
    assert shown == {
        'x_seconds_bucket{account="prod",le="1.0"} 2.0',
        'x_seconds_bucket{account="prod",le="5.0"} 3.0',
        'x_seconds_bucket{account="prod",le="+Inf"} 7.0',
        'x_seconds_count{account="prod"} 7.0',
        'x_seconds_sum{account="prod"} 99.5',
    }


def test_the_oldest_in_flight_is_absent_where_nothing_is() -> None:
    family = Family(
        "x_oldest", "gauge", "Oldest.", ("account", "collector"), {"invocations": {}}, oldest_in_flight=True
    )
    assert lines(family, {}) == set()
    assert lines(family, {}, oldest_in_flight=5.0) == {'x_oldest{account="prod",collector="invocations"} 5.0'}


def test_folded_series_of_several_collectors_add_up() -> None:
    store = SnapshotStore()
    live = SelfMetrics("1", "abc", store)
    for collector, folded in (("a", 5), ("b", 2), ("a", 3), ("c", 0)):
        store.publish(CollectorSnapshot("prod", "inkit", collector, folded={"x": folded, "y": 0}))
    [folds] = [metric for metric in live.registry.collect() if metric.name == "batch_exporter_series_folded"]
    assert [(sample.labels, sample.value) for sample in folds.samples] == [({"account": "prod", "family": "x"}, 5)]


def test_counters_about_the_polling_are_exposed_at_zero_from_the_first_scrape() -> None:
    families = tuple(family for family in sources()["inkit"].families if "invocations" in family.zeros)
    feeds = Feeds("invocations", families, ("id", "status"))
    shown = counters(Shape(feeds), CollectorStatus("prod", "inkit", "invocations"), Sums()).blocks

    def values(name: str, label: str) -> set[str]:
        return set(re.findall(rf'{label}="(\w+)"[^ ]* 0.0', shown[name].text.decode()))

    assert values("batch_exporter_poll_errors_total", "reason") == {reason.value for reason in Reason}
    assert values("batch_exporter_records_rejected_total", "reason") == {"id", "status"}
    assert values("batch_exporter_unknown_values_total", "field") == {"destination", "destination_status", "status"}
    assert values("batch_exporter_records_vanished_total", "collector") == {"invocations"}
    assert values("batch_exporter_records_abandoned_total", "collector") == {"invocations"}


def test_what_is_not_yet_known_is_absent_rather_than_zero() -> None:
    shown = status_blocks(CollectorStatus("prod", "inkit", "invocations"))
    assert "batch_exporter_up" not in shown
    assert "batch_exporter_last_success_timestamp_seconds" not in shown
    assert shown["batch_exporter_backfilling"].text.endswith(b" 1.0\n")


def test_requests_are_counted_by_account_endpoint_and_code() -> None:
    live = SelfMetrics("1", "abc", SnapshotStore())
    meter = live.meter("prod", "inkit")
    meter.answered("/batch", "200", 0.2)
    meter.answered("/batch", "error", 3.0)
    meter.throttled(1.5)

    def value(name: str, **labels: str) -> float | None:
        return live.registry.get_sample_value(name, labels)

    counted = {"account": "prod", "system": "inkit", "endpoint": "/batch"}
    assert value("batch_exporter_api_requests_total", **counted, code="200") == 1
    assert value("batch_exporter_api_requests_total", **counted, code="error") == 1
    assert value("batch_exporter_api_throttled_seconds_total", account="prod", system="inkit") == 1.5
    assert value("batch_exporter_api_request_duration_seconds_count", system="inkit", endpoint="/batch") == 2


def test_the_sizes_of_the_state_are_those_last_known_and_absent_before() -> None:
    known: list[tuple[int, int] | None] = [None, (4096, 0), (8192, 1000)]
    live = SelfMetrics("1", "abc", SnapshotStore())
    live.show_state(lambda: known[0])

    def shown() -> tuple[float | None, ...]:
        names = ("batch_exporter_state_size_bytes", "batch_exporter_state_log_size_bytes")
        return tuple(live.registry.get_sample_value(name) for name in names)

    for expected in ((None, None), (4096, 0), (8192, 1000)):
        assert shown() == expected
        del known[0]


def test_how_busy_the_program_is_is_what_it_is_at_the_scrape() -> None:
    live = SelfMetrics("1", "abc", SnapshotStore())
    now = {"busy": 3, "overdue": 7}
    live.watch(16, lambda: now["busy"], lambda: now["overdue"])

    def shown() -> tuple[float | None, ...]:
        names = ("batch_exporter_workers", "batch_exporter_workers_busy", "batch_exporter_polls_overdue")
        return tuple(live.registry.get_sample_value(name) for name in names)

    assert shown() == (16, 3, 7)
    now |= {"busy": 16, "overdue": 0}
    assert shown() == (16, 16, 0)


def test_what_the_client_library_says_of_the_process_can_be_left_out_and_nothing_else() -> None:
    def names(*, of_process: bool) -> set[str]:
        live = SelfMetrics("1", "abc", SnapshotStore(), of_process=of_process)
        return {sample.name for metric in live.registry.collect() for sample in metric.samples}

    left_out = names(of_process=True) - names(of_process=False)
    assert {"process_start_time_seconds", "python_info", "python_gc_collections_total"} <= left_out
    assert {name.partition("_")[0] for name in left_out} == {"process", "python"}
    assert {name.partition("_")[0] for name in names(of_process=False)} == {"batch"}


def test_family_names_are_unique_and_well_formed() -> None:
    known = catalog(families())
    names = [family.name for family in known]
    assert len(set(names)) == len(names)
    for family in known:
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert family.help.endswith(".") or family.name.endswith("info")
        assert set(family.optional) <= set(family.labels)
        assert all(set(known) <= set(family.labels) for known in family.zeros.values())


def test_no_metric_is_made_outside_the_catalog() -> None:
    makers = re.compile(r"\b(Counter|Gauge|Histogram|Summary|\w+MetricFamily)\([\"']")
    assert [path for path in PACKAGE.rglob("*.py") if makers.search(path.read_text())] == []


def test_the_page_of_metrics_is_the_catalog() -> None:
    committed = (PACKAGE.parent / "docs" / "metrics.md").read_text()
    assert committed == page(sources().values()), "run `make docs`"


@pytest.mark.parametrize("family", catalog(families()), ids=lambda family: family.name)
def test_every_family_is_on_the_page(family: Family) -> None:
    assert f"| `{family.name}` |" in page(sources().values())
