"""What values change in the alerts, and that they change nothing else; and how manifests are named and labeled."""

import re
from copy import deepcopy
from typing import Any

import pytest

from tests.support.manifests import Manifests, groups, only, pod, refusal, rendered

pytestmark = [pytest.mark.programs, pytest.mark.slow]

ON = {"enabled": True}
LOCAL = {"externalUrl": "http://localhost:10977"}


def rules(**values: Any) -> dict[str, dict[str, Any]]:
    """Return the alerts that the chart makes, by name."""
    made = rendered({**LOCAL, "prometheusRule": {**ON, **values}})
    return alerts(only(made, "PrometheusRule")["spec"]["groups"])


def alerts(given: list[Any]) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in given for rule in group["rules"] if "alert" in rule}


def test_without_values_alerts_are_those_of_prometheus() -> None:
    assert rules() == alerts(groups())


@pytest.mark.parametrize(
    ("custom", "key", "value"),
    [
        ({"severity": "info"}, "labels", {"severity": "info", "system": "inkit"}),
        ({"for": "10m"}, "for", "10m"),
        ({"keepFiringFor": "1h"}, "keep_firing_for", "1h"),
    ],
)
def test_a_custom_rule_changes_one_alert_in_one_place(custom: dict[str, Any], key: str, value: Any) -> None:
    expected = alerts(groups())
    expected["InkitBatchFailed"] = {**expected["InkitBatchFailed"], key: value}
    assert rules(customRules={"InkitBatchFailed": custom}) == expected


def test_a_threshold_takes_the_place_of_the_number_at_the_end_of_an_expression() -> None:
    expected, custom = {}, {}
    for at, (name, rule) in enumerate(alerts(groups()).items()):
        text = rule["expr"].strip()
        number = re.search(r"[<>]=? ([0-9.]+)(\)*)$", text)
        if number is None:
            assert f"prometheusRule.customRules.{name}.threshold: " in refusal(
                {"prometheusRule": {"customRules": {name: {"threshold": 7.5}}}}
            )
        else:
            custom[name] = {"threshold": at + 0.5}
            expected[name] = {**rule, "expr": f"{text[: number.start(1)]}{at + 0.5}{number[2]}"}
    assert rules(customRules=custom) == alerts(groups()) | expected


def test_alerts_are_left_out_by_name_and_a_false_keeps_them() -> None:
    left = rules(disabled={"InkitBatchFailed": True, "InkitGenerationFailed": False})
    assert set(alerts(groups())) - set(left) == {"InkitBatchFailed"}


def test_a_group_whose_alerts_are_all_left_out_is_left_out() -> None:
    (health,) = [group for group in groups() if group["name"] == "batch-exporter-in-flight"]
    names = {rule["alert"]: True for rule in health["rules"]}
    made = rendered({"prometheusRule": {**ON, "disabled": names}})
    found = [group["name"] for group in only(made, "PrometheusRule")["spec"]["groups"]]
    assert found == [group["name"] for group in groups() if group != health]


def test_labels_come_to_every_alert_and_a_severity_of_its_own_wins() -> None:
    made = rules(
        additionalRuleLabels={"team": "x", "severity": "info"}, customRules={"InkitBatchFailed": {"severity": "page"}}
    )
    assert {rule["labels"]["team"] for rule in made.values()} == {"x"}
    assert made["InkitBatchFailed"]["labels"]["severity"] == "page"
    assert made["InkitGenerationFailed"]["labels"]["severity"] == "info"


def test_rules_of_your_own_are_a_group_beside_those_of_the_project() -> None:
    record = {"record": "account:batches:rate1d", "expr": "vector(1)"}
    alert = {
        "alert": "Mine",
        "expr": "up == 0",
        "labels": {"severity": "info"},
        "annotations": {"summary": "{{ $value }}"},
    }
    made = rendered(
        {
            **LOCAL,
            "prometheusRule": {**ON, "rules": [record, alert], "additionalRuleLabels": {"severity": "x", "team": "y"}},
        }
    )
    *others, own = only(made, "PrometheusRule")["spec"]["groups"]
    assert [group["name"] for group in others] == [group["name"] for group in groups()]
    assert own == {
        "name": "batch-exporter-own",
        "rules": [record, {**alert, "labels": {"severity": "info", "team": "y"}}],
    }


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"alert": "Mine", "expr": "up", "keepFiringFor": "1m"}, "keep_firing_for"),
        ({"alert": "Mine", "record": "a:b:c", "expr": "up"}, "oneOf"),
        ({"expr": "up"}, "oneOf"),
        ({"alert": "Mine"}, "expr"),
    ],
)
def test_a_rule_of_your_own_that_prometheus_would_refuse_is_refused(rule: dict[str, Any], said: str) -> None:
    assert f"'{said}'" in refusal({"prometheusRule": {**ON, "rules": [rule]}})


@pytest.mark.parametrize("objective", [0.5, 0.9995])
def test_the_objective_is_a_value(objective: float) -> None:
    made = rendered({"prometheusRule": {**ON, "objective": objective}})
    found = [
        rule["expr"]
        for group in only(made, "PrometheusRule")["spec"]["groups"]
        for rule in group["rules"]
        if rule.get("record") == "batch_exporter:objective:ratio"
    ]
    assert found == [f"vector({objective})"]


@pytest.mark.parametrize("objective", [0, 1, 99, -0.5, "0.9"])
def test_an_objective_that_is_no_share_is_refused(objective: Any) -> None:
    assert "/prometheusRule/objective" in refusal({"prometheusRule": {"objective": objective}})


def names(made: Manifests) -> set[str]:
    return {name for _, name in made}


def test_names_follow_the_overrides() -> None:
    assert names(rendered({}, "rel")) == {"rel-batch-exporter"}
    assert names(rendered({}, "my-batch-exporter")) == {"my-batch-exporter"}
    assert names(rendered({"nameOverride": "watch"}, "rel")) == {"rel-watch"}
    assert names(rendered({"fullnameOverride": "watch", "nameOverride": "x"}, "rel")) == {"watch"}
    for kind, name in rendered({"dashboards": ON, "serviceMonitor": ON}, "r" * 53):
        assert len(name) <= (253 if kind == "ConfigMap" else 63)


def test_labels_of_values_never_replace_what_is_selected_by() -> None:
    wrong = {"app.kubernetes.io/name": "x", "app.kubernetes.io/instance": "y"}
    made = rendered(
        {
            "commonLabels": wrong,
            "podLabels": wrong,
            "service": {"labels": wrong},
            "serviceMonitor": {**ON, "labels": wrong},
        }
    )
    assert made == rendered({"serviceMonitor": ON})


def test_labels_for_all_are_on_everything_and_on_the_pods() -> None:
    every = dict.fromkeys(("prometheusRule", "dashboards", "serviceMonitor"), ON)
    made = rendered({"commonLabels": {"team": "x"}, **every})
    assert {manifest["metadata"]["labels"]["team"] for manifest in made.values()} == {"x"}
    assert only(made, "Deployment")["spec"]["template"]["metadata"]["labels"]["team"] == "x"
    assert "team" not in only(made, "Deployment")["spec"]["selector"]["matchLabels"]


def test_replicas_keep_their_relabelling_before_that_of_values() -> None:
    own = [{"sourceLabels": ["__name__"], "regex": "python_.*", "action": "drop"}]
    replicas = {"replicaCount": 2, "state": {"existingSecret": "s"}}
    for monitor, kind, key in (
        ("serviceMonitor", "ServiceMonitor", "endpoints"),
        ("podMonitor", "PodMonitor", "podMetricsEndpoints"),
    ):
        made = rendered({**replicas, monitor: {**ON, "metricRelabelings": own}}, "rel")
        relabelings = only(made, kind)["spec"][key][0]["metricRelabelings"]
        assert [(rule.get("targetLabel"), rule.get("replacement")) for rule in relabelings] == [
            ("instance", "rel-batch-exporter"),
            ("pod", ""),
            (None, None),
        ]
        alone = rendered({monitor: ON})
        assert "metricRelabelings" not in only(alone, kind)["spec"][key][0]


def test_a_new_configuration_restarts_the_pods_and_one_of_yours_does_not_count() -> None:
    def annotations(values: dict[str, Any]) -> Any:
        return only(rendered(values), "Deployment")["spec"]["template"]["metadata"].get("annotations")

    assert annotations({}) != annotations({"config": {"poll_interval": "30s"}})
    assert annotations({"existingConfig": {"configMap": "x"}}) is None


def test_a_service_account_is_made_or_named() -> None:
    assert pod(rendered({}))["serviceAccountName"] == only(rendered({}), "ServiceAccount")["metadata"]["name"]
    for values, name in (({"create": False}, "default"), ({"create": False, "name": "x"}, "x"), ({"name": "x"}, "x")):
        made = rendered({"serviceAccount": values})
        assert pod(made)["serviceAccountName"] == name
        assert ("ServiceAccount" in {kind for kind, _ in made}) == ("create" not in values)
        assert pod(made)["automountServiceAccountToken"] is False


def test_an_ingress_is_what_alerts_link_to() -> None:
    ingress = deepcopy({**ON, "hosts": [{"host": "x.example", "paths": [{"path": "/be/"}]}]})
    for tls, link in (([], "http://x.example/be/runbooks"), ([{"secretName": "t"}], "https://x.example/be/runbooks")):
        made = rendered({"ingress": {**ingress, "tls": tls}, "prometheusRule": ON})
        found = alerts(only(made, "PrometheusRule")["spec"]["groups"])["InkitBatchFailed"]["annotations"]["runbook_url"]
        assert found == f"{link}#inkitbatchfailed"
    service = {"service": {"port": 80}, "prometheusRule": ON}
    found = alerts(only(rendered(service), "PrometheusRule")["spec"]["groups"])["InkitBatchFailed"]["annotations"]
    assert found["runbook_url"].startswith("http://batch-exporter.batch-exporter.svc:80/")
