"""An exporter on a machine of its own is found: by the Prometheus Operator, and by a file of targets."""

import json
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path

import jsonschema
import pytest
import yaml

from exporter.cli.commands import DEFAULTS
from tests.support import promtool
from tests.support.manifests import Manifest, judge
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

FOLDER = ROOT / "deploy/vm"
JOB = "batch-exporter"
"""The job that the rules know."""
LISTENS = ":10977"


@pytest.fixture
def scrape_config() -> Manifest:
    manifest: Manifest = yaml.safe_load((FOLDER / "scrapeconfig.yaml").read_text())
    return manifest


@pytest.fixture
def prometheus_config(tmp_path: Path) -> Path:
    """Return the file in a folder like an operator's, which has the files that it names."""
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    for name in ("ca.pem", "batch-exporter.password"):
        (tmp_path / name).touch()
    return tmp_path / "prometheus.yml"


def test_the_scrape_config_is_as_its_schema_has_it(scrape_config: Manifest) -> None:
    judge(scrape_config)


@pytest.mark.parametrize("place", [(), ("staticConfigs", 0), ("tlsConfig", "ca"), ("basicAuth", "username")])
def test_a_misspelled_key_does_not_pass_the_schema(scrape_config: Manifest, place: tuple[str | int, ...]) -> None:
    wrong = deepcopy(scrape_config)
    inner = wrong["spec"]
    for name in place:
        inner = inner[name]
    inner["misspelled"] = 1
    with pytest.raises(jsonschema.ValidationError, match="misspelled"):
        judge(wrong)


def test_the_scrape_config_has_the_job_of_the_rules_the_port_of_the_exporter_and_no_secret(
    scrape_config: Manifest,
) -> None:
    spec = scrape_config["spec"]
    assert DEFAULTS["listen_address"] == [LISTENS]
    assert spec["jobName"] == JOB
    assert [target.rpartition(":")[2] for target in spec["staticConfigs"][0]["targets"]] == [LISTENS.strip(":")]
    named = [spec["tlsConfig"]["ca"]["secret"], *spec["basicAuth"].values()]
    text = (FOLDER / "scrapeconfig.yaml").read_text()
    (made,) = [line for line in text.splitlines() if "kubectl create secret" in line]
    assert all(f" {secret['name']} " in made and f"={secret['key']}" in made for secret in named)


@pytest.mark.programs
def test_promtool_accepts_the_job_and_the_file_of_targets(prometheus_config: Path) -> None:
    promtool.run("check", "config", "--lint-fatal", prometheus_config)


@pytest.mark.programs
@pytest.mark.parametrize("wrong", ["- targets: a:1\n", "targets: [a:1]\n"])
def test_promtool_finds_a_file_of_targets_that_is_wrong(prometheus_config: Path, wrong: str) -> None:
    (prometheus_config.parent / "targets/batch-exporter.yml").write_text(wrong)
    with pytest.raises(AssertionError, match="checking SD file"):
        promtool.run("check", "config", prometheus_config)


@pytest.mark.programs
def test_prometheus_finds_the_exporter_with_the_job_of_the_rules(prometheus_config: Path) -> None:
    for command in promtool.promtools():
        words = [command, "check", "service-discovery", "--timeout=10s", str(prometheus_config), JOB]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        (target,) = json.loads(done.stdout[done.stdout.index("[") :])
        labels = target["labels"]
        host = f"exporter.example.org{LISTENS}"
        assert (labels["job"], labels["instance"], labels["cluster"]) == (JOB, host, "production")
