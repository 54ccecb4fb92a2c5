"""From a record that fails to an alert at Alertmanager, through the exporter, Prometheus and the rules as they are."""

import time
from pathlib import Path
from typing import Any

import yaml

from exporter.demo.items import document_batch, generations, invocation
from tests.alerting import alertmanager, ask, eventually, prometheus
from tests.rig import HOUR, TOKEN, Rig
from tests.rules import ROOT
from tests.test_commands import running


def exporters(folder: Path, rig: Rig) -> str:
    path = folder / "config.yaml"
    path.write_text(
        f"poll_interval: 500ms\nmax_requests_per_second: 1000\nstate: {{path: {folder}/serve.db}}\n"
        f"accounts: [{{name: prod, system: inkit, base_url: {rig.stand_in.url}, api_token: {TOKEN}}}]\n"
    )
    return f"--config.file={path}"


def prometheus_config(folder: Path, exporter: str, manager: str) -> Path:
    """The example's, in a hurry and with these addresses."""
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "200ms", "evaluation_interval": "200ms"}
    config["rule_files"] = [str(ROOT / "prometheus" / one) for one in config["rule_files"]]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [manager]
    config["scrape_configs"] = config["scrape_configs"][:1]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [exporter.removeprefix("http://")]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_failure_comes_to_alertmanager_as_one_alert_and_an_old_one_does_not(rig: Rig, tmp_path: Path) -> None:
    now = time.time()
    rig.world.add(
        "document_batches", document_batch("rb_old", now - HOUR, destinations={"docusign": generations(2, 0, 2)})
    )
    rig.world.add("invocations", invocation("rend_stuck", now - 2 * HOUR, destinations={"box": "In Progress"}))
    with (
        running([exporters(tmp_path, rig)]) as (_, exporter),
        alertmanager(tmp_path) as manager,
        prometheus(prometheus_config(tmp_path, exporter, manager)) as server,
    ):

        def recorded() -> Any:
            query = "job:batch_exporter_failures:increase15m{destination='sepire'}"
            return ask(f"{server}/api/v1/query?query={query}")["data"]["result"]

        def shown() -> dict[str, Any]:
            """The alerts by name, once there are as many as are expected."""
            found = {one["labels"]["alertname"]: one for one in ask(f"{manager}/api/v2/alerts")}
            return found if len(found) >= 2 else {}

        eventually(recorded)
        rig.world.add("document_batches", document_batch("rb_1", now, destinations={"sepire": generations(3, 2, 1)}))
        alerts = eventually(shown)
    assert alerts.keys() == {"InkitGenerationFailed", "InkitInFlightTooLong"}
    failed = alerts["InkitGenerationFailed"]
    assert failed["annotations"]["summary"] == "Inkit: 1 generation failed at sepire, account prod"
    assert failed["labels"].items() >= {"collector": "document_batches", "job": "batch-exporter"}.items()
