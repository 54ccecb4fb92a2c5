"""`python -m tools.helm_chart`: write what the chart's README.md and values.schema.json have from other files.

The README gets a table of all values: names, defaults and comments of values.yaml. The schema gets the same comments
as descriptions, the names of the alerts, the schemas of the exporter's files, and the nearest key for a misspelled one.
What values may be is written by hand into values.schema.json.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from exporter.web.config import schema as web_schema

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy" / "helm" / "batch-exporter"
VALUES, SCHEMA, README = (CHART / name for name in ("values.yaml", "values.schema.json", "README.md"))
CONFIGURATION = ROOT / "docs" / "config.schema.json"
TABLE = re.compile(r"(?<=<!-- From values\.yaml: make docs -->\n).*", re.DOTALL)

_MONITOR: Mapping[str, str] = {
    "additionalMetricsRelabelConfigs": "metricRelabelings",
    "additionalMetricsRelabels": "metricRelabelings",
    "additionalRelabeling": "relabelings",
    "path": "/extraArgs",
    "telemetryPath": "/extraArgs",
    "timeout": "scrapeTimeout",
}
ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "": {
        "additionalVolumeMounts": "extraVolumeMounts",
        "additionalVolumes": "extraVolumes",
        "annotations": "deploymentAnnotations",
        "automountServiceAccountToken": "serviceAccount",
        "autoscaling": "replicaCount",
        "command": "extraArgs",
        "configExistingSecretName": "existingConfig",
        "configMap": "existingConfig",
        "configmaps": "extraVolumes",
        "configuration": "config",
        "containerPort": "service",
        "containerSecurityContext": "securityContext",
        "customLabels": "commonLabels",
        "deployment": "deploymentAnnotations",
        "deploymentLabels": "commonLabels",
        "env": "extraEnv",
        "envFrom": "extraEnvFrom",
        "envFromSecret": "extraEnvFrom",
        "environmentVariables": "extraEnv",
        "existingSecret": "tokens",
        "extraConfigmapMounts": "extraVolumeMounts",
        "extraEnvs": "extraEnv",
        "extraSecretMounts": "extraVolumeMounts",
        "extraVars": "extraEnv",
        "httpRoute": "route",
        "initContainers": "extraInitContainers",
        "labels": "commonLabels",
        "liveness": "livenessProbe",
        "log": "extraArgs",
        "networkPolicies": "networkPolicy",
        "options": "extraArgs",
        "pdb": "podDisruptionBudget",
        "persistentVolume": "persistence",
        "pod": "podLabels",
        "prometheus": "serviceMonitor",
        "rbac": "serviceAccount",
        "readiness": "readinessProbe",
        "replicas": "replicaCount",
        "secret": "tokens",
        "secretMounts": "extraVolumeMounts",
        "secrets": "extraVolumes",
        "sidecars": "extraContainers",
        "tlsSecret": "webConfig",
        "verticalPodAutoscaler": "extraManifests",
        "web": "webConfig",
    },
    "/definitions/rule": {"keepFiringFor": "keep_firing_for"},
    "dashboards": {"folder": "annotations"},
    "image": {
        "imagePullSecrets": "/imagePullSecrets",
        "name": "repository",
        "pullSecret": "/imagePullSecrets",
        "pullSecrets": "/imagePullSecrets",
        "sha": "digest",
    },
    "ingress": {"ingressClassName": "className", "path": "hosts", "pathType": "hosts"},
    "networkPolicy": {
        "allowMonitoringNamespace": "monitoringNamespace",
        "ingress": "extraNamespaces",
        "ingressFrom": "extraNamespaces",
        "labels": "/commonLabels",
        "monitoringNamespaceName": "monitoringNamespace",
    },
    "podMonitor": {**_MONITOR, "labels": "additionalLabels"},
    "service": {
        "externalPort": "port",
        "httpPort": "port",
        "ipFamilies": "ipDualStack",
        "ipFamilyPolicy": "ipDualStack",
        "servicePort": "port",
    },
    "serviceAccount": {"automountServiceAccountToken": "automount", "imagePullSecrets": "/imagePullSecrets"},
    "serviceMonitor": {
        **_MONITOR,
        "extraLabels": "additionalLabels",
        "podTargetLabels": "targetLabels",
        "selfMonitor": "enabled",
    },
}
"""Names that other charts have for values of this one, by the place. A slash begins the path of a value elsewhere."""

Schema = dict[str, Any]


def comments(text: str) -> dict[str, str]:
    """Return the comment right above each key of a YAML file of mappings, by the key's path."""
    found: dict[str, str] = {}
    places: list[tuple[int, str]] = []
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("#"):
            above.append((indent, line.strip().removeprefix("#").strip()))
        elif key := re.match(r" *([\w./-]+):", line):
            places = [place for place in places if place[0] < indent] + [(indent, key[1])]
            own = [words for depth, words in above if depth == indent]
            if own:
                found[".".join(name for _, name in places)] = " ".join(own)
            above = []
        else:
            above = []
    return found


def resolve(schema: Schema, part: Schema) -> Schema:
    """Return what a part of the schema refers to, or the part itself."""
    reference = part.get("$ref")
    return schema["definitions"][reference.rpartition("/")[2]] if reference else part


def values(schema: Schema, defaults: Mapping[str, Any]) -> Iterator[tuple[str, Any, Schema, bool]]:
    """Yield each value's path, default and schema, and whether it is a section, whose values follow."""

    def below(part: Schema, given: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any, Schema, bool]]:
        for name, default in given.items():
            inner = part["properties"].get(name) if "properties" in part else part["additionalProperties"]
            meant = resolve(schema, inner)
            named = "properties" in meant or isinstance(meant.get("additionalProperties"), dict)
            of_ours = meant.get("additionalProperties") is False or "$ref" in meant.get("additionalProperties", {})
            section = bool(default) and isinstance(default, dict) and named and of_ours and name not in WHOLE
            yield prefix + name, default, inner, section
            if section:
                yield from below(meant, default, f"{prefix}{name}.")

    yield from below(schema, defaults, "")


WHOLE = frozenset({"config", "labels", "resources"})
"""Values that are one value, though the schema knows what is in them."""


def table(schema: Schema, text: str) -> str:
    """Return the README's table of values."""
    told = comments(text)
    rows = ["| value | default | meaning |", "| --- | --- | --- |"]
    for path, default, _, section in values(schema, yaml.safe_load(text)):
        shown = "" if section else f"`{json.dumps(default)}`"
        rows.append(f"| `{path}` | {shown} | {told.get(path, '').replace('|', chr(92) + '|')} |")
    return "\n" + "\n".join(rows) + "\n"


def near(name: str) -> str:
    """Return the pattern of names that have one half of this name, and differ by little in the other."""
    half = (len(name) + 1) // 2
    first, second = re.escape(name[:half]), re.escape(name[half:])
    rest = len(name) - half
    return f"^({first}.{{{max(rest - 1, 0)},{rest + 1}}}|.{{{max(half - 1, 0)},{half + 1}}}{second})$"


def suggestions(names: list[str], elsewhere: Mapping[str, str]) -> Schema:
    """Return a schema of names that prints the nearest one for another."""
    rules = []
    for name in names:
        pattern = near(name)
        alike = [other for other in names if re.search(pattern, other)]
        rules.append({"if": {"pattern": pattern}, "then": {"enum": [name, *(one for one in alike if one != name)]}})
    rules += [{"if": {"const": other}, "then": {"const": name}} for other, name in elsewhere.items()]
    return {"allOf": rules}


def add_suggestions(part: Any, path: str = "") -> None:
    """Give every object that knows its keys the nearest key for a misspelled one."""
    if isinstance(part, list):
        for inner in part:
            add_suggestions(inner, path)
    elif isinstance(part, dict):
        if part.get("additionalProperties") is False and part.get("properties"):
            part["propertyNames"] = suggestions(list(part["properties"]), ELSEWHERE.get(path, {}))
        for name, inner in part.items():
            if name == "properties":
                for key, value in inner.items():
                    add_suggestions(value, f"{path}.{key}".lstrip("."))
            elif name != "propertyNames":
                add_suggestions(inner, f"{path}/{name}")


def embedded(document: Schema, prefix: str) -> dict[str, Schema]:
    """Return a schema and its definitions with names that begin with the prefix, in the words of draft 7."""
    text = json.dumps(document)
    for name in document.get("$defs", {}):
        text = text.replace(f'"#/$defs/{name}"', f'"#/definitions/{prefix}{name}"')
    moved = untitled(json.loads(text))
    inner = moved.pop("$defs", {})
    moved.pop("$schema", None)
    return {prefix: moved, **{prefix + name: part for name, part in inner.items()}}


def untitled(part: Any) -> Any:
    """Return a schema without titles and defaults, which no error shows."""
    if isinstance(part, list):
        return [untitled(inner) for inner in part]
    if isinstance(part, dict):
        return {key: untitled(inner) for key, inner in part.items() if key not in ("title", "default")}
    return part


def configuration() -> dict[str, Schema]:
    """Return the schema of the configuration file, without what is secret and what the chart sets."""
    parts = embedded(json.loads(CONFIGURATION.read_text()), "config")
    account, state = parts["configAccount"], parts["configState"]
    del account["properties"]["api_token"]
    account["oneOf"] = [way for way in account["oneOf"] if way["required"] != ["api_token"]]
    for key in ("url", "url_file"):
        del state["properties"][key]
    return parts


def alerts() -> list[str]:
    """Return the names of all alerts, in the order of their files."""
    files = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]


def written_schema(schema: Schema, text: str) -> Schema:
    """Return the schema with what comes from other files written anew."""
    definitions = schema["definitions"]
    names = alerts()
    definitions["alert"] = {"enum": names, **suggestions(names, {})}
    definitions.update(configuration())
    definitions.update(embedded(web_schema.File.model_json_schema(), "webConfig"))
    told = comments(text)
    for path, _, part, _ in values(schema, yaml.safe_load(text)):
        if path in told:
            part["description"] = told[path]
    require(schema, schema, yaml.safe_load(text))
    add_suggestions(schema)
    return schema


def require(schema: Schema, part: Schema, defaults: Mapping[str, Any]) -> None:
    """Require sections, and texts and numbers that are not empty: a null in values removes a default."""
    needed = part["required"] = []
    for name, default in defaults.items():
        inner = resolve(schema, part["properties"][name])
        section = isinstance(default, dict) and bool(default) and "properties" in inner and name not in WHOLE
        single = not isinstance(default, dict | list) and default not in ("", None)
        if section or single or (part is schema and name in ("config", "route")):
            needed.append(name)
        if section:
            require(schema, inner, default)


def folded(value: Any, indent: str = "", width: int = 120) -> str:
    """Return JSON in which all that fits stands on one line."""
    line = json.dumps(value)
    if len(indent) + len(line) < width or not value or not isinstance(value, dict | list):
        return line
    inner = indent + "  "
    if isinstance(value, list):
        parts = [folded(part, inner, width - 1) for part in value]
        opening, closing = "[]"
    else:
        keys = {key: f"{json.dumps(key)}: " for key in value}
        parts = [keys[key] + folded(part, inner, width - len(keys[key])) for key, part in value.items()]
        opening, closing = "{}"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closing}"


def main() -> None:
    text = VALUES.read_text()
    schema = written_schema(json.loads(SCHEMA.read_text()), text)
    SCHEMA.write_text(folded(schema) + "\n")
    README.write_text(TABLE.sub(lambda _: table(schema, text), README.read_text()))


if __name__ == "__main__":
    main()
