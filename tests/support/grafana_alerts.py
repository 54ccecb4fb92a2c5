"""The committed alert rules of Grafana as the tests see them, and as the Prometheus rules that they would be."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.paths import ROOT
from tests.support.yaml_files import read

FOLDER = ROOT / "grafana" / "alerting"
FILES = sorted(FOLDER.glob("batch-exporter-*.yaml"))

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Managed:
    """An alert rule, and what it is in."""

    group: Document
    rule: Document

    @property
    def name(self) -> str:
        name: str = self.rule["title"]
        return name

    @property
    def expr(self) -> str:
        expr: str = self.rule["data"][0]["model"]["expr"]
        return expr


def documents() -> dict[str, Document]:
    return {path.name: read(path.read_text()) for path in FILES}


def managed() -> Iterator[Managed]:
    for document in documents().values():
        for group in document["groups"]:
            for rule in group["rules"]:
                yield Managed(group, rule)


def as_prometheus_rules(document: Document) -> Document:
    """Return a file of alert rules as one of Prometheus, with nothing recorded."""
    return {
        "groups": [
            {"name": group["name"], "rules": [_as_alert(rule) for rule in group["rules"]]}
            for group in document["groups"]
        ]
    }


def _as_alert(rule: Document) -> Document:
    keep = {"keep_firing_for": rule["keepFiringFor"]} if "keepFiringFor" in rule else {}
    return {
        "alert": rule["title"],
        "expr": rule["data"][0]["model"]["expr"],
        "for": rule["for"],
        **keep,
        "labels": rule["labels"],
        "annotations": {name: text.replace("$values.A.Value", "$value") for name, text in rule["annotations"].items()},
    }
