"""Reading manifests, and judging them by schemas that are at hand. What they must say is for the tests."""

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from tests.support.container_engine import output
from tests.support.paths import ROOT
from tests.support.yaml_files import read, read_all

SCHEMAS = ROOT / "tests/support/schemas"
# All versions between these two have what the manifests use.
KUBERNETES = ("1.25", "1.37")
NEWER = {"PodDisruptionBudget": "unhealthyPodEvictionPolicy"}
"""A key of the specification, by kind, that the first of them does not know. The chart asks for its version."""

CHART = ROOT / "deploy/helm/batch-exporter"
ALL_ON: dict[str, Any] = {
    **{name: {"enabled": True} for name in ("serviceMonitor", "prometheusRule", "dashboards")},
    "externalUrl": "http://localhost:10977",
}
"""With the address that the manifests link to."""

Manifest = dict[str, Any]
Manifests = dict[tuple[str, str], Manifest]


def named(manifests: Iterable[Manifest | None]) -> Manifests:
    """Return manifests by kind and name."""
    return {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests if manifest}


def kustomized(folder: str) -> Manifests:
    """Return what `kubectl apply -k FOLDER` would apply."""
    return named(read_all(output("kubectl", "kustomize", ROOT / folder)))


def rendered(values: dict[str, Any], release: str = "batch-exporter", folder: Path = CHART) -> Manifests:
    """Return what `helm template` prints."""
    return named(document for text in _rendered(json.dumps(values), release, folder) for document in read_all(text))


@functools.cache
def _rendered(values: str, release: str, folder: Path) -> tuple[str, ...]:
    from helm_python import Chart

    with Chart.load(folder) as chart:
        made = chart.render(json.loads(values), name=release, namespace="batch-exporter")
    return tuple(text for name, text in made.items() if name.endswith(".yaml"))


def refusal(values: dict[str, Any], release: str = "batch-exporter", folder: Path = CHART) -> str:
    """Return why `helm template` refuses the values."""
    from helm_python import HelmError

    with pytest.raises(HelmError) as refused:
        rendered(values, release, folder)
    return str(refused.value)


def only(manifests: Manifests, kind: str) -> Manifest:
    found = [manifest for (of, _), manifest in manifests.items() if of == kind]
    assert len(found) == 1
    return found[0]


def pod(manifests: Manifests) -> dict[str, Any]:
    spec: dict[str, Any] = only(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def judge(manifest: Manifest) -> None:
    """Assert that the manifest's schema knows everything in it, and misses nothing."""
    _judge(json.dumps(manifest))


@functools.cache
def _judge(text: str) -> None:
    manifest = json.loads(text)
    if manifest["apiVersion"].startswith(("monitoring.coreos.com/", "gateway.networking.k8s.io/")):
        _validator(manifest["kind"].lower()).validate(manifest)
    else:
        import kubernetes_validate

        old = manifest
        if newer := NEWER.get(manifest["kind"]):
            old = {**manifest, "spec": {key: value for key, value in manifest["spec"].items() if key != newer}}
        for version, judged in zip(KUBERNETES, (old, manifest), strict=True):
            kubernetes_validate.validate(judged, version, strict=True)


@functools.cache
def _validator(kind: str) -> Validator:
    schema = json.loads((SCHEMAS / f"{kind}.json").read_text())
    made = validator_for(schema)
    made.check_schema(schema)
    return made(schema)


def groups() -> list[Any]:
    """Return the groups of all the rules' files, in the files' order."""
    files = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
    return [group for file in files for group in read(file.read_text())["groups"]]


def dashboards() -> dict[str, str]:
    """Return the dashboards' files: name and text."""
    return {file.name: file.read_text() for file in sorted((ROOT / "grafana" / "dashboards").glob("*.json"))}
