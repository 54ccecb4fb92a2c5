"""Every query parses, and asks for metrics, labels and statuses that the exporter has."""

import re
from collections.abc import Iterator, Mapping

import promql_parser
import pytest
import yaml
from promql_parser import AggregateExpr, Call, Expr, StringLiteral, VectorSelector

from exporter.live import Live
from exporter.metrics import catalogue
from exporter.snapshot import Board
from exporter.sources import sources
from exporter.sources.reading import FINAL
from grafana.frame import FIRING
from grafana.promql import COMPLETED, FAILED
from tests.grafana.dashboards import FOLDER, annotations, label_values, queries, substituted

TARGET = {"job", "instance"}
"""Labels that Prometheus gives to every series it scrapes."""
ALERT = {"alertname", "alertstate", "severity", "account", "system", "collector"}
EXPRS = sorted({one.expr for one in queries()} | annotations())


def known() -> Mapping[str, set[str]]:
    """Each series' name with its labels: the catalogue's, the client library's of the process, and Prometheus's own."""
    found = {"ALERTS": ALERT, "ALERTS_FOR_STATE": ALERT}
    for family in catalogue(sources().values()):
        labels = {*family.labels, *family.optional, *TARGET}
        found[family.name] = labels
        if family.kind == "histogram":
            found |= {f"{family.name}_bucket": labels | {"le"}, f"{family.name}_sum": labels}
    for metric in Live("1", "a", Board()).registry.collect():
        for sample in metric.samples:
            if sample.name.startswith("process_"):
                found[sample.name] = TARGET
    return found


KNOWN = known()


def within(expr: Expr) -> list[Expr]:
    """An expression and all that it is made of."""
    found: list[Expr] = []
    promql_parser.walk(expr, found.append)
    return found


def unknown(expr: Expr) -> Iterator[str]:
    """The names in an expression that nothing has."""
    for one in within(expr):
        if isinstance(one, VectorSelector):
            labels = KNOWN.get(one.name or "", set())
            if not labels:
                yield str(one.name)
            yield from (f"{one.name}: {match.name}" for match in one.matchers.matchers if match.name not in labels)
        if isinstance(one, AggregateExpr) and one.modifier:
            yield from (f"by {label}" for label in one.modifier.labels if label not in labels_of(one.expr))


def labels_of(expr: Expr) -> set[str]:
    """The labels that the series of an expression can have."""
    found: set[str] = set()
    for one in within(expr):
        if isinstance(one, VectorSelector):
            found |= KNOWN.get(one.name or "", set())
        if isinstance(one, Call) and one.func.name == "label_replace" and isinstance(one.args[1], StringLiteral):
            found.add(one.args[1].val)
    return found


@pytest.mark.parametrize("expr", EXPRS)
def test_a_query_asks_for_what_there_is(expr: str) -> None:
    assert list(unknown(promql_parser.parse(substituted(expr)))) == []


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("sum(inkit_batch)", ["inkit_batch"]),
        ('rate(inkit_batches_finished_total{stat="failed"}[1m])', ["inkit_batches_finished_total: stat"]),
        ("sum by (destination) (inkit_batches)", ["by destination"]),
        ("max_over_time(timestamp(sum by (x) (up) > 0)[1h:1m])", ["by x", "up"]),
    ],
)
def test_a_name_that_nothing_has_is_seen(expr: str, found: list[str]) -> None:
    assert list(unknown(promql_parser.parse(expr))) == found


def test_the_variables_list_values_of_labels_that_there_are() -> None:
    for query in label_values():
        selector = promql_parser.parse(substituted(query.selector))
        assert isinstance(selector, VectorSelector)
        # The selector of several families has a matcher of their names in the place of a name.
        name = selector.name or selector.matchers.matchers[0].value
        chosen = [labels for one, labels in KNOWN.items() if re.fullmatch(name, one)]
        assert chosen, query
        assert all(query.label in labels for labels in chosen), query


def test_the_alerts_that_are_shown_are_all_those_of_the_rules() -> None:
    files = sorted((FOLDER.parents[1] / "prometheus" / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    names = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    shown = re.search(r'alertname=~"([^"]*)"', FIRING)
    assert shown
    assert names
    assert [one for one in names if not re.fullmatch(shown[1], one)] == []


def test_what_counts_as_failed_and_as_completed_is_all_that_is_final() -> None:
    """What was cancelled is neither."""
    said = set(FAILED.removeprefix('status=~"').rstrip('"').split("|")) | {
        COMPLETED.removeprefix('status="').rstrip('"')
    }
    assert FINAL - said == {"cancelled", "canceled"}
    assert said <= FINAL
