"""The alerts that Grafana evaluates are those that Prometheus evaluates."""

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.alerting import Rule as SdkRule

from exporter.exposition.catalog import catalog
from exporter.systems import families
from grafana.alerting import INTERVAL, seconds, templated, written_out
from tests.support import promtool
from tests.support.container_engine import output
from tests.support.grafana_alerts import FILES, FOLDER, Document, Managed, as_prometheus_rules, documents, managed
from tests.support.paths import ROOT
from tests.support.rules import alerts, named, rules

SCHEMA = json.loads((ROOT / "tests/support/schemas/grafana-alert-rules.json").read_text())
RULES = {alert.name: alert for alert in managed()}
each = pytest.mark.parametrize("alert", RULES.values(), ids=list(RULES))
FUNCTIONS = {"humanize1024", "humanizeDuration", "humanizePercentage", "reReplaceAll"}
"""Those that the texts use, and that Grafana's reference of templates has too."""
OF_GO = {"if", "else", "end", "with", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "printf", "urlquery"}
FAULTS: Mapping[str, Callable[[Document], None]] = {
    "a misspelled key of a rule": lambda rule: rule.update(keep_firing_for="5m"),
    "a misspelled key of a query": lambda rule: rule["data"][0]["model"].update(exprr="up"),
    "a state that there is not": lambda rule: rule.update(noDataState="Ok"),
    "a name that is too long for an ID": lambda rule: rule.update(uid="a" * 41),
    "an ID with a space": lambda rule: rule.update(uid="a b"),
    "a duration without a unit": lambda rule: rule.update({"for": "300"}),
    "a duration that is a number": lambda rule: rule.update({"for": 0}),
    "a query over a range": lambda rule: rule["data"][0]["model"].update(instant=False, range=True),
    "a query without a time range": lambda rule: rule["data"][0].pop("relativeTimeRange"),
    "an expression of a data source": lambda rule: rule["data"][1]["model"]["datasource"].update(uid="prometheus"),
    "a comparison that there is not": lambda rule: rule["data"][2]["model"]["conditions"][0]["evaluator"].update(
        type="above"
    ),
    "an annotation that is a number": lambda rule: rule["annotations"].update(summary=1),
}


def test_every_alert_of_prometheus_is_there_once() -> None:
    assert [alert.name for alert in managed()] == list(alerts())
    assert Counter(alert.rule["uid"].lower() for alert in managed()).most_common(1)[0][1] == 1


@each
def test_an_alert_fires_when_and_for_as_long_as_that_of_prometheus(alert: Managed) -> None:
    rule = alerts()[alert.name]
    assert alert.rule["for"] == rule.pending
    assert alert.rule.get("keepFiringFor", "1ms") == rule.keep_firing_for
    recorded = {found.name for found in rules() if found.recorded}
    if not recorded & {name for name, _ in named(rule.expr).selected}:
        assert alert.expr == rule.expr
    assert not recorded & {name for name, _ in named(alert.expr).selected}


@each
def test_an_alert_says_what_that_of_prometheus_says(alert: Managed) -> None:
    rule = alerts()[alert.name]
    assert alert.rule["labels"] == rule.labels
    said = {name: text.replace("$values.A.Value", "$value") for name, text in alert.rule["annotations"].items()}
    assert said == rule.annotations


@pytest.mark.programs
def test_alerts_of_recorded_series_fire_when_those_of_prometheus_fire(tmp_path: Path) -> None:
    """Their unit tests pass with nothing recorded. The expressions of other alerts are the same."""
    document = documents()["batch-exporter-slo.yaml"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(as_prometheus_rules(document)))
    # Without the base loader, `0x60` of a series would be a number.
    cases = yaml.load((ROOT / "tests/rules/slo.yml").read_text(), yaml.BaseLoader)  # noqa: S506
    cases["rule_files"] = ["rules.yaml"]
    for test in cases["tests"]:
        test.pop("promql_expr_test", None)
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(cases, sort_keys=False))
    assert sum(len(test["alert_rule_test"]) for test in cases["tests"] if "alert_rule_test" in test) > 10
    promtool.run("test", "rules", tmp_path / "cases.yaml")


@each
def test_a_series_with_any_value_is_an_alert_and_none_is_normal(alert: Managed) -> None:
    query, any_value, above = alert.rule["data"]
    assert query["model"]["instant"] is True
    assert any_value["model"]["expression"] == "is_number($A) || is_nan($A) || is_inf($A)"
    assert (above["model"]["expression"], above["model"]["conditions"]) == (
        any_value["refId"],
        [{"evaluator": {"type": "gt", "params": [0]}}],
    )
    assert alert.rule["condition"] == above["refId"]
    assert [part["refId"] for part in alert.rule["data"]] == [part["model"]["refId"] for part in alert.rule["data"]]
    assert alert.rule["noDataState"] == "OK"


@each
def test_one_series_of_several_ends_its_alert_when_prometheus_would(alert: Managed) -> None:
    """Grafana then counts evaluations: `keepFiringFor` applies to a query that returns nothing at all."""
    kept = seconds(alert.rule.get("keepFiringFor", "0s"))
    assert (alert.rule["missing_series_evals_to_resolve"] - 1) * INTERVAL == kept


def test_one_alert_says_that_grafana_can_not_query_prometheus() -> None:
    assert [alert.name for alert in managed() if alert.rule["execErrState"] == "Error"] == ["BatchExporterDown"]
    assert {alert.rule["execErrState"] for alert in managed()} == {"Error", "KeepLast"}


@each
def test_a_text_uses_nothing_that_grafana_s_templates_lack(alert: Managed) -> None:
    for text in alert.rule["annotations"].values():
        for action in re.findall(r"\{\{-?(.*?)-?\}\}", text):
            plain = re.sub(r'"[^"]*"', "", action)
            assert set(re.findall(r"\$\w[\w.]*", plain)) <= {"$values.A.Value"} | set(
                re.findall(r"\$labels\.\w+", plain)
            )
            words = re.findall(r"(?<![$.\w])[a-z]\w*", plain, re.IGNORECASE)
            assert set(words) <= FUNCTIONS | OF_GO, action


@each
def test_a_text_needs_no_label_that_a_series_may_lack(alert: Managed) -> None:
    """Grafana fails to render a text that passes a missing label to a function. `with` may test for the label."""
    known = {family.name: set(family.labels) - set(family.optional) for family in catalog(families())}
    text = " ".join(alert.rule["annotations"].values())
    used = set(re.findall(r"\$labels\.(\w+)", re.sub(r"with \$labels\.\w+", "", text)))
    added = {"instance", *re.findall(r'"(\w+)", "\w+", "", ""\)', alert.expr)}
    for name, _ in named(alert.expr).selected:
        if name in known:
            assert used <= known[name] | added, name


@each
def test_grafana_replaces_no_variable_of_the_environment_in_it(alert: Managed) -> None:
    """Grafana replaces them in every string but the query: $NAME in labels and names, ${NAME} in annotations."""
    plain = [str(value) for key, value in alert.rule.items() if key not in ("data", "annotations")]
    assert "$" not in "".join([*plain, *map(str, alert.rule["labels"].items()), alert.group["folder"]])
    assert "${" not in "".join(alert.rule["annotations"].values())


def test_the_files_are_as_grafana_s_documentation_has_them() -> None:
    for document in documents().values():
        jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_schema_sees_what_it_is_asked_for(fault: str) -> None:
    wrong = copy.deepcopy(documents()["batch-exporter-failures.yaml"])
    FAULTS[fault](wrong["groups"][0]["rules"][0])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


IN_THE_API = {"keepFiringFor": "keep_firing_for", "missing_series_evals_to_resolve": "missingSeriesEvalsToResolve"}
"""Keys of a file that are named differently in the API, whose types the SDK has."""


def through_the_sdk(rule: Document) -> tuple[Document, Any]:
    """Return a rule with the keys of the API, before and after the SDK has read and written it."""
    register_default_plugins()
    before = {IN_THE_API.get(key, key): value for key, value in rule.items()}
    return before, json.loads(JSONEncoder().encode(SdkRule.from_json(copy.deepcopy(before))))


@each
def test_the_sdk_knows_every_key(alert: Managed) -> None:
    before, after = through_the_sdk(alert.rule)
    assert {key: after.get(key) for key in before} == before


@pytest.mark.parametrize("part", [0, 1, 2])
def test_the_sdk_sees_a_misspelled_key_of_a_query_and_of_an_expression(part: int) -> None:
    rule = copy.deepcopy(next(managed()).rule)
    rule["data"][part]["model"]["unknown"] = "1"
    before, after = through_the_sdk(rule)
    assert after["data"] != before["data"]


def test_they_query_the_data_source_that_is_provisioned_and_stand_in_the_dashboards_folder() -> None:
    provisioning = FOLDER.parent / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"][0]
    provider = yaml.safe_load((provisioning / "dashboards" / "batch-exporter.yaml").read_text())["providers"][0]
    for alert in managed():
        query = alert.rule["data"][0]
        assert (query["datasourceUid"], query["model"]["datasource"]["uid"]) == (source["uid"],) * 2
        assert alert.group["folder"] == provider["folder"]
        assert seconds(alert.group["interval"]) % 10 == 0


def test_an_action_with_a_value_is_converted_and_other_text_is_not() -> None:
    assert templated("{{ $value }} {{ if ne $value 1.0 }}s{{ end }}") == (
        "{{ $values.A.Value }} {{ if ne $values.A.Value 1.0 }}s{{ end }}"
    )
    assert templated("{{ $labels.value }} $values.B $valued") == "{{ $labels.value }} $values.B $valued"


ONE = {"a:b": [{"expr": "sum by (status) (rate(c_total{d='e'}[5m]))", "labels": {"kind": "f"}}]}


@pytest.mark.parametrize(
    ("expr", "written"),
    [
        ("c", "c"),
        ("a:b > 1", """(label_replace(sum by (status) (rate(c_total{d='e'}[5m])), "kind", "f", "", "")) > 1"""),
        (
            'a:b{status="x"}',
            """(label_replace(sum by (status) (rate(c_total{d='e',status="x"}[5m])), "kind", "f", "", ""))""",
        ),
    ],
)
def test_a_recorded_series_is_replaced_by_what_is_recorded(expr: str, written: str) -> None:
    assert written_out(expr, ONE) == written


@pytest.mark.parametrize("matchers", ['kind="f"', 'd!="e"', 'status="x",kind="f"'])
def test_a_label_that_is_not_in_what_is_recorded_can_not_be_selected(matchers: str) -> None:
    with pytest.raises(ValueError, match="can't be selected before it is recorded"):
        written_out(f"a:b{{{matchers}}}", ONE)


def test_a_duration_of_several_units_is_refused() -> None:
    assert [seconds(duration) for duration in ("0s", "5m", "2h")] == [0, 300, 7200]
    with pytest.raises(ValueError, match="1h30m: not a number and one of s, m, h"):
        seconds("1h30m")


def test_no_other_file_of_the_folder_is_one_that_grafana_would_read() -> None:
    assert [path for path in sorted(FOLDER.iterdir()) if path.suffix in {".json", ".yaml", ".yml"}] == FILES


@pytest.mark.programs
def test_kustomize_makes_a_config_map_of_them_for_the_sidecar() -> None:
    made = yaml.safe_load(output("kubectl", "kustomize", FOLDER))
    assert made["metadata"]["labels"]["grafana_alert"] == "1"
    assert made["data"] == {path.name: path.read_text() for path in FILES}
