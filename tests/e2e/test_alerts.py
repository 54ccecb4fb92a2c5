"""From a record that fails to an alert at Alertmanager, through the exporter, Prometheus and the rules as they are."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.demo.items import document_batch, generations, invocation
from exporter.demo.packagex.items import packagex_batch
from tests.support.alerting import alertmanager, ask, prometheus, without_count
from tests.support.paths import ROOT
from tests.support.patience import eventually
from tests.support.program import running
from tests.support.prometheus_versions import EVERY_VERSION, program
from tests.support.rig import HOUR, TOKEN, Rig

pytestmark = pytest.mark.slow


def exporters(folder: Path, rig: Rig) -> str:
    path = folder / "config.yaml"
    path.write_text(
        f"poll_interval: 500ms\nmax_requests_per_second: 1000\nstate: {{path: {folder}/serve.db}}\n"
        f"accounts: [{{name: prod, system: inkit, base_url: {rig.mock_api.url}, api_token: {TOKEN}}},"
        f" {{name: logistics, system: packagex, base_url: {rig.mock_api.url}, api_token: {TOKEN}}}]\n"
    )
    return f"--config.file={path}"


def prometheus_config(folder: Path, exporter: str, manager: str) -> Path:
    """Write the example's configuration with short intervals and these addresses, and return its path."""
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "200ms", "evaluation_interval": "200ms"}
    config["rule_files"] = [str(ROOT / "prometheus" / rule_file) for rule_file in config["rule_files"]]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [manager]
    config["scrape_configs"] = config["scrape_configs"][:1]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [exporter.removeprefix("http://")]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.programs
@EVERY_VERSION
def test_a_failure_comes_to_alertmanager_and_an_old_one_does_not(rig: Rig, tmp_path: Path, version: str) -> None:
    now = time.time()
    old = document_batch("rb_old", now - HOUR, destinations={"docusign": generations(2, 0, 2)})
    rig.world.add("document_batches", old)
    rig.world.add("invocations", invocation("rend_stuck", now - 2 * HOUR, destinations={"box": "In Progress"}))
    rig.batches.add(packagex_batch("batch_old", now - HOUR, resource="contact", status="failed"))
    with (
        running([exporters(tmp_path, rig)]) as (_, exporter),
        alertmanager(tmp_path) as manager,
        prometheus(prometheus_config(tmp_path, exporter, manager), program(version)) as server,
    ):

        def watched() -> bool:
            """Return whether every collector's window has been read."""
            collectors = ask(f"{server}/api/v1/query?query=batch_exporter_backfilling==0")["data"]["result"]
            return len(collectors) == 4

        def shown() -> dict[str, Any]:
            """Return the alerts by name, once there are as many as expected; before, none."""
            found = {alert["labels"]["alertname"]: alert for alert in ask(f"{manager}/api/v2/alerts")}
            return found if len(found) >= 4 else {}

        eventually(watched)
        rig.world.add("document_batches", document_batch("rb_1", now, destinations={"sepire": generations(3, 2, 1)}))
        rig.batches.add(packagex_batch("batch_1", now, resource="shipment", status="failed", items=12))
        alerts = eventually(shown)
    summaries = {name: alert["annotations"]["summary"] for name, alert in alerts.items() if "TooLong" not in name}
    assert {name: without_count(summary) for name, summary in summaries.items()} == {
        "InkitGenerationFailed": "Inkit: N generation failed at sepire, account prod",
        "PackageXBatchFailed": "PackageX: N shipment batch failed, account logistics",
        "PackageXItemErrors": "PackageX: N shipment item have errors, account logistics",
    }
    assert alerts["InkitInFlightTooLong"]["labels"].items() >= {"account": "prod", "collector": "invocations"}.items()
