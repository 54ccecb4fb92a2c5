"""The dashboards for grafana.com are those of the folder, and ask for what a Grafana elsewhere has."""

import json
import re
from typing import Any

import pytest

from grafana.sharing import shared
from grafana.variables import EXPORTER_URL
from tests.support.dashboards import DASHBOARDS, FOLDER, variables

Dashboard = dict[str, Any]

SHARED: dict[str, Dashboard] = {
    path.stem: json.loads(path.read_text()) for path in sorted((FOLDER.parent / "import").glob("*.json"))
}
ADDED = ("__inputs", "__elements", "__requires", "id")
each = pytest.mark.parametrize("name", list(DASHBOARDS))
ANSWERS = {"DS_PROMETHEUS": "prometheus", "VAR_EXPORTER": EXPORTER_URL}


def imported(dashboard: Dashboard) -> Dashboard:
    """Return what Grafana makes of a dashboard and the answers: it replaces ${NAME} of the inputs in every string."""
    text = re.sub(r"\$\{(\w+)\}", lambda found: ANSWERS.get(found[1], found[0]), json.dumps(dashboard))
    made: Dashboard = json.loads(text)
    return {key: value for key, value in made.items() if key not in ADDED}


@each
def test_imported_with_the_usual_answers_it_is_the_dashboard_of_the_folder(name: str) -> None:
    made = imported(SHARED[name])
    # Provisioning knows the name of its data source; the dialog only gives its ID.
    variables(made)["datasource"]["current"]["text"] = "Prometheus"
    assert made == DASHBOARDS[name]


@each
def test_it_begins_as_an_export_of_grafana_does(name: str) -> None:
    """The keys and their order are those of 'Export for sharing externally'."""
    assert list(SHARED[name])[: len(ADDED)] == list(ADDED)
    assert SHARED[name]["id"] is None
    assert SHARED[name]["__elements"] == {}
    source, exporter = SHARED[name]["__inputs"]
    assert list(source) == ["name", "label", "description", "type", "pluginId", "pluginName"]
    assert (source["type"], source["pluginId"], source["pluginName"]) == ("datasource", "prometheus", "Prometheus")
    assert list(exporter) == ["name", "type", "label", "value", "description"]
    assert exporter["type"] == "constant"


@each
def test_every_input_is_asked_for_and_used_and_no_other_is(name: str) -> None:
    inputs = {given["name"] for given in SHARED[name]["__inputs"]}
    body = json.dumps({key: value for key, value in SHARED[name].items() if key not in ADDED})
    assert inputs == set(ANSWERS)
    assert set(re.findall(r"\$\{((?:DS|VAR)_\w+)\}", body)) == inputs


@each
def test_it_requires_grafana_prometheus_and_the_panels_that_it_has(name: str) -> None:
    required = {(entry["type"], entry["id"]) for entry in SHARED[name]["__requires"]}
    kinds = {("panel", panel["type"]) for panel in DASHBOARDS[name]["panels"]} - {("panel", "row")}
    assert required == kinds | {("grafana", "grafana"), ("datasource", "prometheus")}
    assert all(list(entry) == ["type", "id", "name", "version"] for entry in SHARED[name]["__requires"])


def test_a_panel_whose_name_is_not_known_is_not_shared_without_it() -> None:
    with pytest.raises(KeyError, match="heatmap"):
        shared({"panels": [{"type": "heatmap"}]})
