"""The chart takes the values that it names, and no others."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.manifests import ALL_ON, CHART, dashboards, judge, only, pod, rendered
from tests.support.paths import ROOT

pytestmark = [pytest.mark.programs, pytest.mark.slow]


def test_helm_finds_nothing_to_complain_of() -> None:
    from helm_python import lint

    report = lint(CHART, ALL_ON, strict=True)
    assert [one for one in report["messages"] if one["severity"] > 1] == []
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
        {"links": {"grafana": 'https://example.org/"'}},
    ],
)
def test_values_that_the_chart_does_not_know_are_refused(values: dict[str, Any]) -> None:
    from helm_python import HelmError

    with pytest.raises(HelmError):
        rendered(values)


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
    for one in made.values():
        judge(one)
    container = pod(made)["containers"][0]
    assert container["image"] == f"registry.example.com/be@{digest}"
    assert container["args"][1:] == ["--log.format=json"]
    assert pod(made)["volumes"][2]["persistentVolumeClaim"] == {"claimName": "mine"}
    assert "PersistentVolumeClaim" not in {kind for kind, _ in made}
    assert {"port": 3128, "protocol": "TCP"} in only(made, "NetworkPolicy")["spec"]["egress"][1]["ports"]


def test_links_lead_where_the_values_say() -> None:
    from helm_python import Chart

    with Chart.load(CHART) as chart:
        usual = chart.values["links"]
    mine = {name: f"https://{name}.example.org" for name in usual}
    before, after = rendered(ALL_ON), rendered({**ALL_ON, "links": mine})
    kinds = ("PrometheusRule", "ConfigMap")
    first, second = (
        [yaml.safe_dump(one) for (kind, _), one in made.items() if kind in kinds] for made in (before, after)
    )
    for name, url in usual.items():
        assert any(url in text for text in first), f"{url} is not what rules and dashboards say any more"
        assert not any(url in text for text in second)
        assert any(mine[name] in text for text in second)


def test_a_packaged_chart_holds_the_rules_and_dashboards_themselves(tmp_path: Path) -> None:
    from helm_python import Chart

    with Chart.load(CHART) as chart:
        archive = chart.save(tmp_path)
    with Chart.load(archive) as packed:
        inside = {one["name"] for one in packed.files if one["name"].startswith("files/")}
        assert packed.render(ALL_ON, name="x").keys()
    rules = {f"files/rules/{file.name}" for file in (ROOT / "prometheus/rules").glob("*.yml")}
    assert inside == rules | {f"files/dashboards/{name}" for name in dashboards()}
