"""The committed dashboards as the tests see them, and what Grafana would put in the place of its variables."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.paths import ROOT

FOLDER = ROOT / "grafana" / "dashboards"
DASHBOARDS: Mapping[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
}
VALUES = {
    "cluster": ".*",
    "job": ".*",
    "account": ".*",
    "system": ".*",
    "destination": ".*",
    "workflow": ".*",
    "resource": ".*",
    "objective": "99",
    "window": "30s",
    "__rate_interval": "15s",
    "__interval": "2s",
    "__range": "60s",
}
"""As they would be for a minute on a screen, of a Prometheus that scrapes each second."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of one panel."""

    dashboard: str
    panel: str
    expr: str
    instant: bool
    legend: str

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}"


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard without the headings of its rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    for name, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield Query(name, panel["title"], target["expr"], target["instant"], target["legendFormat"])


@dataclass(frozen=True, slots=True)
class LabelValues:
    """What a variable offers to choose from: the values of a label."""

    dashboard: str
    selector: str
    label: str


def label_values() -> Iterator[LabelValues]:
    for name, dashboard in DASHBOARDS.items():
        for variable in (variable for variable in variables(dashboard).values() if variable["type"] == "query"):
            asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert asked, variable["query"]
            yield LabelValues(name, asked[1], asked[2])


def annotations() -> set[str]:
    return {
        annotation["target"]["expr"] for board in DASHBOARDS.values() for annotation in board["annotations"]["list"]
    }


def variables(dashboard: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def substituted(expr: str) -> str:
    """Return the query as Prometheus gets it."""
    return re.sub(r"\$([a-z_]\w*)", lambda found: VALUES[found[1]], expr)
