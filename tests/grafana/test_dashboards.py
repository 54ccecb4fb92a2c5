"""The dashboards are those of the code, and keep to the rules by which dashboards stay usable."""

import re
from collections import Counter
from itertools import combinations
from typing import Any

import grafana_foundation_sdk.models.units as units
import pytest
import yaml

from grafana.__main__ import files
from tests.support.dashboards import DASHBOARDS, FOLDER, panels, variables

CORE = {"stat", "timeseries", "table", "bargauge", "state-timeline"}
UNITS = {value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str)}
PROVISIONING = FOLDER.parent / "provisioning"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GIVEN = {"__rate_interval", "__interval", "__range", "__value", "__data", "__url_time_range"}
"""Variables that Grafana itself has."""

Dashboard = dict[str, Any]
each = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=list(DASHBOARDS))


def names(title: str, values: Any) -> None:
    assert not (twice := [value for value, count in Counter(values).items() if count > 1]), f"{title}: {twice} twice"


def strings(value: Any) -> list[str]:
    """Return all text within a value of JSON."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


def test_the_files_are_what_the_code_writes() -> None:
    root = FOLDER.parent
    made = [path for folder in ("dashboards", "import", "alerting") for path in (root / folder).glob("[!k]*.*")]
    assert {path.relative_to(root): path.read_text() for path in made} == files(), "run `make docs`"


def test_their_ids_are_those_that_alerts_lead_to() -> None:
    assert {dashboard["uid"] for dashboard in DASHBOARDS.values()} == {
        f"batch-exporter-{name}" for name in ("overview", "inkit", "packagex", "health", "replicas")
    }
    names("titles", [dashboard["title"] for dashboard in DASHBOARDS.values()])


@each
def test_a_dashboard_keeps_the_time_and_refreshes(dashboard: Dashboard) -> None:
    assert dashboard["description"].endswith((".", "?"))
    assert dashboard["refresh"]
    assert dashboard["time"]["to"] == "now"
    assert dashboard["tags"] == ["batch-exporter"]
    assert dashboard["graphTooltip"] == 1


@each
def test_a_panel_has_an_id_a_title_and_a_description_of_its_own(dashboard: Dashboard) -> None:
    names("ids", [panel["id"] for panel in dashboard["panels"]])
    names("titles", [panel["title"] for panel in dashboard["panels"]])
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]


@each
def test_panels_are_of_kinds_that_come_with_grafana(dashboard: Dashboard) -> None:
    assert {panel["type"] for panel in panels(dashboard)} <= CORE


@each
def test_panels_stand_on_the_grid_in_reading_order_and_do_not_overlap(dashboard: Dashboard) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(
        place["x"] >= 0 and place["x"] + place["w"] <= 24 and place["w"] > 0 and place["h"] > 0 for place in places
    )
    assert [(place["y"], place["x"]) for place in places] == sorted((place["y"], place["x"]) for place in places)
    for place, other in combinations(places, 2):
        beside = place["x"] + place["w"] <= other["x"] or other["x"] + other["w"] <= place["x"]
        assert beside or place["y"] + place["h"] <= other["y"] or other["y"] + other["h"] <= place["y"]


@each
def test_no_hole_is_left_in_the_grid(dashboard: Dashboard) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert sum(place["w"] * place["h"] for place in places) == 24 * max(place["y"] + place["h"] for place in places)


@each
def test_the_data_source_is_the_one_that_is_chosen(dashboard: Dashboard) -> None:
    asked = [*panels(dashboard), *(target for panel in panels(dashboard) for target in panel["targets"])]
    asked += [
        *dashboard["annotations"]["list"],
        *(variable for variable in variables(dashboard).values() if "datasource" in variable),
    ]
    assert all(query["datasource"] == DATASOURCE for query in asked)
    assert variables(dashboard)["datasource"]["type"] == "datasource"


@each
def test_every_number_has_a_unit_that_grafana_knows(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        given = [
            prop["value"] for override in overrides(panel) for prop in override["properties"] if prop["id"] == "unit"
        ]
        assert set(given) <= UNITS, panel["title"]
        if panel["type"] == "table":
            assert len(given) == len(panel["targets"]), f"{panel['title']}: a unit for each value"


@each
def test_every_number_has_thresholds(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps[0]["value"] is None
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values)


@each
def test_every_series_has_a_name(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        if panel["type"] != "table" and (panel["type"] != "stat" or len(panel["targets"]) > 1):
            assert "__auto" not in [target["legendFormat"] for target in panel["targets"]], panel["title"]


@each
def test_targets_have_letters_of_their_own(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        names(panel["title"], [target["refId"] for target in panel["targets"]])


@each
def test_rates_are_over_what_suits_the_resolution(dashboard: Dashboard) -> None:
    """Over time `$__rate_interval`, for one number `$__range`, and for ratios and durations the chosen window."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            over = set(re.findall(r"\[([^\]]*)\]", target["expr"]))
            allowed = {"$window", "$__rate_interval"}
            if target["instant"]:
                allowed = {"$window", "$__range"}
                if "$__range:$__interval" in "".join(over):
                    allowed = {"$__range:$__interval", "$__rate_interval"}
            assert over <= allowed, panel["title"]


@each
def test_a_table_names_the_columns_that_it_styles(dashboard: Dashboard) -> None:
    for panel in (panel for panel in panels(dashboard) if panel["type"] == "table"):
        columns = panel["transformations"][-1]["options"]["renameByName"]
        names(panel["title"], columns.values())
        assert list(columns) == list(panel["transformations"][-1]["options"]["indexByName"])
        assert {override["matcher"]["options"] for override in overrides(panel)} <= set(columns.values()), panel[
            "title"
        ]
        assert panel["options"]["sortBy"][0]["displayName"] in columns.values()
        assert ("merge" in [transformation["id"] for transformation in panel["transformations"]]) == (
            len(panel["targets"]) > 1
        )


@each
def test_exemplars_are_asked_for_where_failures_are_drawn_over_time(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        over_time = panel["type"] == "timeseries" and panel["title"].startswith("Fail")
        assert all(target["exemplar"] == over_time for target in panel["targets"]), panel["title"]


@each
def test_variables_are_defined_explained_and_used(dashboard: Dashboard) -> None:
    defined = variables(dashboard)
    body = [
        dashboard["panels"],
        dashboard["links"],
        dashboard["annotations"],
        [variable["query"] for variable in defined.values()],
    ]
    used = set(re.findall(r"\$\{?([a-z_]\w*)", " ".join(strings(body)))) - GIVEN
    assert used == set(defined)
    assert all(variable["description"].endswith(".") and variable["label"] for variable in defined.values())


@each
def test_all_clusters_and_jobs_include_series_without_such_a_label(dashboard: Dashboard) -> None:
    for name in ("cluster", "job"):
        variable = variables(dashboard)[name]
        assert variable["includeAll"]
        assert variable["current"]["value"] == ["$__all"]
        assert re.fullmatch(variable["allValue"], "")


@each
def test_links_lead_to_dashboards_and_variables_that_there_are(dashboard: Dashboard) -> None:
    for url in (string for string in strings(dashboard) if string.startswith("/d/")):
        uid, _, query = url.removeprefix("/d/").partition("?")
        for system in ("inkit", "packagex"):
            target = variables(DASHBOARDS[uid.replace("${__value.text}", system)])
            assert set(re.findall(r"\$\{(\w+):queryparam\}|var-(\w+)=", query)) <= {
                pair for name in target for pair in ((name, ""), ("", name))
            }


@each
def test_a_dashboard_leads_to_the_others_the_failed_records_and_the_runbooks(dashboard: Dashboard) -> None:
    urls = [link["url"].partition("?")[0] for link in dashboard["links"]]
    others = [f"/d/{uid}" for uid in DASHBOARDS if uid != dashboard["uid"]]
    assert sorted(urls) == sorted([*others, "${exporter}/failures", "${exporter}/runbooks"])


def test_no_account_is_taken_along_to_where_it_cannot_be() -> None:
    for own, other in (("inkit", "packagex"), ("packagex", "inkit")):
        links = DASHBOARDS[f"batch-exporter-{own}"]["links"]
        assert ["account" in link["url"] for link in links if other in link["url"]] == [False]


def test_what_is_provisioned_is_where_the_dashboards_look() -> None:
    source = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())["datasources"][0]
    for dashboard in DASHBOARDS.values():
        assert variables(dashboard)["datasource"]["current"]["value"] == source["uid"]
    assert source["type"] == "prometheus"
    assert [destination["name"] for destination in source["jsonData"]["exemplarTraceIdDestinations"]] == ["record_id"]
    providers = yaml.safe_load((PROVISIONING / "dashboards" / "batch-exporter.yaml").read_text())["providers"]
    assert [provider["type"] for provider in providers] == ["file"]


def overrides(panel: Dashboard) -> list[Dashboard]:
    found: list[Dashboard] = panel["fieldConfig"]["overrides"]
    return found
