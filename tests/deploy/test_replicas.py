"""Replicas that share PostgreSQL: the manifests and the chart say the same, and neither runs two on a file."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from exporter.cli.main import run
from tests.deploy.test_kubernetes import PLAIN, WAYS, configuration, plainly, same
from tests.support.manifests import ALL_ON, Manifests, judge, kustomized, only, pod, rendered
from tests.support.paths import ROOT

pytestmark = [pytest.mark.programs, pytest.mark.slow]

TWO: dict[str, Any] = {
    **ALL_ON,
    "serviceMonitor": {"enabled": False},
    "podMonitor": {"enabled": True},
    "replicaCount": 2,
    "state": {"existingSecret": "batch-exporter-state"},
}
RELABELED = [
    {"sourceLabels": ["account"], "regex": ".+", "targetLabel": "instance", "replacement": "batch-exporter"},
    {"sourceLabels": ["account"], "regex": ".+", "targetLabel": "pod", "replacement": ""},
]


@pytest.fixture(scope="module")
def both() -> dict[str, Manifests]:
    return {PLAIN: kustomized("deploy/kubernetes/replicas"), "chart": rendered(TWO)}


@pytest.fixture(params=WAYS)
def manifests(request: pytest.FixtureRequest, both: dict[str, Manifests]) -> Manifests:
    return both[request.param]


def test_every_manifest_is_as_its_schema_has_it(manifests: Manifests) -> None:
    for manifest in manifests.values():
        judge(manifest)


def test_a_misspelled_key_of_a_pod_monitor_does_not_pass(both: dict[str, Manifests]) -> None:
    wrong = json.loads(json.dumps(only(both[PLAIN], "PodMonitor")))
    wrong["spec"]["podMetricsEndpoints"][0]["metricRelabelling"] = []
    with pytest.raises(jsonschema.ValidationError, match="metricRelabelling"):
        judge(wrong)


def test_manifests_and_chart_say_the_same(both: dict[str, Manifests]) -> None:
    plain, chart = both[PLAIN], both["chart"]
    assert {kind for kind, _ in chart} >= {"PodMonitor", "PodDisruptionBudget", "NetworkPolicy", "Service"}
    same(plain, chart)
    for made in (plain, chart):
        config = yaml.safe_load(configuration(made)["data"]["config.yaml"])
        assert config == yaml.safe_load((ROOT / "deploy/kubernetes/replicas/config.yaml").read_text())


def test_manifests_and_chart_run_the_same_pods(both: dict[str, Manifests]) -> None:
    plain, chart = (plainly(only(made, "Deployment")["spec"]) for made in (both[PLAIN], both["chart"]))
    for spec in (plain, chart):
        template = spec["template"]
        template["metadata"].pop("annotations", None)
        template["spec"]["containers"][0].pop("imagePullPolicy", None)
        template["spec"]["containers"][0]["volumeMounts"].sort(key=lambda mount: mount["name"])
        template["spec"]["volumes"].sort(key=lambda volume: volume["name"])
        template["spec"]["volumes"][0]["configMap"]["name"] = ""
    assert plain == chart


def test_two_pods_share_accounts_and_one_more_comes_before_one_goes(manifests: Manifests) -> None:
    spec = only(manifests, "Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    (spread,) = pod(manifests)["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert only(manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert only(manifests, "PodDisruptionBudget")["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    labels = spec["template"]["metadata"]["labels"].items()
    for selector in (spread["labelSelector"], only(manifests, "PodDisruptionBudget")["spec"]["selector"]):
        assert selector["matchLabels"].items() <= labels


def test_a_pod_has_no_volume_and_the_url_of_the_database_is_a_file_from_a_secret(manifests: Manifests) -> None:
    assert "PersistentVolumeClaim" not in {kind for kind, _ in manifests}
    kinds = {volume["name"]: set(volume) - {"name"} for volume in pod(manifests)["volumes"]}
    assert kinds == {"config": {"configMap"}, "tokens": {"secret"}, "state": {"secret"}}
    mounts = {mount["name"]: mount for mount in pod(manifests)["containers"][0]["volumeMounts"]}
    assert all(mount["readOnly"] for mount in mounts.values())
    config = yaml.safe_load(configuration(manifests)["data"]["config.yaml"])
    assert config["state"] == {"url_file": mounts["state"]["mountPath"] + "/url"}
    jsonschema.validate(config, json.loads((ROOT / "docs/config.schema.json").read_text()))
    assert {"Secret", "ServiceMonitor"}.isdisjoint(kind for kind, _ in manifests)


def test_the_pods_may_reach_the_database(manifests: Manifests) -> None:
    ports = [port["port"] for rule in only(manifests, "NetworkPolicy")["spec"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 5353, 5353, 443, 5432]


def test_every_pod_is_scraped_and_series_of_accounts_are_relabelled(manifests: Manifests) -> None:
    monitor = only(manifests, "PodMonitor")["spec"]
    template = only(manifests, "Deployment")["spec"]["template"]
    assert monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    assert endpoint["metricRelabelings"] == RELABELED
    assert template["metadata"]["labels"][monitor["jobLabel"]] == "batch-exporter"


@pytest.mark.parametrize(
    "values",
    [
        {"replicaCount": 2},
        {"replicaCount": 2, "state": {"existingSecret": ""}},
        {"replicaCount": 0},
        {"replicaCount": "2"},
        {"state": {"existingSecret": "s"}, "config": {"state": {"path": "/data/x.db"}}},
        {"config": {"state": {"url": "postgresql://u:p@db/x"}}},
        {"config": {"state": {"url_file": "/x"}}},
        {"state": {"url": "postgresql://u:p@db/x"}},
    ],
)
def test_values_that_would_run_two_on_a_file_or_hold_a_password_are_refused(values: dict[str, Any]) -> None:
    from helm_python import HelmError

    with pytest.raises(HelmError):
        rendered(values)


def test_one_replica_may_have_its_state_in_postgresql_too() -> None:
    made = rendered({"state": {"existingSecret": "s"}, "config": {"state": {"pool_size": 2}}})
    assert only(made, "Deployment")["spec"]["replicas"] == 1
    assert "PodDisruptionBudget" not in {kind for kind, _ in made}
    config = yaml.safe_load(configuration(made)["data"]["config.yaml"])
    assert config["state"] == {"pool_size": 2, "url_file": "/run/secrets/batch-exporter-state/url"}


def test_a_path_of_the_state_file_is_kept() -> None:
    config = yaml.safe_load(
        configuration(rendered({"config": {"state": {"path": "/data/x.db"}}}))["data"]["config.yaml"]
    )
    assert config["state"] == {"path": "/data/x.db"}


def test_the_example_of_the_secret_fits(both: dict[str, Manifests], tmp_path: Path) -> None:
    secret = yaml.safe_load((ROOT / "deploy/kubernetes/replicas/secret.example.yaml").read_text())
    judge(secret)
    (volume,) = [volume for volume in pod(both[PLAIN])["volumes"] if volume["name"] == "state"]
    assert secret["metadata"]["name"] == volume["secret"]["secretName"]
    url = secret["stringData"]["url"]
    assert "sslmode=verify-full" in url
    (tmp_path / "url").write_text(url)
    (tmp_path / "token").write_text("t0ken-of-length")
    (tmp_path / "config.yaml").write_text(
        "state: {url_file: url}\naccounts: [{name: a, system: inkit, api_token_file: token}]\n"
    )
    assert run(["check", f"--config.file={tmp_path / 'config.yaml'}"]) == 0
