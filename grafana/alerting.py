"""The alerts of prometheus/rules as alert rules that Grafana itself evaluates, for its provisioning."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from grafana.panels import JSON

DATASOURCE_UID = "prometheus"
"""The data source of provisioning/datasources."""
FOLDER = "Batches"
"""That of the dashboards."""
INTERVAL = 30
"""Seconds between evaluations. Grafana wants a multiple of ten."""
RANGE = 600
"""Seconds of the query's time range. An instant query uses its end only."""

_UNITS = {"s": 1, "m": 60, "h": 3600}
_RANGE_SELECTOR = re.compile(r"(?P<metric>[a-z]\w*)(?:\{(?P<matchers>[^}]*)\})?(?=\[)")

Rules = Mapping[str, Any]
"""A file of Prometheus rules, as YAML has it."""


def managed(rules: Rules) -> JSON:
    """Return a file of alert rules for Grafana's provisioning that has the alerts of a file of Prometheus rules.

    Grafana stores no recorded series in Prometheus by itself, so expressions have recording rules of the same file
    written out. Raises ValueError for a recording rule that can't be.
    """
    groups = [_group(group) for group in rules["groups"]]
    return {"apiVersion": 1, "groups": [group for group in groups if group["rules"]]}


def _group(group: Rules) -> JSON:
    recorded: dict[str, list[Rules]] = {}
    for rule in group["rules"]:
        if "record" in rule:
            recorded.setdefault(rule["record"], []).append(rule)
    return {
        "orgId": 1,
        "name": group["name"],
        "folder": FOLDER,
        "interval": f"{INTERVAL}s",
        "rules": [_rule(rule, written_out(rule["expr"], recorded)) for rule in group["rules"] if "alert" in rule],
    }


def _rule(rule: Rules, expr: str) -> JSON:
    made: JSON = {
        "uid": rule["alert"],
        "title": rule["alert"],
        "condition": "C",
        "data": [_query(expr), _any_value(), _above_zero()],
        "for": rule.get("for", "0s"),
        # Each series that the query returns is an alert. None is the normal state.
        "noDataState": "OK",
        # If Grafana can't query Prometheus, one alert fires, not all of them. The others keep their state.
        "execErrState": "Error" if "absent(" in expr else "KeepLast",
        "missing_series_evals_to_resolve": 1,
        "isPaused": False,
        "labels": dict(rule.get("labels", {})),
        "annotations": {name: templated(text) for name, text in rule["annotations"].items()},
    }
    if keep := rule.get("keep_firing_for"):
        # Applies where the query returns nothing. Where it still returns other series, the number of evaluations does.
        made["keepFiringFor"] = keep
        made["missing_series_evals_to_resolve"] = seconds(keep) // INTERVAL + 1
    return made


def _query(expr: str) -> JSON:
    return {
        "refId": "A",
        "relativeTimeRange": {"from": RANGE, "to": 0},
        "datasourceUid": DATASOURCE_UID,
        "model": {
            "refId": "A",
            "datasource": {"type": "prometheus", "uid": DATASOURCE_UID},
            "editorMode": "code",
            "expr": expr,
            "instant": True,
            "range": False,
        },
    }


def _any_value() -> JSON:
    """Return the expression that is 1 for each series: for Prometheus a value of 0 is an alert too."""
    return _expression("B", "math", "is_number($A) || is_nan($A) || is_inf($A)")


def _above_zero() -> JSON:
    return _expression("C", "threshold", "B", conditions=[{"evaluator": {"type": "gt", "params": [0]}}])


def _expression(ref: str, kind: str, expression: str, **more: Any) -> JSON:
    source = {"type": "__expr__", "uid": "__expr__"}
    model = {"refId": ref, "type": kind, "datasource": source, "expression": expression, **more}
    return {"refId": ref, "datasourceUid": "__expr__", "model": model}


def templated(text: str) -> str:
    """Return a template of Prometheus as one of Grafana, whose $value is a text that lists all values."""
    return re.sub(r"\$value\b", "$values.A.Value", text)


def seconds(duration: str) -> int:
    """Return a duration such as 5m in seconds. Raises ValueError for one of several units."""
    found = re.fullmatch(r"(\d+)([smh])", duration)
    if found is None:
        raise ValueError(f"{duration}: not a number and one of s, m, h")
    return int(found[1]) * _UNITS[found[2]]


def written_out(expr: str, recorded: Mapping[str, Iterable[Rules]]) -> str:
    """Return an expression in which the names of recorded series are replaced by what is recorded."""
    for name, rules in recorded.items():
        series = re.compile(rf"{re.escape(name)}(?:\{{(?P<matchers>[^}}]*)\}})?")
        expr = series.sub(lambda found, rules=rules: _either(rules, found["matchers"] or ""), expr)  # type: ignore[misc]
    return expr


def _either(rules: Iterable[Rules], matchers: str) -> str:
    return f"({' or '.join(_recorded(rule, matchers) for rule in rules)})"


def _recorded(rule: Rules, matchers: str) -> str:
    """Return what a rule records of the series that match."""
    expr: str = rule["expr"]
    if matchers:
        _check_selectable(expr, matchers)
        expr = _RANGE_SELECTOR.sub(
            lambda found: f"{found['metric']}{{{','.join(filter(None, (found['matchers'], matchers)))}}}", expr
        )
    for label, value in rule.get("labels", {}).items():
        expr = f'label_replace({expr}, "{label}", "{value}", "", "")'
    return expr


def _check_selectable(expr: str, matchers: str) -> None:
    """Raise ValueError if the matchers of a recorded series would not select the same in what is recorded."""
    kept = re.match(r"sum by \(([^)]*)\)", expr)
    labels = set(re.findall(r"(\w+)\s*[=!]", matchers))
    if kept is None or not labels <= set(re.split(r",\s*", kept[1])):
        raise ValueError(f"{expr}: {{{matchers}}} can't be selected before it is recorded")
