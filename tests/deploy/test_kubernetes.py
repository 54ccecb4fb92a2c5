"""The manifests and the chart are equal and valid, and have the rules and dashboards unchanged."""

import json
from copy import deepcopy
from typing import Any

import jsonschema
import pytest
import yaml

from exporter import __version__
from tests.support.container_engine import output
from tests.support.manifests import (
    ALL_ON,
    CHART,
    Manifest,
    Manifests,
    dashboards,
    groups,
    judge,
    kustomized,
    only,
    pod,
    rendered,
)
from tests.support.paths import ROOT

pytestmark = [pytest.mark.programs, pytest.mark.slow]

PLAIN = "plain"
WAYS = (PLAIN, "chart")


@pytest.fixture(scope="module")
def both() -> dict[str, Manifests]:
    return {PLAIN: kustomized("deploy/kubernetes/operator"), "chart": rendered(ALL_ON)}


@pytest.fixture(params=WAYS)
def manifests(request: pytest.FixtureRequest, both: dict[str, Manifests]) -> Manifests:
    return both[request.param]


def configuration(manifests: Manifests) -> Manifest:
    return next(
        manifest
        for (kind, _), manifest in manifests.items()
        if kind == "ConfigMap" and "config.yaml" in manifest["data"]
    )


def test_every_manifest_is_as_its_schema_has_it(manifests: Manifests) -> None:
    for manifest in manifests.values():
        judge(manifest)


@pytest.mark.parametrize(
    ("kind", "place"),
    [("Deployment", ("spec", "template", "spec")), ("ServiceMonitor", ("spec",)), ("PrometheusRule", ("spec",))],
)
def test_a_misspelled_key_does_not_pass_the_schemas(
    both: dict[str, Manifests], kind: str, place: tuple[str, ...]
) -> None:
    import kubernetes_validate

    wrong = deepcopy(only(both[PLAIN], kind))
    inner = wrong
    for name in place:
        inner = inner[name]
    inner["misspelled"] = 1
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError), match="misspelled"):
        judge(wrong)


def test_the_example_of_the_secret_fits_the_configuration(both: dict[str, Manifests]) -> None:
    secret = yaml.safe_load((ROOT / "deploy/kubernetes/exporter/secret.example.yaml").read_text())
    judge(secret)
    volumes = {volume["name"]: volume for volume in pod(both[PLAIN])["volumes"]}
    assert secret["metadata"]["name"] == volumes["tokens"]["secret"]["secretName"]
    accounts = yaml.safe_load(configuration(both[PLAIN])["data"]["config.yaml"])["accounts"]
    assert {account["api_token_file"].rpartition("/")[2] for account in accounts} == set(secret["stringData"])


def test_nothing_that_is_applied_holds_a_secret(manifests: Manifests) -> None:
    assert "Secret" not in {kind for kind, _ in manifests}
    assert all("env" not in container and "envFrom" not in container for container in pod(manifests)["containers"])


def test_the_configuration_is_valid_and_its_files_are_where_the_pod_has_them(manifests: Manifests) -> None:
    config = yaml.safe_load(configuration(manifests)["data"]["config.yaml"])
    jsonschema.validate(config, json.loads((ROOT / "docs/config.schema.json").read_text()))
    mounts = {mount["name"]: mount["mountPath"] for mount in pod(manifests)["containers"][0]["volumeMounts"]}
    assert config["state"]["path"].startswith(mounts["state"] + "/")
    assert all(account["api_token_file"].startswith(mounts["tokens"] + "/") for account in config["accounts"])
    assert pod(manifests)["containers"][0]["args"] == [f"--config.file={mounts['config']}/config.yaml"]


def test_whole_volumes_are_mounted_because_a_sub_path_would_keep_the_old_token(manifests: Manifests) -> None:
    mounts = pod(manifests)["containers"][0]["volumeMounts"]
    assert [mount for mount in mounts if {"subPath", "subPathExpr"} & mount.keys()] == []


def test_manifests_and_chart_run_the_same_pod(both: dict[str, Manifests]) -> None:
    plain, chart = deepcopy(pod(both[PLAIN])), deepcopy(pod(both["chart"]))
    # Kustomize adds a hash of the content to the name; the chart annotates the pod.
    for manifest in (plain, chart):
        manifest["volumes"][0]["configMap"]["name"] = "batch-exporter"
    # The chart states what is Kubernetes' default for a tag.
    assert chart["containers"][0].pop("imagePullPolicy") == "IfNotPresent"
    assert plain == chart


def plainly(value: Any) -> Any:
    """Return the value without the label that the chart adds to selectors, and with any white space as one space.

    Kustomize rewrites folded text and adds an empty line before what is indented. Neither changes PromQL.
    """
    if isinstance(value, dict):
        return {key: plainly(inner) for key, inner in value.items() if key != "app.kubernetes.io/instance"}
    if isinstance(value, str):
        return " ".join(value.split())
    return [plainly(inner) for inner in value] if isinstance(value, list) else value


OF_THE_CHART = {"app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"}


def same(plain: Manifests, chart: Manifests) -> None:
    """Assert that both have the same manifests with the same content, except for the chart's labels and pods."""

    def said(manifests: Manifests) -> dict[tuple[str, str], Any]:
        found = {}
        for (kind, _), manifest in manifests.items():
            plain = plainly(manifest)
            for label in OF_THE_CHART & plain["metadata"]["labels"].keys():
                del plain["metadata"]["labels"][label]
            if kind == "Deployment":
                del plain["spec"]["template"]
            if kind == "ConfigMap":
                # Kustomize adds a hash of the content to the name.
                (file,) = manifest["data"]
                plain["metadata"]["name"] = file
                plain["data"] = yaml.safe_load(manifest["data"][file])
            if kind != "Namespace":
                found[kind, plain["metadata"]["name"]] = plain
        return found

    expected, found = said(plain), said(chart)
    assert expected.keys() == found.keys()
    for key, manifest in expected.items():
        for part in manifest.keys() | found[key].keys():
            assert manifest.get(part) == found[key].get(part), (*key, part)


def test_manifests_and_chart_say_the_same(both: dict[str, Manifests]) -> None:
    same(both[PLAIN], both["chart"])
    same(
        kustomized("deploy/kubernetes/exporter"),
        rendered({"dashboards": {"enabled": True}, "externalUrl": "http://localhost:10977"}),
    )


def test_a_cluster_without_the_operator_gets_the_same_and_nothing_of_the_operators(both: dict[str, Manifests]) -> None:
    alone = kustomized("deploy/kubernetes/exporter")
    operators = {
        key for key, manifest in both[PLAIN].items() if manifest["apiVersion"].startswith("monitoring.coreos.com/")
    }
    assert alone == {key: manifest for key, manifest in both[PLAIN].items() if key not in operators}
    assert {kind for kind, _ in operators} == {"ServiceMonitor", "PrometheusRule"}
    made = rendered({"dashboards": {"enabled": True}})
    assert {kind for kind, _ in made} == {kind for kind, _ in alone} - {"Namespace"}


def test_there_is_never_more_than_one_exporter(manifests: Manifests) -> None:
    spec = only(manifests, "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_pod_asks_for_no_more_than_the_restricted_standard_allows(both: dict[str, Manifests]) -> None:
    labels = only(both[PLAIN], "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    spec = pod(both[PLAIN])
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(spec)
    assert spec["automountServiceAccountToken"] is False
    container = spec["containers"][0]["securityContext"]
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert (container["allowPrivilegeEscalation"], container["readOnlyRootFilesystem"]) == (False, True)
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    assert all(set(volume) - {"name"} <= allowed for volume in spec["volumes"])


def test_everything_has_the_label_that_it_is_found_by(manifests: Manifests) -> None:
    labels = [manifest["metadata"]["labels"]["app.kubernetes.io/name"] for manifest in manifests.values()]
    assert set(labels) == {"batch-exporter"}


def test_what_selects_finds_what_it_means(manifests: Manifests) -> None:
    template = only(manifests, "Deployment")["spec"]["template"]
    ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    service, monitor = only(manifests, "Service"), only(manifests, "ServiceMonitor")["spec"]
    labels = template["metadata"]["labels"].items()
    assert only(manifests, "Deployment")["spec"]["selector"]["matchLabels"].items() <= labels
    assert only(manifests, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= labels
    assert {port["targetPort"] for port in service["spec"]["ports"]} == ports
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_it_is_scraped_while_it_is_not_ready(manifests: Manifests) -> None:
    assert only(manifests, "Service")["spec"]["publishNotReadyAddresses"] is True


def test_the_job_has_the_name_that_the_rules_look_for(manifests: Manifests) -> None:
    label = only(manifests, "ServiceMonitor")["spec"]["jobLabel"]
    job = only(manifests, "Service")["metadata"]["labels"][label]
    assert f'up{{job="{job}"}}' in json.dumps(groups()).replace('\\"', '"')


def test_the_rules_are_those_of_prometheus(manifests: Manifests) -> None:
    assert plainly(only(manifests, "PrometheusRule")["spec"]["groups"]) == plainly(groups()) != []


def test_the_manifest_of_the_rules_is_what_its_script_prints() -> None:
    folder = ROOT / "deploy/kubernetes/operator"
    assert (folder / "prometheusrule.yaml").read_text() == output(folder / "prometheusrule.sh"), "run: make manifests"


def test_every_dashboard_is_there_as_it_is(manifests: Manifests) -> None:
    labeled = [
        manifest
        for manifest in manifests.values()
        if manifest["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
    ]
    assert {name: text for manifest in labeled for name, text in manifest["data"].items()} == dashboards() != {}


def test_versions_are_the_programs(both: dict[str, Manifests]) -> None:
    from helm_python import Chart

    with Chart.load(CHART) as chart:
        assert chart.metadata["appVersion"] == __version__
    assert pod(both[PLAIN])["containers"][0]["image"] == f"batch-exporter:{__version__}"
