"""Every value of the chart does something, is documented, and can be misspelled only with an answer that helps."""

import json
import re
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.flags import parse
from tests.support.manifests import CHART, Manifests, judge, only, pod, refusal, rendered
from tests.support.paths import ROOT
from tests.support.promtool import run
from tests.support.yaml_files import read
from tools.helm_chart import ELSEWHERE, README, SCHEMA, VALUES, comments, resolve, table, values, written_schema

pytestmark = [pytest.mark.programs, pytest.mark.slow]

FILES = sorted((CHART / "ci").glob("*-values.yaml"))
DEFAULTS: dict[str, Any] = read(VALUES.read_text())
PATHS = {path: section for path, _, _, section in values(json.loads(SCHEMA.read_text()), DEFAULTS)}
LEAVES = [path for path, section in PATHS.items() if not section]


def values_of(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = read(file.read_text())
    return found


def has(given: dict[str, Any], path: str) -> bool:
    inner: Any = given
    for name in path.split("."):
        if not isinstance(inner, dict) or name not in inner:
            return False
        inner = inner[name]
    return True


def put(given: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the values with another one at the path."""
    changed = deepcopy(given)
    inner = changed
    *places, last = path.split(".")
    for name in places:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return changed


def without(given: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the values without the one at the path."""
    changed = put(given, path, None)
    *places, last = path.split(".")
    inner = changed
    for name in places:
        inner = inner[name]
    del inner[last]
    return changed


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the chart without its schema, which is most of the time that it takes."""
    folder = tmp_path_factory.mktemp("chart") / CHART.name
    shutil.copytree(CHART, folder, ignore=shutil.ignore_patterns(SCHEMA.name))
    return folder


def outcome(given: dict[str, Any], folder: Path = CHART) -> Manifests | str:
    """Return what the values make, or why they are refused."""
    from helm_python import HelmError

    try:
        return rendered(given, folder=folder)
    except HelmError as error:
        return str(error)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_a_file_of_values_makes_fits_the_schemas(file: Path, tmp_path: Path) -> None:
    made = rendered(values_of(file), "some-release")
    for manifest in made.values():
        judge(manifest)
    parse(pod(made)["containers"][0]["args"])
    for (kind, name), manifest in made.items():
        assert len(name) <= 63, (kind, name)
        assert all(len(str(value)) <= 63 for value in manifest["metadata"].get("labels", {}).values())
        if kind == "ConfigMap" and "config.yaml" in manifest["data"]:
            config = read(manifest["data"]["config.yaml"])
            jsonschema.validate(config, json.loads((ROOT / "docs/config.schema.json").read_text()))
        if kind == "PrometheusRule":
            rules = tmp_path / "rules.yml"
            rules.write_text(json.dumps({"groups": manifest["spec"]["groups"]}))
            run("check", "rules", rules)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_value_in_a_file_changes_what_it_makes(file: Path, unchecked: Path) -> None:
    given = values_of(file)
    made = rendered(given)
    for path in LEAVES:
        if has(given, path):
            changed = without(given, path)
            # What the schema does not refuse makes the same without it.
            assert outcome(changed, unchecked) != made or outcome(changed) != made, path


def test_every_value_of_the_chart_is_in_a_file() -> None:
    files = [values_of(file) for file in FILES]
    found = {path for path in LEAVES if any(has(given, path) for given in files)}
    assert set(LEAVES) - found == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_scrape_job_has_the_name_that_the_rules_look_for(file: Path) -> None:
    made = rendered(values_of(file), "some-release")
    for (kind, _), monitor in made.items():
        if kind in ("ServiceMonitor", "PodMonitor"):
            target = only(made, "Service" if kind == "ServiceMonitor" else "Deployment")
            labels = target["metadata"]["labels"]
            if kind == "PodMonitor":
                labels = target["spec"]["template"]["metadata"]["labels"]
            spec = monitor["spec"]
            assert spec["selector"]["matchLabels"].items() <= labels.items()
            (endpoint,) = spec["endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"]
            renamed = [rule["replacement"] for rule in endpoint.get("relabelings", []) if rule["targetLabel"] == "job"]
            assert [*renamed, labels[spec["jobLabel"]]][0] == "batch-exporter"
            elsewhere = monitor["metadata"]["namespace"] != target["metadata"]["namespace"]
            looks = spec.get("namespaceSelector", {}).get("matchNames", [monitor["metadata"]["namespace"]])
            assert looks == [target["metadata"]["namespace"]]
            assert elsewhere == ("namespaceSelector" in spec)


@pytest.mark.parametrize("path", LEAVES)
def test_a_value_that_is_unset_is_as_its_default_or_refused(path: str) -> None:
    """A null removes a default."""
    usual = rendered({})
    made = outcome(put({}, path, None))
    if isinstance(made, str):
        assert re.search(rf"missing (?:property|properties).*'{path.rpartition('.')[2]}'", made), made
    elif made != usual:
        for manifest in made.values():
            judge(manifest)


@st.composite
def typos(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a value's path, and the same path with one letter too many, missing, wrong or at another place."""
    path = draw(st.sampled_from(sorted(path for path in PATHS if len(path.rpartition(".")[2]) > 3)))
    place, dot, name = path.rpartition(".")
    at = draw(st.integers(0, len(name) - 2))
    letter = draw(st.sampled_from("aeinrstx"))
    wrong = draw(
        st.sampled_from(
            [
                name[:at] + name[at + 1 :],
                name[:at] + letter + name[at:],
                name[:at] + letter + name[at + 1 :],
                name[:at] + name[at + 1] + name[at] + name[at + 2 :],
            ]
        )
    )
    return path, f"{place}{dot}{wrong}"


def siblings(path: str) -> set[str]:
    """Return the names at the place of a path."""
    part: Any = json.loads(SCHEMA.read_text())
    schema = part
    for name in path.split(".")[:-1]:
        part = resolve(schema, part.get("properties", {}).get(name) or part["additionalProperties"])
    return set(part.get("properties", ()))


@given(typos())
def test_a_misspelled_value_is_refused_with_its_place_and_the_nearest_one(typo: tuple[str, str]) -> None:
    right, wrong = typo
    place, _, name = right.rpartition(".")
    misspelled = wrong.rpartition(".")[2]
    if misspelled in siblings(right) or not siblings(right):
        return
    message = refusal(put({}, wrong, {}))
    assert f"at '{('/' + place.replace('.', '/')) if place else ''}'" in message
    assert f"'{misspelled}'" in message
    half = (len(name) + 1) // 2
    if misspelled.startswith(name[:half]) or misspelled.endswith(name[half:]):
        assert f"'{name}'" in message.replace(f"'{misspelled}'", "", 1)


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ({"replicas": 2}, "replicaCount"),
        ({"env": []}, "extraEnv"),
        ({"rbac": {"create": True}}, "serviceAccount"),
        ({"extraSecretMounts": []}, "extraVolumeMounts"),
        ({"image": {"pullSecrets": ["a"]}}, "/imagePullSecrets"),
        ({"networkPolicy": {"allowMonitoringNamespace": True}}, "monitoringNamespace"),
        ({"serviceMonitor": {"timeout": "10s"}}, "scrapeTimeout"),
        ({"serviceMonitor": {"telemetryPath": "/x"}}, "/extraArgs"),
        ({"serviceMonitor": {"additionalMetricsRelabels": {}}}, "metricRelabelings"),
        ({"config": {"pol_interval": "30s"}}, "poll_interval"),
        ({"config": {"accounts": [{"name": "a", "sytem": "inkit", "api_token_file": "x"}]}}, "system"),
        ({"webConfig": {"config": {"basic_auth_user": {"a": "b"}}}}, "basic_auth_users"),
        ({"prometheusRule": {"disabled": {"InkitGenerationsFailed": True}}}, "InkitGenerationFailed"),
        ({"prometheusRule": {"customRules": {"InkitBatchFailed": {"severty": "info"}}}}, "severity"),
        ({"serviceMonitor": {"relabelings": [{"source_labels": ["a"]}]}}, "sourceLabels"),
    ],
)
def test_names_of_other_charts_and_names_within_values_lead_to_the_right_ones(
    given: dict[str, Any], nearest: str
) -> None:
    assert f"'{nearest}'" in refusal(given)


def test_names_of_other_charts_are_none_of_this_one_and_lead_to_values_of_it() -> None:
    for place, names in ELSEWHERE.items():
        if not place.startswith("/definitions/"):
            for other, name in names.items():
                assert f"{place}.{other}".lstrip(".") not in PATHS
                assert (name.removeprefix("/") if name.startswith("/") else f"{place}.{name}".lstrip(".")) in PATHS


def test_every_value_has_a_comment() -> None:
    told = comments(VALUES.read_text())
    plain = {"image", "tokens", "serviceAccount", "service", "route.main"}
    assert {path for path in PATHS if path not in told} == plain
    assert set(told) <= set(PATHS)


def test_the_readme_and_the_schema_are_what_the_values_say() -> None:
    text = VALUES.read_text()
    schema = json.loads(SCHEMA.read_text())
    assert README.read_text().endswith(table(schema, text)), "run: make docs"
    assert written_schema(deepcopy(schema), text) == schema, "run: make docs"


def examples() -> list[tuple[str, Any]]:
    """Return the examples below the values: the path, and the value."""
    found: dict[str, list[str]] = {}
    path: list[tuple[int, str]] = []
    open_to = False
    for line in VALUES.read_text().splitlines():
        indent = len(line) - len(line.lstrip())
        if key := re.match(r" *([\w./-]+):", line):
            open_to = len(line) > key.end()
            path = [place for place in path if place[0] < indent] + [(indent, key[1])]
        elif line.lstrip().startswith("#") and path and indent > path[-1][0] and open_to:
            found.setdefault(".".join(name for _, name in path), []).append(line.strip().removeprefix("# "))
    return [(path, read("\n".join(lines))) for path, lines in found.items()]


@pytest.mark.parametrize(("path", "value"), examples(), ids=[path for path, _ in examples()])
def test_an_example_in_the_comments_can_be_used_as_it_is(path: str, value: Any) -> None:
    section = path.partition(".")[0]
    switches: dict[str, Any] = {name: {"enabled": True} for name in ("prometheusRule", "dashboards") if name == section}
    monitor = "podMonitor" if section == "podMonitor" else "serviceMonitor"
    secret = {"name": "scrape", "key": "key"}
    given: dict[str, Any] = {
        **switches,
        monitor: {
            "enabled": True,
            "tlsConfig": {"insecureSkipVerify": True},
            "basicAuth": {"username": secret, "password": secret},
        },
        "webConfig": {"existingSecret": "web" if path == "webConfig.existingSecretSets" else ""},
        "ingress": {"enabled": True, "hosts": [{"host": "x", "paths": [{"path": "/"}]}]},
        "route": {"main": {"enabled": True, "parentRefs": [{"name": "gateway"}]}},
    }
    changed = put(given, path, value)
    made = rendered(changed)
    assert made != outcome(given)
    for manifest in made.values():
        judge(manifest)


def test_values_that_the_comparison_names_are_values_of_the_chart() -> None:
    page = (ROOT / "docs/deployment.md").read_text()
    rows = page.partition("### Beside other charts")[2].partition("\n## ")[0].splitlines()
    ours = "".join(row.split("|")[2] for row in rows if row.startswith("| ") and row.count("|") > 3)
    found = set(re.findall(r"`([\w.]+)`", ours))
    assert found - set(PATHS) == set()
    assert len(found) > 30


def test_the_refusal_in_the_documentation_is_what_helm_prints() -> None:
    page = (ROOT / "docs/deployment.md").read_text()
    (shown,) = re.findall(r"^```text\n(- at '/serviceMonitor'.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert shown in refusal({"serviceMonitor": {"scrapeTimeot": "1m"}})
