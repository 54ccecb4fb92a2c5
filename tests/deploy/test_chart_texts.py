"""What is a text in the values, the release or the chart is a text in manifests, and one that Kubernetes takes."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.manifests import CHART, Manifests, only, pod, refusal, rendered

pytestmark = [pytest.mark.programs, pytest.mark.slow]

PLAIN = "plainword"
OTHERWISE = ["123", "0x1f", "1.5", "null", "true", "no"]
"""Names that Kubernetes takes, and that YAML reads as something else than text."""
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
SERVICE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the chart without its schema, which is most of the time that it takes."""
    folder = tmp_path_factory.mktemp("chart") / CHART.name
    shutil.copytree(CHART, folder, ignore=shutil.ignore_patterns("values.schema.json"))
    return folder


def in_a_file(word: str) -> dict[str, Any]:
    """Return values with the word wherever any name may be, for a state in a file."""
    return {
        "commonLabels": {"team": word},
        "dashboards": {"enabled": True, "namespace": word, "annotations": {"folder": word}},
        "existingConfig": {"configMap": word, "key": word},
        "extraEnv": [{"name": "A", "value": word}],
        "image": {"repository": word, "tag": word},
        "imagePullSecrets": [{"name": word}],
        "ingress": {"enabled": True, "className": word, "hosts": [{"host": word, "paths": [{"path": f"/{word}"}]}]},
        "namespaceOverride": word,
        "networkPolicy": {"monitoringNamespace": word, "extraNamespaces": [word]},
        "persistence": {"existingClaim": word},
        "podMonitor": {"enabled": True, "namespace": f"{word}-monitoring", "scheme": "http"},
        "priorityClassName": word,
        "serviceAccount": {"name": word},
        "tokens": {"secretName": word},
        "webConfig": {"existingSecret": word, "existingSecretSets": [], "key": word, "tlsSecret": word},
    }


def in_a_database(word: str) -> dict[str, Any]:
    """Return values with the word where the others have it not."""
    return {
        "existingConfig": {"secret": word},
        "fullnameOverride": word if word[0].isalpha() else "exporter",
        "nameOverride": word if word[0].isalpha() else "exporter",
        "replicaCount": 2,
        "route": {"main": {"enabled": True, "parentRefs": [{"name": word}], "hostnames": [word]}},
        "service": {"labels": {"a": word}, "annotations": {"b": word}},
        "serviceMonitor": {"enabled": True, "namespace": word, "tlsConfig": {"serverName": word}},
        "state": {"existingSecret": word},
        "webConfig": {"config": {"basic_auth_users": {}, "http_server_config": {"http2": False}}, "key": word},
    }


def in_a_claim(word: str) -> dict[str, Any]:
    return {
        "persistence": {"storageClassName": word, "annotations": {"a": word}},
        "webConfig": {"config": {"http_server_config": {"http2": False}}, "key": word},
    }


def listed(made: Manifests) -> Any:
    return json.loads(json.dumps(list(made.values())))


@pytest.mark.parametrize("values", [in_a_file, in_a_database, in_a_claim])
def test_a_text_stays_one_whatever_yaml_would_take_it_for(values: Any, unchecked: Path) -> None:
    for word in OTHERWISE:
        plain, given = values(PLAIN), values(word)
        if "fullnameOverride" in given and not word[0].isalpha():
            plain |= {name: given[name] for name in ("fullnameOverride", "nameOverride")}
        release = word if word[0].isalpha() or "fullnameOverride" in given else "some"
        expected = rendered(plain, release if release == "some" else PLAIN, unchecked)
        expected_text = json.dumps(listed(expected)).replace(PLAIN, word)
        assert listed(rendered(given, release, unchecked)) == json.loads(expected_text), word


@pytest.mark.parametrize("release", ["my.release", "null", f"{'a' * 46}.b.c.d", "batch-exporter.blue"])
def test_a_release_has_a_service_whatever_its_name(release: str) -> None:
    made = rendered({}, release)
    assert SERVICE_NAME.fullmatch(only(made, "Service")["metadata"]["name"])
    assert only(made, "Service")["spec"]["selector"]["app.kubernetes.io/instance"] == release


@pytest.mark.parametrize("release", ["1st", "123"])
def test_a_release_whose_name_no_service_can_have_is_refused_with_the_value_that_helps(release: str) -> None:
    assert "fullnameOverride: the name of a Service begins with a letter and has no others" in refusal({}, release)
    assert f"the release makes it {release}-batch-exporter; set one" in refusal({}, release)
    made = rendered({"fullnameOverride": "first"}, release)
    assert only(made, "Service")["spec"]["selector"]["app.kubernetes.io/instance"] == release


@pytest.mark.parametrize("version", ["0.2.0+0123456789ab", f"0.2.0-{'a.' * 40}b+c"])
def test_labels_are_valid_with_a_version_that_flux_has_made(version: str, unchecked: Path, tmp_path: Path) -> None:
    folder = tmp_path / CHART.name
    shutil.copytree(unchecked, folder)
    chart = folder / "Chart.yaml"
    chart.write_text(re.sub(r"(?m)^(version|appVersion): .*", rf"\1: {version}", chart.read_text()))
    for (kind, _), manifest in rendered({"image": {"tag": "1"}}, folder=folder).items():
        for name, value in manifest["metadata"]["labels"].items():
            assert LABEL.fullmatch(value), (kind, name, value)


@pytest.mark.parametrize(
    ("alias", "name"),
    [("exporter-eu", "exporter-eu"), ("batchExporter", "batchexporter"), ("batch_exporter", "batch-exporter")],
)
def test_a_chart_above_this_one_may_call_it_as_it_likes(alias: str, name: str, tmp_path: Path) -> None:
    """Helm then has the alias in the place of the chart's name; the rules look for a job of the usual name."""
    above = tmp_path / "above"
    shutil.copytree(CHART, above / "charts" / CHART.name, ignore=shutil.ignore_patterns("files"))
    dependency = {"name": CHART.name, "version": "0.2.0", "alias": alias, "condition": f"{alias}.enabled"}
    chart = {"apiVersion": "v2", "name": "above", "version": "1.0.0", "dependencies": [dependency]}
    (above / "Chart.yaml").write_text(json.dumps(chart))
    for monitor, endpoints in (("serviceMonitor", "endpoints"), ("podMonitor", "podMetricsEndpoints")):
        values = {"global": {"a": 1}, alias: {"enabled": True, monitor: {"enabled": True}}}
        made = rendered(values, "some", above)
        service = only(made, "Service")["metadata"]
        assert service["name"] == f"some-{name}"
        assert service["labels"]["app.kubernetes.io/name"] == name
        [endpoint] = only(made, monitor[0].upper() + monitor[1:])["spec"][endpoints]
        jobs = [rule["replacement"] for rule in endpoint.get("relabelings", []) if rule["targetLabel"] == "job"]
        assert jobs == ([] if name == "batch-exporter" else ["batch-exporter"])
    assert rendered({alias: {"enabled": False}}, "some", above) == {}


@pytest.mark.parametrize("section", ["prometheusRule", "dashboards"])
def test_a_chart_whose_links_were_not_followed_says_so(section: str, unchecked: Path, tmp_path: Path) -> None:
    """Flux leaves links out of what it takes from a repository: there would be no alerts, and no error."""
    folder = tmp_path / CHART.name
    shutil.copytree(unchecked, folder, ignore=shutil.ignore_patterns("files"))
    rendered({}, folder=folder)
    assert f"{section}.enabled: the chart has no files/" in refusal({section: {"enabled": True}}, folder=folder)


@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor"])
@pytest.mark.parametrize(("interval", "timeout"), [("30s", "60s"), ("1m30s", "90001ms"), ("59m59s", "1h")])
def test_a_timeout_for_which_the_operator_ignores_a_monitor_is_refused(
    monitor: str, interval: str, timeout: str, unchecked: Path
) -> None:
    given = {"enabled": True, "interval": interval, "scrapeTimeout": timeout}
    assert f"{monitor}.scrapeTimeout: {timeout} is longer than interval ({interval})" in (
        refusal({monitor: given}, folder=unchecked)
    )
    for fitting in ({"scrapeTimeout": interval}, {"interval": ""}, {"scrapeTimeout": ""}):
        rendered({monitor: {**given, **fitting}}, folder=unchecked)


@pytest.mark.parametrize(
    ("account", "ports"),
    [
        ({}, []),
        ({"base_url": "https://api.example.org/v1"}, []),
        ({"base_url": "https://api.example.org:8443/v1"}, [8443]),
        ({"base_url": "https://[fd00::1]:9443"}, [9443]),
        ({"base_url": "https://[fd00::1]"}, []),
        ({"proxy_url": "http://user:123@proxy.example.org:3128"}, [3128]),
        ({"proxy_url": "http://user:123@proxy.example.org"}, [80]),
        ({"proxy_url": "http://proxy.example.org:3128", "base_url": "https://api.example.org:3128"}, [3128]),
    ],
)
def test_the_network_policy_lets_the_exporter_reach_the_ports_that_the_configuration_names(
    account: dict[str, str], ports: list[int], unchecked: Path
) -> None:
    first = {"name": "a", "system": "inkit", "api_token_file": "/run/secrets/batch-exporter/a"}
    made = rendered({"config": {"accounts": [{**first, **account}]}}, folder=unchecked)
    names, out = only(made, "NetworkPolicy")["spec"]["egress"]
    assert out["ports"] == [{"port": port, "protocol": "TCP"} for port in [443, *ports]]
    # OpenShift's DNS pods listen on 5353, and a rule is about the port of the pod.
    assert {(port["port"], port["protocol"]) for port in names["ports"]} >= {(5353, "UDP"), (5353, "TCP"), (53, "UDP")}


INGRESS = {"enabled": True, "hosts": [{"host": "a.example.org", "paths": [{"path": "/"}]}]}
ROUTE = {"main": {"enabled": True, "parentRefs": [{"name": "gateway"}]}}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, False),
        ({"ingress": INGRESS}, True),
        ({"route": ROUTE}, True),
        ({"ingress": INGRESS, "networkPolicy": {"extraNamespaces": ["ingress-nginx"]}}, False),
        ({"ingress": INGRESS, "networkPolicy": {"enabled": False}}, False),
    ],
)
def test_after_an_installation_it_is_said_that_the_policy_may_keep_a_controller_out(
    values: dict[str, Any], said: bool, unchecked: Path
) -> None:
    from helm_python import Chart

    with Chart.load(unchecked) as chart:
        made = chart.render(values, name="some", namespace="some")
    [notes] = [text for name, text in made.items() if name.endswith("NOTES.txt")]
    assert ("networkPolicy.extraNamespaces" in notes) == said


def test_openshift_may_choose_users_and_groups(unchecked: Path) -> None:
    context = {"runAsUser": None, "runAsGroup": None, "fsGroup": None}
    spec = pod(rendered({"podSecurityContext": context}, folder=unchecked))
    assert not context.keys() & {*spec["securityContext"], *spec["containers"][0]["securityContext"]}
    assert spec["securityContext"]["runAsNonRoot"]


def test_a_claim_may_ask_for_no_storage_class_and_for_any_quantity() -> None:
    def claim(**persistence: str) -> Any:
        return only(rendered({"persistence": persistence}), "PersistentVolumeClaim")["spec"]

    assert claim(storageClassName="-")["storageClassName"] == ""
    assert "storageClassName" not in claim(storageClassName="")
    for size in ("10G", "1.5Gi", "500M"):
        assert claim(size=size)["resources"]["requests"]["storage"] == size
    for wrong in ("10", "10GB", "10g", "1,5Gi"):
        assert "/persistence/size" in refusal({"persistence": {"size": wrong}})
