"""The rules of prometheus/ as values, and which metrics and labels they name. What must hold of them is not here."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import promql_parser

from tests.support.paths import ROOT
from tests.support.yaml_files import read

FILES = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
CASES = sorted((ROOT / "tests" / "rules").glob("*.yml"))
ADDRESSES = {
    "a URL": (
        "https://batch-exporter.example.org",
        "http://localhost:10977/",
        "http://10.0.0.1",
        "http://[2001:db8::1]:10977",
        "https://example.org/batch-exporter//",
        "https://example.org/a.b_c~d-e:f/%C3%A9",
    ),
    "no URL to append a path to": (
        "batch-exporter.example.org",
        "localhost:10977",
        "ftp://example.org",
        "https://",
        "https://:10977",
        "https://example.org:port",
        "https://example.org:0",
        "https://[2001:db8::1",
        "https://admin:password@example.org",
        "https://example.org/?",
        "https://example.org?a=b",
        "https://example.org/#",
        "https://example.org/a b",
        "https://example.org/\n",
        " https://example.org",
        "https://example.org/{{x}}",
        "https://example.org/%zz",
        "https://example.org/'",
        'https://example.org/"',
        "https://example.org/$(id)",
        "https://example.org/é",
    ),
}
"""What may be given as the address of the exporter or of Grafana, and what may not."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording rule or an alert."""

    name: str
    expr: str
    recorded: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    pending: str = "0s"
    """Its `for`."""
    keep_firing_for: str = "1ms"


@dataclass(slots=True)
class Named:
    """What an expression names."""

    selected: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Metrics with the label values that are asked for."""
    labels: set[str] = field(default_factory=set)
    """Labels in `by`, `without`, `on` and `ignoring`."""


def rules() -> list[Rule]:
    groups = [group for file in FILES for group in read(file.read_text())["groups"]]
    return [
        Rule(
            rule.get("record") or rule["alert"],
            rule["expr"],
            "record" in rule,
            rule.get("labels", {}),
            rule.get("annotations", {}),
            rule.get("for", "0s"),
            rule.get("keep_firing_for", "1ms"),
        )
        for group in groups
        for rule in group["rules"]
    ]


def alerts() -> dict[str, Rule]:
    return {rule.name: rule for rule in rules() if not rule.recorded}


def cases() -> Iterator[tuple[str, list[Mapping[str, Mapping[str, str]]]]]:
    """Yield each unit test of an alert: its name, and the labels and annotations that are expected."""
    for file in CASES:
        for test in read(file.read_text())["tests"]:
            for case in test.get("alert_rule_test", ()):
                yield case["alertname"], case.get("exp_alerts", [])


def named(expr: str) -> Named:
    found = Named()
    _look(promql_parser.parse(expr), found)
    return found


def tricks(expr: str) -> list[str]:
    """Return what rules need not do, since each exporter's counters go on where they were: see docs/architecture.md."""
    found: list[str] = []
    for node in within(promql_parser.parse(expr)):
        match node:
            case promql_parser.Call() if node.func.name == "last_over_time":
                found.append(node.func.name)
            case promql_parser.Call() if node.func.name in {"increase", "rate"}:
                found += (
                    f"{node.func.name} of {aggregation}"
                    for argument in node.args
                    if (aggregation := _aggregated(argument))
                )
            case promql_parser.VectorSelector() if node.offset:
                found.append("offset")
    return found


def compared(expr: str) -> set[float]:
    """Return the numbers in an expression."""
    return {node.val for node in within(promql_parser.parse(expr)) if isinstance(node, promql_parser.NumberLiteral)}


def within(expr: promql_parser.Expr) -> list[promql_parser.Expr]:
    """Return an expression and all that it is made of."""
    found: list[promql_parser.Expr] = []
    promql_parser.walk(expr, found.append)
    return found


def _aggregated(argument: promql_parser.Expr) -> str:
    """Return what makes one series of several exporters' series, in what a rate is taken of; else an empty text."""
    for node in within(argument):
        if isinstance(node, promql_parser.AggregateExpr):
            return str(node.op)
        if isinstance(node, promql_parser.VectorSelector) and ":" in (node.name or ""):
            return node.name or ""
    return ""


def templated(rule: Rule) -> set[str]:
    """Return the labels that an alert's texts use."""
    return {label for text in rule.annotations.values() for label in re.findall(r"\$labels\.(\w+)", text)}


def _look(node: object, found: Named) -> None:
    match node:
        case promql_parser.VectorSelector():
            found.selected.append(
                (node.name or "", {matcher.name: matcher.value for matcher in node.matchers.matchers})
            )
        case promql_parser.AggregateExpr() if node.modifier is not None:
            found.labels.update(node.modifier.labels)
        case promql_parser.BinaryExpr() if node.modifier is not None and node.modifier.matching is not None:
            found.labels.update(node.modifier.matching.labels)
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        if (part := getattr(node, name, None)) is not None:
            _look(part, found)
    for argument in getattr(node, "args", ()):
        _look(argument, found)
