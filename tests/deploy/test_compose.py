"""The compose files are valid, open no port to the outside, and mount files that fit together."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from exporter import __version__
from tests.support.container_engine import output
from tests.support.pages import DOCS, blocks
from tests.support.paths import ROOT
from tests.support.yaml_files import read

pytestmark = pytest.mark.slow

DEPLOY = ROOT / "deploy"
DEMO = DEPLOY / "compose.yaml"
REAL = DEPLOY / "compose.real.yaml"
REPLICAS = DEPLOY / "compose.replicas.yaml"
GRAFANA_ALERTS = DEPLOY / "compose.grafana-alerts.yaml"

Service = dict[str, Any]


def services(file: Path = DEMO) -> dict[str, Service]:
    found: dict[str, Service] = read(file.read_text())["services"]
    return found


def mounted(service: Service) -> dict[str, Path]:
    """Return the repository's files that a service sees, by their paths in the service."""
    pairs = [volume.split(":") for volume in service["volumes"] if volume.startswith(".")]
    return {inside: (DEPLOY / outside).resolve() for outside, inside, _ in pairs}


@pytest.mark.parametrize("file", [DEMO, REAL, REPLICAS, GRAFANA_ALERTS], ids=lambda file: file.name)
def test_the_files_are_as_the_compose_specification_has_them(file: Path) -> None:
    output(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file)


def test_a_misspelled_key_does_not_pass(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(DEMO.read_text().replace("read_only:", "readonly:"))
    with pytest.raises(AssertionError, match="readonly"):
        output(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", wrong)


def test_images_are_pinned_to_a_full_version() -> None:
    images = {name: service["image"] for name, service in services().items()}
    assert images.pop("exporter") == f"batch-exporter:{__version__}"
    assert all(re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", image) for image in images.values())


@pytest.mark.parametrize("name", services())
def test_only_this_machine_reaches_a_service(name: str) -> None:
    assert services()[name]["ports"]
    assert all(port.startswith("127.0.0.1:") for port in services()[name]["ports"])


@pytest.mark.parametrize("name", services())
def test_a_service_has_no_rights_and_changes_nothing_that_it_is_given(name: str) -> None:
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    given = [volume for volume in service["volumes"] if volume.startswith(".")]
    assert all(path.endswith(":ro") for path in given)


@pytest.mark.parametrize("name", services())
def test_what_is_mounted_exists(name: str) -> None:
    assert all(path.exists() for path in mounted(services()[name]).values())


def test_the_exporter_may_write_to_its_state_alone() -> None:
    exporter = services()["exporter"]
    assert exporter["read_only"] is True
    assert exporter["volumes"] == ["state:/data"]


def test_who_waits_for_a_service_waits_for_one_that_reports_its_health() -> None:
    known = services()
    for service in known.values():
        for name, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in known[name]


@pytest.mark.programs
def test_prometheus_finds_its_configuration_and_rules(tmp_path: Path) -> None:
    # The folder as the container has it.
    for inside, path in mounted(services()["prometheus"]).items():
        target = tmp_path / inside.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, target)
    checked = output("promtool", "check", "config", tmp_path / "etc/prometheus/prometheus.yml")
    assert checked.count("rules found") == len(list((ROOT / "prometheus/rules").glob("*.yml"))) > 0


def test_prometheus_scrapes_here_what_it_scrapes_elsewhere_at_the_services_addresses() -> None:
    here = read((DEPLOY / "compose/prometheus.yml").read_text())
    there = read((ROOT / "prometheus/prometheus.yml").read_text())
    names = [job["job_name"] for job in here["scrape_configs"]]
    assert names == [job["job_name"] for job in there["scrape_configs"]]
    assert here["rule_files"] == there["rule_files"]
    targets = [job["static_configs"][0]["targets"] for job in here["scrape_configs"]]
    assert targets == [["exporter:10977"], ["localhost:9090"], ["alertmanager:9093"]]
    assert here["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]


@pytest.mark.programs
def test_alertmanager_takes_its_configuration() -> None:
    (path,) = mounted(services()["alertmanager"]).values()
    output("amtool", "check-config", path)


def test_grafana_finds_its_dashboards_and_prometheus() -> None:
    inside = mounted(services()["grafana"])
    provisioning = Path("/etc/grafana/provisioning")
    dashboards, datasources = inside[str(provisioning / "dashboards")], inside[str(provisioning / "datasources")]
    (provider,) = [read(file.read_text()) for file in dashboards.glob("*.yaml")]
    folder = provider["providers"][0]["options"]["path"]
    assert inside[folder] == ROOT / "grafana/dashboards"
    home = Path(services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (str(home.parent), (inside[folder] / home.name).exists()) == (folder, True)
    (source,) = [read(file.read_text()) for file in datasources.glob("*.yaml")]
    assert source["datasources"][0]["url"] == "http://prometheus:9090"


def test_where_grafana_evaluates_the_alerts_prometheus_does_not() -> None:
    """Compose replaces the demo's mount by one of another file that has the same target."""
    changed = services(GRAFANA_ALERTS)
    assert mounted(changed["grafana"]) == {"/etc/grafana/provisioning/alerting": ROOT / "grafana/alerting"}
    assert changed["grafana"]["volumes"][0].endswith(":ro")
    rules = [inside for inside, path in mounted(services()["prometheus"]).items() if path == ROOT / "prometheus/rules"]
    assert changed["prometheus"] == {"volumes": [{"type": "tmpfs", "target": target} for target in rules]}


def test_nobody_is_let_in_without_a_name_where_accounts_are_real() -> None:
    demo, real = services()["grafana"]["environment"], services(REAL)["grafana"]["environment"]
    assert demo["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert demo["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert (demo | real)["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in demo | real


def test_the_exporter_is_given_a_folder_because_a_file_would_stay_the_old_one_when_it_is_replaced() -> None:
    exporter = services(REAL)["exporter"]
    assert [volume["target"] for volume in exporter["volumes"]] == ["/etc/batch-exporter"]
    assert not {"secrets", "configs"} & exporter.keys()
    assert exporter["command"] == ["--config.file=/etc/batch-exporter/config.yaml"]


def test_secrets_are_files_that_git_leaves_out() -> None:
    real = read(REAL.read_text())
    files = [secret["file"] for secret in real["secrets"].values()]
    files += [volume["source"] for volume in real["services"]["exporter"]["volumes"]]
    assert all(file.startswith("./secrets/") for file in files)
    assert "/secrets/" in (DEPLOY / ".gitignore").read_text().splitlines()
    assert "deploy/secrets" not in (ROOT / ".dockerignore").read_text()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_the_second_exporter_is_the_first_one_again() -> None:
    one, changed = services()["exporter"] | services(REAL)["exporter"], services(REPLICAS)
    first, second = one | changed["exporter"], changed["exporter-2"]
    assert first.pop("ports") != second.pop("ports")
    del first["build"]
    assert first == second


@pytest.mark.parametrize("name", ["exporter-2", "postgres"])
def test_what_comes_with_replicas_has_no_rights_and_is_not_reached_from_outside(name: str) -> None:
    service = services(REPLICAS)[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert re.fullmatch(r"[a-z-]+:\d+\.\d+(\.\d+)?", service["image"])


def test_exporters_wait_for_a_database_that_reports_its_health() -> None:
    known = services(REPLICAS)
    for name in ("exporter", "exporter-2"):
        assert known[name]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "healthcheck" in known["postgres"]


def test_the_password_of_the_database_is_a_file_that_git_leaves_out() -> None:
    real = read(REPLICAS.read_text())
    assert [secret["file"] for secret in real["secrets"].values()] == ["./secrets/postgres_password"]
    assert "POSTGRES_PASSWORD" not in services(REPLICAS)["postgres"]["environment"]


def test_prometheus_scrapes_both_replicas_and_relabels_series_of_accounts() -> None:
    one = read((DEPLOY / "compose/prometheus.yml").read_text())
    two = read((DEPLOY / "compose/prometheus.replicas.yml").read_text())
    job = two["scrape_configs"][0]
    (targets,) = job.pop("static_configs")
    assert targets["targets"] == ["exporter:10977", "exporter-2:10977"]
    constant, without_pod = job.pop("metric_relabel_configs")
    given = {"source_labels": ["account"], "regex": ".+"}
    assert constant == given | {"target_label": "instance", "replacement": "batch-exporter"}
    assert without_pod == given | {"target_label": "pod", "replacement": ""}
    one["scrape_configs"][0].pop("static_configs")
    assert two == one


def test_the_page_about_replicas_shows_the_relabelling_that_they_are_tested_with() -> None:
    tested = read((DEPLOY / "compose/prometheus.replicas.yml").read_text())["scrape_configs"][0]
    shown = [
        job for block in blocks(DOCS / "high-availability.md", "yaml") for job in read(block).get("scrape_configs", ())
    ]
    assert [job["metric_relabel_configs"] for job in shown] == [tested["metric_relabel_configs"]]


@pytest.mark.programs
def test_promtool_takes_the_configuration_with_two_replicas() -> None:
    output("promtool", "check", "config", "--syntax-only", DEPLOY / "compose/prometheus.replicas.yml")
    assert mounted(services(REPLICAS)["prometheus"]).keys() == {"/etc/prometheus/prometheus.yml"}
