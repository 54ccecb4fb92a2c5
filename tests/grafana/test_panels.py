"""Every panel shows something: its queries are put to a real Prometheus that has scraped a real exporter."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dashboards import DASHBOARDS, Query, annotations, label_values, panels, queries, substituted
from tests.support.grafana_stage import Prometheus, staged
from tests.support.prometheus_copies import also_from, comparable, copied, scraped

pytestmark = [pytest.mark.programs, pytest.mark.slow]

EMPTY = {
    ("batch-exporter-health", "Requests paused by the API"): "the rate limit of the APIs is not used up",
    ("batch-exporter-health", "Series folded"): "no account has more than the cap of two thousand series in a family",
    ("batch-exporter-health", "Records deleted upstream"): "nothing is deleted",
    ("batch-exporter-health", "Records given up"): "nothing is open for as long as that",
}
"""Panels that are rightly without data here, and why."""
REPLICAS = "batch-exporter-replicas"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with staged(tmp_path_factory.mktemp("stage")) as found:
        yield found


@pytest.fixture(scope="module")
def answers(prometheus: Prometheus) -> dict[Query, list[Any]]:
    """Return the series that each query of a panel returns."""
    return {
        query: (prometheus.now if query.instant else prometheus.last_minute)(substituted(query.expr))
        for query in queries()
        if (query.dashboard, query.panel) not in EMPTY
    }


def numbers(series: list[Any]) -> list[float]:
    points = [point for row in series for point in row.get("values", [row.get("value")])]
    return [float(value) for _, value in points]


def test_every_query_of_a_panel_has_an_answer(answers: dict[Query, list[Any]]) -> None:
    silent = [str(query) for query, series in answers.items() if all(map(math.isnan, numbers(series)))]
    assert not silent, silent


def test_no_number_is_beyond_all_bounds(answers: dict[Query, list[Any]]) -> None:
    boundless = [str(query) for query, series in answers.items() if any(map(math.isinf, numbers(series)))]
    assert not boundless, boundless


def test_what_is_listed_as_rightly_empty_is_empty(prometheus: Prometheus) -> None:
    listed = [query for query in queries() if (query.dashboard, query.panel) in EMPTY]
    assert len(listed) == len(EMPTY)
    assert all(prometheus.last_minute(substituted(query.expr)) == [] for query in listed)


def test_the_labels_in_a_legend_are_those_of_the_answer(answers: dict[Query, list[Any]]) -> None:
    for query, series in answers.items():
        wanted = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        assert wanted <= {label for point in series for label in point["metric"]}, query


def test_the_series_of_a_panel_have_different_names(answers: dict[Query, list[Any]]) -> None:
    for query, series in answers.items():
        if query.legend != "__auto":
            names = [named(query.legend, point["metric"]) for point in series]
            assert len(set(names)) == len(names), query


def named(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)


def test_the_columns_of_a_table_are_those_of_the_answers(answers: dict[Query, list[Any]]) -> None:
    for name, dashboard in DASHBOARDS.items():
        for panel in (panel for panel in panels(dashboard) if panel["type"] == "table"):
            given = [
                series for query, series in answers.items() if (query.dashboard, query.panel) == (name, panel["title"])
            ]
            labels = {label for series in given for point in series for label in point["metric"]}
            columns = panel["transformations"][-1]["options"]["renameByName"]
            assert labels == {column for column in columns if not column.startswith("Value")}, panel["title"]


def test_every_variable_has_something_to_choose_from(prometheus: Prometheus) -> None:
    for asked in label_values():
        assert prometheus.ask(f"label/{asked.label}/values", **{"match[]": substituted(asked.selector)}), asked


def test_every_annotation_marks_something(prometheus: Prometheus) -> None:
    for expr in annotations():
        assert prometheus.last_minute(substituted(expr)), expr


def test_failures_over_time_have_exemplars_that_name_the_records(prometheus: Prometheus) -> None:
    named = set()
    for panel in (panel for board in DASHBOARDS.values() for panel in panels(board)):
        for target in (target for target in panel["targets"] if target["exemplar"]):
            series = prometheus.ask("query_exemplars", query=substituted(target["expr"]), **prometheus.minute())
            assert series, panel["title"]
            named |= {exemplar["labels"]["record_id"] for point in series for exemplar in point["exemplars"]}
    assert named >= {"rb_1", "fb_1", "rend_1", "batch_1"}


def test_two_exporters_of_the_same_accounts_give_the_same_numbers_as_one(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    """They are in one job by accident or while a pod is replaced. They may also be in two jobs."""
    alone = scraped(prometheus, "70s")
    second = {"instance": "b", "pod": "y"}
    with (
        copied(tmp_path / "one", alone, prometheus.at) as copy,
        copied(tmp_path / "two", also_from(alone, second), prometheus.at) as two,
        copied(tmp_path / "jobs", also_from(alone, second | {"job": "another"}), prometheus.at) as in_two_jobs,
    ):
        # Those are about processes, and not about accounts.
        asked = [query for query in queries() if query.dashboard != REPLICAS and "process_" not in query.expr]
        for query in asked:
            expr = substituted(query.expr)
            expected, *found = (
                comparable(source.now(expr) if query.instant else source.last_minute(expr))
                for source in (copy, two, in_two_jobs)
            )
            assert found == [expected] * 2, query
        assert len(asked) > 100
