"""The catalogue and the rows made from it."""

import re
from pathlib import Path

import pytest

from exporter.catalogue_page import page
from exporter.facts import Facts
from exporter.families import Family
from exporter.metrics import Live, catalogue, data_blocks, status_blocks, unknown_labels, zero_labels
from exporter.records import Key, Reason
from exporter.sources import sources

PACKAGE = Path(__file__).parent.parent / "exporter"
DESTINATIONS = ("sepire", "docusign")
GENERATIONS = Family(
    "x_generations",
    "gauge",
    "Generations.",
    ("account", "destination", "status", "workflow"),
    {"invocations": {"destination": DESTINATIONS, "status": ("completed", "failed")}},
    optional=("workflow",),
)


def lines(family: Family, totals: dict[Key, int], optional: bool = False, collector: str = "invocations") -> set[str]:
    blocks = data_blocks([family], "prod", collector, totals, optional)
    return set(blocks[family.name].text.decode().splitlines()) if blocks else set()


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


def test_an_open_label_of_which_nothing_was_seen_has_no_zeros() -> None:
    assert lines(GENERATIONS, {}, optional=True) == set()


def test_a_family_that_another_collector_feeds_has_no_zeros_here() -> None:
    assert lines(GENERATIONS, {}, collector="document_batches") == set()
    assert list(zero_labels(GENERATIONS, "document_batches", ("destination", "status"), [])) == []


def test_a_value_outside_the_known_ones_is_noticed_with_its_label() -> None:
    assert list(unknown_labels([GENERATIONS], "invocations", ("x_generations", "fax", "failed"))) == [
        ("destination", "fax")
    ]
    assert list(unknown_labels([GENERATIONS], "invocations", ("x_generations", "sepire", "failed", "Any name"))) == []


def test_every_reason_of_a_failed_poll_is_exposed_from_the_first_scrape() -> None:
    shown = status_blocks(Facts("prod", "inkit", "invocations"))["batch_exporter_poll_errors_total"].text.decode()
    assert set(re.findall(r'reason="(\w+)"', shown)) == {reason.value for reason in Reason}


def test_what_is_not_yet_known_is_absent_rather_than_zero() -> None:
    shown = status_blocks(Facts("prod", "inkit", "invocations"))
    assert "batch_exporter_up" not in shown
    assert "batch_exporter_last_success_timestamp_seconds" not in shown
    assert shown["batch_exporter_backfilling"].text.endswith(b" 1.0\n")


def test_requests_are_counted_by_account_endpoint_and_code() -> None:
    live = Live("1", "abc")
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


def test_family_names_are_unique_and_well_formed() -> None:
    families = catalogue(sources().values())
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    for family in families:
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert family.help.endswith(".") or family.name.endswith("info")
        assert set(family.optional) <= set(family.labels)
        assert all(set(known) <= set(family.labels) for known in family.zeros.values())


def test_no_metric_is_made_outside_the_catalogue() -> None:
    makers = re.compile(r"\b(Counter|Gauge|Histogram|Summary|\w+MetricFamily)\([\"']")
    assert [path for path in PACKAGE.rglob("*.py") if makers.search(path.read_text())] == []


def test_the_page_of_metrics_is_the_catalogue() -> None:
    committed = (PACKAGE.parent / "docs" / "metrics.md").read_text()
    assert committed == page(sources().values()), "run `make docs`"


@pytest.mark.parametrize("family", catalogue(sources().values()), ids=lambda family: family.name)
def test_every_family_is_on_the_page(family: Family) -> None:
    assert f"| `{family.name}` |" in page(sources().values())
