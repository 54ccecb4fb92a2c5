"""The chart takes the values that it names, and no others."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.manifests import ALL_ON, CHART, dashboards, judge, only, pod, rendered
from tests.support.paths import ROOT
from tests.support.rules import ADDRESSES
from tests.support.yaml_files import read

pytestmark = [pytest.mark.programs, pytest.mark.slow]


@pytest.mark.parametrize("file", sorted((CHART / "ci").glob("*.yaml")), ids=lambda file: file.stem)
def test_helm_finds_nothing_to_complain_of(file: Path) -> None:
    from helm_python import lint

    report = lint(CHART, read(file.read_text()), strict=True)
    assert [message for message in report["messages"] if message["severity"] > 1] == []
    assert report["errors"] == []


@pytest.mark.parametrize(
    "values",
    [
        {"replicas": 2},
        {"serviceMonitor": {"enable": True}},
        {"image": {"digest": "sha256:0"}},
        {"config": {"accounts": []}},
        {"config": {"accounts": [{"name": "a", "system": "inkit"}]}},
        {"config": {"accounts": [{"name": "a", "system": "inkit", "api_token": "not-a-token", "api_token_file": "x"}]}},
        {"persistence": {"size": "1 GB"}},
        {"links": {"grafana": "https://example.org"}},
        {"networkPolicy": {"extraNamespaces": [""]}},
        *({name: url} for name in ("externalUrl", "grafanaUrl") for url in ADDRESSES["no URL to append a path to"]),
    ],
)
def test_values_that_the_chart_does_not_know_are_refused(values: dict[str, Any]) -> None:
    from helm_python import HelmError

    with pytest.raises(HelmError):
        rendered(values)


def test_a_chart_above_this_one_may_turn_it_on_and_share_values() -> None:
    assert rendered({"enabled": True, "global": {"storageClass": "fast", "imageRegistry": ""}}) == rendered({})
    nothing = {"imageRegistry": None, "imagePullSecrets": None}
    assert rendered({"global": nothing}) == rendered({}), "keys without a value, as other charts leave them"


MIRROR = {"imageRegistry": "mirror.example/proxy"}


@pytest.mark.parametrize(
    ("image", "shared", "expected"),
    [
        ({"repository": "team/x", "tag": "1"}, {}, "team/x:1"),
        ({"registry": "a.example", "repository": "team/x", "tag": "1"}, {}, "a.example/team/x:1"),
        ({"registry": "a.example:5000/", "repository": "x", "tag": "1"}, {}, "a.example:5000/x:1"),
        ({"registry": "a.example", "repository": "team/x", "tag": "1"}, MIRROR, "mirror.example/proxy/team/x:1"),
        ({"repository": "a.example/team/x", "tag": "1"}, {}, "a.example/team/x:1"),
        ({"repository": "a.example/team/x", "tag": "1"}, MIRROR, "mirror.example/proxy/team/x:1"),
        ({"repository": "localhost:5000/x", "tag": "1"}, MIRROR, "mirror.example/proxy/x:1"),
        ({"repository": "localhost/x", "tag": "1"}, MIRROR, "mirror.example/proxy/x:1"),
        (
            {"repository": "team/x", "digest": f"sha256:{'0' * 64}"},
            MIRROR,
            f"mirror.example/proxy/team/x@sha256:{'0' * 64}",
        ),
    ],
)
def test_a_registry_for_all_charts_stands_for_any_other(
    image: dict[str, str], shared: dict[str, str], expected: str
) -> None:
    assert pod(rendered({"image": image, "global": shared}))["containers"][0]["image"] == expected


def test_pull_secrets_of_all_charts_are_added_by_name_and_once() -> None:
    shared = {"imagePullSecrets": ["a", {"name": "b"}]}
    assert pod(rendered({"global": shared, "imagePullSecrets": [{"name": "b"}, {"name": "c"}]}))[
        "imagePullSecrets"
    ] == [
        {"name": "a"},
        {"name": "b"},
        {"name": "c"},
    ]
    assert "imagePullSecrets" not in pod(rendered({}))


def test_two_releases_do_not_meet() -> None:
    first, second = rendered({}, "one"), rendered({}, "two")
    assert set(first).isdisjoint(second)
    assert only(first, "Service")["spec"]["selector"] != only(second, "Service")["spec"]["selector"]


def test_values_arrive_where_they_belong() -> None:
    digest = "sha256:" + "0" * 64
    made = rendered(
        {
            "image": {"repository": "registry.example.com/be", "digest": digest},
            "persistence": {"existingClaim": "mine"},
            "networkPolicy": {"extraEgressPorts": [{"port": 3128, "protocol": "TCP"}]},
            "extraArgs": ["--log.format=json"],
            "tolerations": [{"operator": "Exists"}],
        }
    )
    for manifest in made.values():
        judge(manifest)
    container = pod(made)["containers"][0]
    assert container["image"] == f"registry.example.com/be@{digest}"
    assert container["args"][1:] == ["--log.format=json"]
    assert pod(made)["volumes"][2]["persistentVolumeClaim"] == {"claimName": "mine"}
    assert "PersistentVolumeClaim" not in {kind for kind, _ in made}
    assert {"port": 3128, "protocol": "TCP"} in only(made, "NetworkPolicy")["spec"]["egress"][1]["ports"]


def linking(values: dict[str, Any]) -> str:
    """Render the rules and dashboards, as text."""
    made = rendered({**ALL_ON, **values})
    return "".join(
        json.dumps(manifest) for (kind, _), manifest in made.items() if kind in ("PrometheusRule", "ConfigMap")
    )


@pytest.mark.parametrize(("value", "usual"), [("externalUrl", "localhost:10977"), ("grafanaUrl", "localhost:3000")])
@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_links_lead_where_the_values_say(value: str, usual: str, slashes: str) -> None:
    assert f"//{usual}/" in linking({})
    text = linking({value: f"https://mine.example.org/path{slashes}"})
    assert usual not in text
    assert "https://mine.example.org/path/" in text
    assert "https://mine.example.org/path//" not in text


def test_without_an_external_url_links_lead_to_the_service() -> None:
    text = linking({"externalUrl": ""})
    assert "http://batch-exporter.batch-exporter.svc:10977/runbooks#batchexporterdown" in text
    assert "localhost:10977" not in text


def test_who_may_reach_the_exporter_besides_prometheus_is_a_value() -> None:
    made = rendered({"networkPolicy": {"extraNamespaces": ["ingress-nginx"]}})
    sources = only(made, "NetworkPolicy")["spec"]["ingress"][0]["from"]
    names = [source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for source in sources]
    assert names == ["monitoring", "ingress-nginx"]


def test_a_packaged_chart_holds_the_rules_and_dashboards_themselves(tmp_path: Path) -> None:
    from helm_python import Chart

    with Chart.load(CHART) as chart:
        archive = chart.save(tmp_path)
    with Chart.load(archive) as packed:
        inside = {file["name"] for file in packed.files if file["name"].startswith("files/")}
        assert packed.render(ALL_ON, name="x").keys()
    rules = {f"files/rules/{file.name}" for file in (ROOT / "prometheus/rules").glob("*.yml")}
    assert inside == rules | {f"files/dashboards/{name}" for name in dashboards()}
