"""What the dashboards are to show: a replica with accounts of both systems and a refused one, scraped by Prometheus.

First all is quiet; then `act` lets generations, creations and batches fail, finish and get stuck. It takes ten
seconds, for Prometheus begins to scrape after five.
"""

import json
import random
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from exporter.demo.items import document_batch, generations, invocation, workflow_batch
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import packagex_batch, phase
from exporter.demo.rate_limit import RateLimit
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support import postgres
from tests.support.patience import GENEROUS, ends_of_logs, eventually
from tests.support.ports import free_port

# A poll is longer than a scrape: a counter's series is new for one poll, at 0, and Prometheus must see that.
_CONFIG = """\
poll_interval: 2s
stale_after: 5m
reconcile_interval: 4s
state: {{url: "{database}"}}
accounts:
  - {{name: prod, system: inkit, base_url: "{url}", api_token: demo-token, workflow_label: true}}
  - {{name: refused, system: inkit, base_url: "{url}", api_token: wrong, collectors: [invocations]}}
  - {{name: logistics, system: packagex, base_url: "{url}", api_token: demo-key}}
"""
_PROMETHEUS = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{folder}/rules.yml]
scrape_configs:
  - job_name: batch-exporter
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{cluster: stage}}}}]
"""
# The names and labels are what matters here; the rules themselves have tests of their own.
_RULES = """\
groups:
  - name: stage
    rules:
      - alert: InkitGenerationFailed
        expr: increase(inkit_batch_generations_finished_total{status="failed"}[1m]) > 0
        labels: {severity: critical}
"""
_QUIET = 'count(sum_over_time((batch_exporter_backfilling{account!="refused"} == bool 0)[3s:1s]) > 2) == 4'
"""Each collector that is not refused has read its window, and was scraped since."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str
    at: float | None = None
    """When it is asked (epoch seconds), so that all tests see the same; None: now."""
    folder: Path | None = None
    """Where it and the exporter log."""

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of a response of its API.

        Raises OSError while it has not started, AssertionError with the message of a query that it refuses.
        """
        request = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(request, timeout=GENEROUS) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            raise AssertionError(error.read().decode()) from error

    def now(self, expr: str) -> list[Any]:
        """Return the series of an instant query."""
        asked = {"query": expr} | ({} if self.at is None else {"time": str(self.at)})
        found: list[Any] = self.ask("query", **asked)["result"]
        return found

    def last_minute(self, expr: str) -> list[Any]:
        """Return the series of the last minute, a point a second."""
        asked = {"query": expr, **self.minute(), "step": "1"}
        found: list[Any] = self.ask("query_range", **asked)["result"]
        return found

    def minute(self) -> dict[str, str]:
        """Return the last minute, as parameters."""
        end = time.time() if self.at is None else self.at
        return {"start": str(end - 60), "end": str(end)}

    def until(self, expr: str) -> None:
        """Wait until the expression has a result. Raises AssertionError."""
        eventually(
            lambda: self._answers(expr),
            lambda: f"{expr}\n{ends_of_logs(self.folder) if self.folder else ''}",
            pause=0.2,
        )

    def _answers(self, expr: str) -> bool:
        try:
            return bool(self.now(expr))
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Stage:
    world: World
    batches: Batches

    def set(self) -> None:
        """Add what there is before anything happens: three of each kind are open."""
        now = time.time()
        for number in range(3):
            open_ones = {"sepire": generations(4, 1)}
            self.world.add("document_batches", document_batch(f"rb_{number}", now - 60, destinations=open_ones))
            self.world.add("workflow_batches", workflow_batch(f"fb_{number}", now - 60, destinations=open_ones))
            in_progress = {"inkit_storage": "Completed", "sepire": "In Progress"}
            self.world.add("invocations", invocation(f"rend_{number}", now - 60, destinations=in_progress))
            self.batches.add(packagex_batch(f"batch_{number}", now - 60, status="processing", items=5))

    def begin(self) -> None:
        """Finish the first batch of PackageX: before that, there are no durations of its resource to compare with."""
        now = time.time()
        self.batches.add(packagex_batch("batch_first", now - 10, updated_at=now))

    def act(self) -> None:
        """Let one of each kind finish, one fail and one stay in flight. Two are not as the API's pages say."""
        world, now = self.world, time.time()
        for number, failed in ((0, 0), (1, 2)):
            done = {"sepire": generations(4, 4 - failed, failed)}
            world.update("document_batches", f"rb_{number}", destinations=done)
            world.update("workflow_batches", f"fb_{number}", destinations=done)
        world.add("document_batches", document_batch("rb_3", now, destinations={}, status="Failed"))
        for number, status in ((0, "Completed"), (1, "Failed")):
            delivered = {"inkit_storage": "Completed", "sepire": status}
            world.add("invocations", invocation(f"rend_{number}", now - 60, destinations=delivered))
        world.add("invocations", invocation("rend_3", now, status="Failed", destinations={}))
        world.add("invocations", invocation("rend_4", now, destinations={"fax": "Lost"}))
        world.add("invocations", {**invocation("rend_5", now), "status": 5})
        self.batches.update("batch_0", **_outcome("completed", now, errors=0))
        self.batches.update("batch_1", **_outcome("failed", now, errors=3))


def _outcome(status: str, now: float, errors: int) -> dict[str, Any]:
    made = packagex_batch("", now, status=status, items=5)
    phases = [phase("validation", 5, 5), phase("processing", 5, 5 - errors, errors)]
    return {"status": status, "phases": phases, "stats": made["stats"]}


_COUNTED = (
    'inkit_batch_generations_finished_total{kind="document",status="failed"}',
    'inkit_batch_generations_finished_total{kind="workflow",status="failed"}',
    'inkit_invocation_generations_finished_total{status="failed"}',
    'inkit_batches_finished_total{kind="document",status="failed"}',
    'inkit_batches_finished_total{kind="workflow",status="completed"}',
    'inkit_invocations_finished_total{status="failed"}',
    'packagex_batches_finished_total{status="failed"}',
    'packagex_batches_finished_total{status="completed"}',
    'packagex_batch_items_finished_total{outcome="error"}',
)
# For three seconds: one point in two is what panels see that look for the first and the last time.
_HAPPENED = (
    *(f"sum(increase({series}[12s] offset 3s)) > 0" for series in _COUNTED),
    'ALERTS{alertstate="firing"}',
    "increase(batch_exporter_unknown_values_total[15s])",
    "increase(batch_exporter_records_rejected_total[15s])",
)


@contextmanager
def staged(folder: Path) -> Iterator[Prometheus]:
    """Yield a Prometheus, once everything has happened and was scraped."""
    world, batches = World(random.Random(7)), Batches(random.Random(7))
    stage = Stage(world, batches)
    stage.set()
    with (
        MockApi(world, apis=[PackagexApi(batches)], rate_limit=RateLimit(10_000, 600.0)) as mock_api,
        postgres.running() as database,
        exporter(folder, mock_api.url, database.url(database.database())) as port,
        prometheus(folder, port) as found,
    ):
        found.until(_QUIET)
        stage.begin()
        found.until("count_over_time(packagex_batch_duration_seconds_count[10s]) > 1")
        stage.act()
        for happened in _HAPPENED:
            found.until(happened)
        yield replace(found, at=time.time())


@contextmanager
def exporter(folder: Path, url: str, database: str) -> Iterator[int]:
    port = free_port()
    config = folder / "config.yaml"
    config.write_text(_CONFIG.format(database=database, url=url))
    flags = (f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}")
    with process(folder / "exporter.log", sys.executable, "-m", "exporter", *flags):
        yield port


@contextmanager
def prometheus(folder: Path, port: int) -> Iterator[Prometheus]:
    own_port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(_PROMETHEUS.format(folder=folder, port=port))
    (folder / "rules.yml").write_text(_RULES)
    flags = (
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}/tsdb",
        f"--web.listen-address=127.0.0.1:{own_port}",
        "--enable-feature=exemplar-storage",
    )
    with process(folder / "prometheus.log", "prometheus", *flags):
        yield Prometheus(f"http://127.0.0.1:{own_port}", folder=folder)


@contextmanager
def process(log: Path, *command: str) -> Iterator[None]:
    """Run a program meanwhile; its output is in `log`."""
    with log.open("w") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield
            assert running.poll() is None, log.read_text()
        finally:
            running.kill()
            running.wait()
