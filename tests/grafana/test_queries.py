"""Every query parses, and asks for metrics, labels and statuses that the exporter has."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser
import pytest
from promql_parser import AggregateExpr, Call, Expr, StringLiteral, VectorSelector

from exporter.exposition.catalog import catalog
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.systems import families
from exporter.systems.fields import FINAL
from grafana.frame import FIRING
from grafana.promql import COMPLETED, FAILED
from tests.support.dashboards import FOLDER, annotations, label_values, queries, substituted
from tests.support.rules import within
from tests.support.yaml_files import read

TARGET = {"cluster", "job", "instance", "pod"}
"""Labels that Prometheus gives to every series it scrapes."""
ALERT = {"alertname", "alertstate", "severity", "cluster", "job", "account", "system", "collector"}
EXPRS = sorted({query.expr for query in queries()} | annotations())


def known() -> Mapping[str, set[str]]:
    """Each series' name with its labels: the catalog's, the client library's of the process, and Prometheus's own."""
    found = {"ALERTS": ALERT, "ALERTS_FOR_STATE": ALERT}
    for family in catalog(families()):
        labels = {*family.labels, *family.optional, *TARGET}
        found[family.name] = labels
        if family.kind == "histogram":
            found |= {f"{family.name}{part}": labels for part in ("_count", "_sum")}
            found[f"{family.name}_bucket"] = labels | {"le"}
    for metric in SelfMetrics("1", "a", SnapshotStore()).registry.collect():
        for sample in metric.samples:
            if sample.name.startswith("process_"):
                found[sample.name] = TARGET
    return found


KNOWN = known()


def unknown(expr: Expr) -> Iterator[str]:
    """The names in an expression that nothing has."""
    for node in within(expr):
        if isinstance(node, VectorSelector):
            labels = KNOWN.get(node.name or "", set())
            if not labels:
                yield str(node.name)
            yield from (f"{node.name}: {match.name}" for match in node.matchers.matchers if match.name not in labels)
        if isinstance(node, AggregateExpr) and node.modifier:
            yield from (f"by {label}" for label in node.modifier.labels if label not in labels_of(node.expr))


def labels_of(expr: Expr) -> set[str]:
    """The labels that the series of an expression can have."""
    found: set[str] = set()
    for node in within(expr):
        if isinstance(node, VectorSelector):
            found |= KNOWN.get(node.name or "", set())
        if isinstance(node, Call) and node.func.name == "label_replace" and isinstance(node.args[1], StringLiteral):
            found.add(node.args[1].val)
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
        chosen = [labels for metric, labels in KNOWN.items() if re.fullmatch(name, metric)]
        assert chosen, query
        assert all(query.label in labels for labels in chosen), query


def test_the_alerts_that_are_shown_are_all_those_of_the_rules() -> None:
    files = sorted((FOLDER.parents[1] / "prometheus" / "rules").glob("*.yml"))
    groups = [group for file in files for group in read(file.read_text())["groups"]]
    names = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    shown = re.search(r'alertname=~"([^"]*)"', FIRING)
    assert shown
    assert names
    assert [name for name in names if not re.fullmatch(shown[1], name)] == []


def test_what_counts_as_failed_and_as_completed_is_all_that_is_final() -> None:
    """What was cancelled is neither."""
    statuses = set(FAILED.removeprefix('status=~"').rstrip('"').split("|")) | {
        COMPLETED.removeprefix('status="').rstrip('"')
    }
    assert FINAL - statuses == {"cancelled", "canceled"}
    assert statuses <= FINAL


def parts(expr: Expr) -> list[Expr]:
    """Return what an expression is made of directly."""
    named = (getattr(expr, name, None) for name in ("lhs", "rhs", "expr", "vector_selector"))
    return [*(name for name in named if name is not None), *getattr(expr, "args", ())]


def twice(expr: Expr, merged: bool = False) -> Iterator[str]:
    """The metrics of accounts of which an expression has two values where two exporters expose one account."""
    match expr:
        case VectorSelector():
            if "account" in KNOWN[expr.name or ""] and expr.name not in ("ALERTS", "ALERTS_FOR_STATE") and not merged:
                yield expr.name or ""
        case AggregateExpr():
            yield from twice(expr.expr, merged=str(expr.op) in {"max", "min"} and not kept(expr) & {"instance", "pod"})
        case _:
            for part in parts(expr):
                yield from twice(part, merged)


def kept(aggregate: AggregateExpr) -> set[str]:
    """Return the labels of an expression's series that an aggregation leaves."""
    modifier = aggregate.modifier
    if modifier is None:
        return set()
    labels = set(modifier.labels)
    return labels_of(aggregate.expr) - labels if str(modifier.type).endswith("Without") else labels


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("sum(inkit_batches)", ["inkit_batches"]),
        ("inkit_batches", ["inkit_batches"]),
        ("sum by (account) (max without (instance, pod) (inkit_batches))", []),
        ("sum by (account) (max without (instance) (inkit_batches))", ["inkit_batches"]),
        ("max by (account, instance) (inkit_batches)", ["inkit_batches"]),
        ("max by (account) (sum without (instance, pod) (inkit_batches))", ["inkit_batches"]),
        ("sum(max without (instance, pod) (inkit_batches) / inkit_batches)", ["inkit_batches"]),
        ("sum(max without (instance, pod) (rate(inkit_batches_finished_total[5m])))", []),
        ("rate(process_cpu_seconds_total[5m])", []),
    ],
)
def test_an_account_that_counts_twice_is_seen(expr: str, found: list[str]) -> None:
    assert [*twice(promql_parser.parse(expr))] == found


def test_no_account_counts_twice_where_two_exporters_expose_it() -> None:
    assert {expr for expr in EXPRS if [*twice(promql_parser.parse(substituted(expr)))]} == set()


def test_equal_accounts_of_two_clusters_are_distinct() -> None:
    """Where a row or a line is one account, it is one of one cluster."""
    for expr in EXPRS:
        for node in within(promql_parser.parse(substituted(expr))):
            modifier: Any = getattr(node, "modifier", None)
            named: Any = getattr(modifier, "matching", modifier)
            labels = set() if named is None else set(named.labels)
            assert ("account" in labels) <= ("cluster" in labels), expr


def test_every_query_is_of_the_chosen_clusters_and_jobs() -> None:
    asked = (
        [query.expr for query in queries()]
        + [f"{variable.selector}" for variable in label_values()]
        + sorted(annotations())
    )
    for expr in asked:
        for node in within(promql_parser.parse(substituted(expr))):
            if isinstance(node, VectorSelector) and (node.name or "") not in UNNARROWED:
                chosen = {match.name for match in node.matchers.matchers}
                assert chosen >= {"cluster", "job"}, expr


UNNARROWED = {
    "batch_exporter_up",  # the variables themselves
    "ALERTS_FOR_STATE",  # joined with what is narrowed
    "batch_exporter_build_info",
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
}
