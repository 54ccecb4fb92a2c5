"""With start timestamps, Prometheus sees the first failure of a kind without a poll of delay, and sees it once."""

import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from exporter.demo.items import invocation
from tests.support.alerting import ask, free_address, prometheus
from tests.support.patience import GENEROUS, eventually
from tests.support.program import running
from tests.support.prometheus_versions import EVERY_VERSION, SYSTEM, program
from tests.support.rig import TOKEN, Rig

pytestmark = [pytest.mark.programs, pytest.mark.slow]

INTERVAL_SECONDS = 3.0
NEW = 'inkit_invocation_generations_finished_total{destination="pigeon",status="failed"}'
"""A destination that no reference knows, so that its series comes with its first failure."""


def configuration(rig: Rig, folder: Path) -> str:
    account = {"system": "inkit", "base_url": rig.mock_api.url, "api_token": TOKEN, "collectors": ["invocations"]}
    told = {"name": "told", "created_timestamps": True}
    path = folder / "config.yaml"
    config = {
        "poll_interval": f"{INTERVAL_SECONDS:.0f}s",
        "max_requests_per_second": 1000,
        "state": {"path": str(folder / "serve.db")},
        "accounts": [{**account, **told}, {**account, "name": "plain"}],
    }
    path.write_text(yaml.safe_dump(config))
    return f"--config.file={path}"


def prometheus_config(folder: Path, targets: list[str]) -> Path:
    job = {"job_name": "batch-exporter", "static_configs": [{"targets": targets}]}
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump({"global": {"scrape_interval": "200ms"}, "scrape_configs": [job]}))
    return path


def exposed(address: str) -> str:
    request = urllib.request.Request(f"http://{address}/metrics", headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(request, timeout=GENEROUS) as answer:
        return str(answer.read().decode())


def waited(samples: list[tuple[float, str]]) -> float:
    """Return how long a series had no failure, from its first sample to the first one that has."""
    assert float(samples[0][1]) == 0.0, samples
    return next(at for at, value in samples if float(value)) - samples[0][0]


@EVERY_VERSION
def test_a_new_series_rises_at_once_and_another_instance_does_not_repeat_it(
    rig: Rig, tmp_path: Path, version: str
) -> None:
    config, addresses = configuration(rig, tmp_path), [free_address(), free_address()]
    # Debian's version does not have this feature, and ignores start timestamps.
    feature = () if version == SYSTEM else ("--enable-feature=created-timestamp-zero-ingestion",)
    with prometheus(prometheus_config(tmp_path, addresses), program(version), *feature) as server:

        def found(expression: str) -> list[Any]:
            answer: list[Any] = ask(f"{server}/api/v1/query?query={quote(expression)}")["data"]["result"]
            return answer

        with running([config, f"--web.listen-address={addresses[0]}"]):
            eventually(lambda: len(found("batch_exporter_backfilling == 0")) == 2)
            rig.world.add("invocations", invocation("rend_1", time.time(), destinations={"pigeon": "Failed"}))
            eventually(lambda: len(found(f"{NEW} == 1")) == 2)
            if version != SYSTEM:
                # The next poll records that the value was scraped.
                time.sleep(1.5 * INTERVAL_SECONDS)
            series = {each["metric"]["account"]: each["values"] for each in found(f"{NEW}[5m]")}
        assert waited(series["plain"]) >= INTERVAL_SECONDS - 0.5
        if version == SYSTEM:
            return
        assert waited(series["told"]) < INTERVAL_SECONDS / 2
        assert len(found(f"increase({NEW}[1m]) > 0")) == 2

        with running([config, f"--web.listen-address={addresses[1]}"]):
            name = NEW.partition("_total")[0] + '_created{account="told",destination="pigeon"'
            eventually(lambda: name in exposed(addresses[1]))
            time.sleep(1.0)
            another = f'{NEW.rstrip("}")},instance="{addresses[1]}"}}'
            assert [each["value"][1] for each in found(f"min_over_time({another}[1m])")] == ["1", "1"]
