"""What Prometheus sees of replicas: with one `instance` for all, counters rise by what has happened."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from tests.support.alerting import ask, free_address, prometheus_command
from tests.support.prometheus_versions import NEWEST, program
from tests.support.replicas import Replica, stage

pytestmark = [pytest.mark.programs, pytest.mark.slow]

RELABELED = [
    {"source_labels": ["account"], "regex": ".+", "target_label": "instance", "replacement": "batch-exporter"},
    {"source_labels": ["account"], "regex": ".+", "target_label": "pod", "replacement": ""},
]
COUNTERS = '{__name__=~"inkit_.+_finished_total",job="replicas"}[1h]'


def test_counters_rise_by_what_has_happened_however_often_accounts_change_their_owner(tmp_path: Path) -> None:
    with stage(tmp_path, ["a"]) as made, prometheus(tmp_path) as scraper:
        pair = made.fresh(2)
        third = made.start(proxy=True)
        scraper.watch([*pair, third])
        (owner,) = (replica for replica in pair if replica.exposed())
        others = [replica for replica in (*pair, third) if replica is not owner]
        owner.stop()
        made.until(lambda: made.exposed_by(*others), "that another one has it")
        time.sleep(2.0)
        owner.go_on()
        made.until(lambda: made.exposed_by(owner), "that it comes back")
        assert owner.terminate() == 0
        made.until(lambda: made.exposed_by(*others), "that another one has it again")
        (second,) = (replica for replica in others if replica.exposed())
        assert second.terminate() == 0
        made.until(lambda: made.exposed_by(*(set(others) - {second})), "that the last one has it")
        assert made.wrong() == []
        with made.still():
            expected = made.apis["a"].events().total()
            made.until(lambda: scraper.sum("max_over_time") == expected, "that all is scraped", 15)
            assert scraper.sum("min_over_time") == 0
            assert scraper.sum("resets") == 0


class Scraper:
    """A Prometheus that scrapes replicas with the relabeling."""

    def __init__(self, folder: Path, address: str) -> None:
        self._targets = folder / "targets.json"
        self._address = address

    def watch(self, replicas: list[Replica]) -> None:
        targets = [{"targets": [f"127.0.0.1:{replica.port}" for replica in replicas]}]
        # Prometheus would read an incomplete file.
        new = self._targets.with_suffix(".new")
        new.write_text(json.dumps(targets))
        new.replace(self._targets)

    def sum(self, function: str) -> float:
        """Return the sum of a function of all counters."""
        expression = f"sum({function}({COUNTERS}))"
        (found,) = ask(f"{self._address}/api/v1/query?query={quote(expression)}")["data"]["result"] or [
            {"value": [0, 0]}
        ]
        return float(found["value"][1])


@contextmanager
def prometheus(folder: Path) -> Iterator[Scraper]:
    address = free_address()
    job = {
        "job_name": "replicas",
        "scrape_interval": "500ms",
        "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}],
        "metric_relabel_configs": RELABELED,
    }
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(prometheus_command(config, address, program(NEWEST)), stdout=log, stderr=log)
    try:
        yield Scraper(folder, address)
    finally:
        process.kill()
        process.wait()
