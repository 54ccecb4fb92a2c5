"""Reading manifests, and judging them by schemas that are at hand. What they must say is for the tests."""

import json
from collections.abc import Iterable
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.container_engine import output
from tests.support.paths import ROOT

SCHEMAS = ROOT / "tests/support/schemas"
# Between the two, what is asked for has neither gone nor was it missing.
KUBERNETES = ("1.25", "1.37")

CHART = ROOT / "deploy/helm/batch-exporter"
ALL_ON: dict[str, Any] = {
    **{name: {"enabled": True} for name in ("serviceMonitor", "prometheusRule", "dashboards")},
    "externalUrl": "http://localhost:10977",
}
"""With the address that the manifests link to."""

Manifest = dict[str, Any]
Manifests = dict[tuple[str, str], Manifest]


def named(manifests: Iterable[Manifest | None]) -> Manifests:
    """Manifests by kind and name."""
    return {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests if manifest}


def kustomized(folder: str) -> Manifests:
    """What `kubectl apply -k FOLDER` would apply."""
    return named(yaml.safe_load_all(output("kubectl", "kustomize", ROOT / folder)))


def rendered(values: dict[str, Any], release: str = "batch-exporter") -> Manifests:
    """What `helm template` prints."""
    from helm_python import Chart

    with Chart.load(CHART) as chart:
        made = chart.render(values, name=release, namespace="batch-exporter")
    texts = [text for name, text in made.items() if name.endswith(".yaml")]
    return named(document for text in texts for document in yaml.safe_load_all(text))


def refusal(values: dict[str, Any]) -> str:
    """Why `helm template` refuses the values."""
    from helm_python import HelmError

    with pytest.raises(HelmError) as refused:
        rendered(values)
    return str(refused.value)


def only(manifests: Manifests, kind: str) -> Manifest:
    found = [manifest for (of, _), manifest in manifests.items() if of == kind]
    assert len(found) == 1
    return found[0]


def pod(manifests: Manifests) -> dict[str, Any]:
    spec: dict[str, Any] = only(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def judge(manifest: Manifest) -> None:
    """Fails if the manifest's schema does not know something in it, or misses something."""
    if manifest["apiVersion"].startswith(("monitoring.coreos.com/", "gateway.networking.k8s.io/")):
        schema = json.loads((SCHEMAS / f"{manifest['kind'].lower()}.json").read_text())
        jsonschema.validate(manifest, schema)
    else:
        import kubernetes_validate

        for version in KUBERNETES:
            kubernetes_validate.validate(manifest, version, strict=True)


def groups() -> list[Any]:
    """The groups of all the rules' files, in the files' order."""
    files = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
    return [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]


def dashboards() -> dict[str, str]:
    """The dashboards' files: name and text."""
    return {file.name: file.read_text() for file in sorted((ROOT / "grafana" / "dashboards").glob("*.json"))}
