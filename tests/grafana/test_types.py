"""Grafana would understand what the dashboards say: its own types, and its SDK, which see different faults."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.support.dashboards import DASHBOARDS, panels
from tests.support.typescript import complaints, literals

OVERVIEW = DASHBOARDS["batch-exporter-overview"]
FAULTS: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "a misspelled option": lambda board: panel(board, "timeseries")["options"].update(legnd={}),
    "a misspelled style": lambda board: panel(board, "timeseries")["fieldConfig"]["defaults"]["custom"].update(widht=1),
    "a misspelled key of a panel": lambda board: panel(board, "stat").update(tittle="x"),
    "a style that there is not": lambda board: panel(board, "timeseries")["fieldConfig"]["defaults"]["custom"].update(
        drawStyle="dots"
    ),
    "a place that is no number": lambda board: panel(board, "table")["gridPos"].update(w="wide"),
    "a kind of variable that there is not": lambda board: board["templating"]["list"][0].update(type="quary"),
}


def panel(dashboard: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(panel for panel in panels(dashboard) if panel["type"] == kind)


@pytest.mark.programs
def test_grafanas_types_have_nothing_against_the_dashboards(tmp_path: Path) -> None:
    pieces = [piece for name, dashboard in DASHBOARDS.items() for piece in literals(name, dashboard)]
    assert complaints(tmp_path, pieces) == {}


@pytest.mark.programs
def test_grafanas_types_see_what_they_are_asked_for(tmp_path: Path) -> None:
    pieces = []
    for fault, plant in FAULTS.items():
        faulty = copy.deepcopy(OVERVIEW)
        plant(faulty)
        pieces += [piece._replace(name=fault) for piece in literals("", faulty)]
    assert set(complaints(tmp_path, pieces)) == set(FAULTS)


def lost(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Return the places of ours that are missing or different in theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [found for key, value in ours.items() for found in lost(value, theirs.get(key), f"{path}.{key}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [found for at, panel in enumerate(ours) for found in lost(panel, theirs[at], f"{path}[{at}]")]
    return [] if ours == theirs else [path]


def through_the_sdk(dashboard: dict[str, Any]) -> Any:
    register_default_plugins()  # Without them the SDK takes queries and options as they are.
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=list(DASHBOARDS))
def test_the_sdk_knows_every_key(dashboard: dict[str, Any]) -> None:
    prometheus = ("titleFormat", "textFormat", "useValueForTime", "target")
    assert [path for path in lost(dashboard, through_the_sdk(dashboard)) if not path.endswith(prometheus)] == []


def test_the_sdk_sees_a_misspelled_key_of_a_query() -> None:
    faulty = copy.deepcopy(OVERVIEW)
    panel(faulty, "stat")["targets"][0]["exprr"] = "1"
    assert any(path.endswith("exprr") for path in lost(faulty, through_the_sdk(faulty)))
