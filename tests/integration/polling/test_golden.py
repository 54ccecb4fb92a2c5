"""Golden cases: a configuration and the answers an API gives, and the metrics that must come of them.

A case is a folder of golden: config.yaml, expected.prom, and what the API has. That is pages/, answers by their
path (with `__` for `/`) and status, or batches/, what PackageX's list has at each poll, served in both orders.
What depends on the hour or on how long something took is left out of the comparison.
"""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import prometheus_client.openmetrics.parser
import prometheus_client.parser
import pytest

from exporter.client import ThreadRunner
from exporter.config import load
from exporter.demo.packagex.listing import PackagexReadings
from exporter.exposition.catalog import catalog
from exporter.exposition.scrape import Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.polling.build import Shared, account_pipeline
from exporter.systems import families, sources
from exporter.web.app import App
from exporter.web.routes import Probes
from exporter.web.server.listen import listen
from exporter.web.server.server import Server
from tests.support import faults
from tests.support.patience import GENEROUS
from tests.support.rig import Rig


class Case(NamedTuple):
    folder: Path
    order: Literal["oldest_first", "newest_first"] = "oldest_first"


FOLDERS = sorted((Path(__file__).parent / "golden").iterdir())
CASES = [Case(folder) for folder in FOLDERS] + [
    Case(folder, "newest_first") for folder in FOLDERS if (folder / "batches").exists()
]
_COMPARED = re.compile(
    r"(# (HELP|TYPE) )?(inkit_|packagex_|"
    r"batch_exporter_(up|backfilling|records|unknown_values|poll_errors|api_requests))"
)
_OWN_ZEROS = re.compile(r"batch_exporter_\w+_total\{.*\} 0\.0")


@pytest.fixture
def url(rig: Rig, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of an exporter that has polled each collector once, in the order of the configuration."""
    case: Case = request.param
    rig.packagex.readings = PackagexReadings(order=case.order)
    for page in case.folder.glob("pages/*"):
        path, status, _ = page.name.rsplit(".", 2)
        fault = faults.status(int(status), body=page.read_bytes())
        rig.mock_api.faults.add(fault, "/" + path.replace("__", "/"))
    config_file = tmp_path / "config.yaml"
    config_file.write_text((case.folder / "config.yaml").read_text().replace("MOCK_API_URL", rig.mock_api.url))
    systems = {name: source.system for name, source in sources().items()}
    store = SnapshotStore()
    live = SelfMetrics("1.2.3", "abc", store)
    shared = Shared(rig.state, store, live, lambda _, over: ThreadRunner(over.wait))
    # The last poll is for what rises only now: before, it stood at 0.
    for batches in [*(path.read_text() for path in sorted(case.folder.glob("batches/*"))), "[]", "[]"]:
        for item in json.loads(batches):
            rig.batches.add(item)
        # Each time as `once` does: what its output has shown before may rise.
        for account in load(config_file, systems, {}).accounts:
            for poller in account_pipeline(account, sources(), shared).pollers:
                poller.restore()
                poller.continue_output()
                poller.poll()
                poller.written()
    exposition = Exposition(store, catalog(families()), live.registry)
    sockets = listen("127.0.0.1:0")
    server = Server(App(exposition, store, Probes(lambda: True, lambda: None)), sockets)
    server.start()
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}/metrics"
    assert server.stop()


def scrape(url: str, accept: str = "*/*") -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=GENEROUS) as answer:
        return str(answer.read().decode())


def by_case(case: Case) -> str:
    return case.folder.name + (f"-{case.order}" if (case.folder / "batches").exists() else "")


@pytest.mark.parametrize(("url", "case"), [(case, case) for case in CASES], ids=by_case, indirect=["url"])
def test_the_metrics_are_those_expected(url: str, case: Case) -> None:
    lines = [line for line in scrape(url).splitlines() if _COMPARED.match(line) and not _OWN_ZEROS.match(line)]
    if (case.folder / "batches").exists():
        # What it costs depends on the order.
        lines = [line for line in lines if "api_requests" not in line]
    assert "\n".join(lines) + "\n" == (case.folder / "expected.prom").read_text()


@pytest.mark.parametrize("url", CASES, ids=by_case, indirect=True)
def test_both_formats_parse_strictly_and_say_the_same(url: str) -> None:
    def samples(parse: object, text: str) -> set[tuple[str, frozenset[tuple[str, str]], float]]:
        assert callable(parse)
        return {
            (sample.name, frozenset(sample.labels.items()), sample.value)
            for family in parse(text)
            for sample in family.samples
            if family.name.startswith(("inkit_", "batch_exporter_records"))
        }

    plain = samples(prometheus_client.parser.text_string_to_metric_families, scrape(url))
    openmetrics = samples(
        prometheus_client.openmetrics.parser.text_string_to_metric_families,
        scrape(url, "application/openmetrics-text; version=1.0.0"),
    )
    assert plain == openmetrics
    assert plain


@pytest.mark.parametrize("url", CASES, ids=by_case, indirect=True)
@pytest.mark.programs
def test_promtool_has_nothing_to_say(url: str) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=scrape(url), capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
