"""Each version of Prometheus reads the same series in each format and with each escaping, with their exemplars."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from exporter.demo.items import document_batch, generations
from tests.support.alerting import ask, prometheus
from tests.support.patience import eventually
from tests.support.program import config, running
from tests.support.prometheus_versions import EVERY_VERSION, SYSTEM, program
from tests.support.rig import Rig

pytestmark = [pytest.mark.programs, pytest.mark.slow]

FAILED = 'inkit_batch_generations_finished_total{status="failed"}'
Job = Mapping[str, Any]
TEXTS: Mapping[str, Job] = {
    "text 0.0.4": {"scrape_protocols": ["PrometheusText0.0.4"]},
    "text 1.0.0": {"scrape_protocols": ["PrometheusText1.0.0"]},
}
OPENMETRICS: Mapping[str, Job] = {
    "default": {},
    "openmetrics": {"scrape_protocols": ["OpenMetricsText1.0.0"]},
    "protobuf if possible": {"scrape_protocols": ["PrometheusProto", "OpenMetricsText1.0.0", "PrometheusText0.0.4"]},
    "not compressed": {"enable_compression": False},
    **{scheme: {"metric_name_escaping_scheme": scheme} for scheme in ("allow-utf-8", "underscores", "dots", "values")},
}


def jobs(version: str) -> Mapping[str, Job]:
    """Return the ways in which a version can be told to scrape. Debian's has one."""
    return {"default": {}} if version == SYSTEM else {**TEXTS, **OPENMETRICS}


def prometheus_config(folder: Path, exporter: str, ways: Mapping[str, Job]) -> Path:
    targets = [{"targets": [exporter.removeprefix("http://")]}]
    scrapes = [{"job_name": name, "static_configs": targets, **settings} for name, settings in ways.items()]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump({"global": {"scrape_interval": "200ms"}, "scrape_configs": scrapes}))
    return path


@EVERY_VERSION
def test_each_way_to_scrape_gets_the_same_series_and_openmetrics_the_exemplars(
    rig: Rig, tmp_path: Path, version: str
) -> None:
    ways = jobs(version)
    with (
        running([config(rig, tmp_path)]) as (_, exporter),
        prometheus(
            prometheus_config(tmp_path, exporter, ways), program(version), "--enable-feature=exemplar-storage"
        ) as server,
    ):

        def by_job(expression: str) -> dict[str, str]:
            found = ask(f"{server}/api/v1/query?query={quote(f'sum by (job) ({expression})')}")["data"]["result"]
            return {series["metric"]["job"]: series["value"][1] for series in found}

        eventually(lambda: by_job("batch_exporter_backfilling == 0").keys() == ways.keys())
        failed = document_batch("rb_1", time.time(), destinations={"sepire": generations(3, 2, 1)})
        rig.world.add("document_batches", failed)
        eventually(lambda: by_job(f"increase({FAILED}[1m]) > 0").keys() == ways.keys())

        now = time.time()
        exemplars = ask(f"{server}/api/v1/query_exemplars?query={quote(FAILED)}&start={now - 60}&end={now}")["data"]

        def errors() -> set[str]:
            targets = ask(f"{server}/api/v1/targets")["data"]["activeTargets"]
            return {target["lastError"] for target in targets}

        def series() -> dict[str, str]:
            return by_job('count by (job) ({__name__=~"inkit_.+|batch_exporter_.+"})')

        # A busy machine may be late for a scrape of one of them.
        eventually(lambda: errors() == {""})
        eventually(lambda: series().keys() == ways.keys() and len(set(series().values())) == 1)
        assert {found["seriesLabels"]["job"]: found["exemplars"][0]["labels"] for found in exemplars} == {
            name: {"record_id": "rb_1"} for name in ways if name in OPENMETRICS
        }
