"""The example of an Alertmanager's configuration: routes by amtool, inhibition by a real Alertmanager."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rules import ROOT, alerts

CONFIG = ROOT / "prometheus" / "alertmanager.yml"
RECEIVER = {"critical": "pager", "warning": "tickets", "info": "nobody"}
Labels = dict[str, str]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of an Alertmanager that runs with the example."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus-alertmanager",
                f"--config.file={CONFIG}",
                f"--storage.path={folder}",
                f"--web.listen-address={address}",
                "--cluster.listen-address=",
            ],
            stderr=log,
        )
        try:
            yield f"http://{address}/api/v2/alerts"
        finally:
            process.kill()
            process.wait()


def ask(url: str, body: object = None) -> Any:
    """GET, or POST of a body; it may take the server a moment to begin."""
    deadline = time.monotonic() + 20
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.URLError:
            assert time.monotonic() < deadline


def only_inhibits(url: str, job: str, source: Labels, inhibited: list[Labels], others: list[Labels]) -> None:
    """Hold that of alerts that fire together, all of this job, the source silences these and not the others."""
    firing = [one | {"job": job} for one in (source, *inhibited, *others)]
    ask(url, [{"labels": one} for one in firing])
    deadline = time.monotonic() + 20
    while True:
        shown = [one for one in ask(url) if one["labels"]["job"] == job]
        silenced = [one["labels"] for one in shown if one["status"]["state"] == "suppressed"]
        if len(shown) == len(firing) and len(silenced) >= len(inhibited):
            break
        assert time.monotonic() < deadline, shown
    assert by_name(silenced) == by_name(one | {"job": job} for one in inhibited)


def by_name(found: Iterable[Labels]) -> list[Labels]:
    return sorted(found, key=lambda one: sorted(one.items()))


def of(name: str, account: str = "production", collector: str = "invocations") -> Labels:
    return {"alertname": name, "account": account, "collector": collector}


def test_amtool_accepts_the_configuration() -> None:
    done = subprocess.run(["amtool", "check-config", CONFIG], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", alerts())
def test_an_alert_goes_where_its_severity_says(name: str) -> None:
    severity = alerts()[name].labels["severity"]
    routed = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={CONFIG}", f"alertname={name}", f"severity={severity}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert routed.stdout.strip() == RECEIVER[severity]


def test_an_exporter_that_is_down_silences_what_follows_from_it(url: str) -> None:
    others = [name for name in alerts() if name != "BatchExporterDown"]
    only_inhibits(url, "first", {"alertname": "BatchExporterDown"}, [of(name) for name in others], [of("NodeDown")])


def test_an_exporter_that_is_down_says_nothing_of_another(url: str) -> None:
    ask(url, [{"labels": of("InkitInFlightTooLong") | {"job": "another"}}])
    only_inhibits(url, "second", {"alertname": "BatchExporterDown"}, [of("InkitInFlightTooLong")], [])
    assert [one["status"]["state"] for one in ask(url) if one["labels"]["job"] == "another"] != ["suppressed"]


@pytest.mark.parametrize("why", ["BatchExporterAuthRefused", "BatchExporterStateNotWritable"])
def test_why_polls_fail_silences_that_they_do_in_the_same_collector(url: str, why: str) -> None:
    follows = ["BatchExporterDataStale", "BatchExporterPollFailing", "BatchExporterBackfillSlow"]
    others = [of("InkitGenerationFailed"), of("BatchExporterPollFailing", collector="document_batches")]
    only_inhibits(url, why, of(why), [of(name) for name in follows], others)


def test_data_that_is_stale_silences_that_polls_fail_and_not_that_requests_are_limited(url: str) -> None:
    follows = ["BatchExporterPollFailing", "BatchExporterBackfillSlow", "BatchExporterReconcileOverdue"]
    others = [of("BatchExporterRateLimited"), of("BatchExporterPollFailing", account="staging")]
    only_inhibits(url, "third", of("BatchExporterDataStale"), [of(name) for name in follows], others)


def test_a_budget_that_burns_fast_need_not_be_said_to_burn_slowly(url: str) -> None:
    others = [of("InkitGenerationFailed"), of("BatchErrorBudgetBurnSlow", account="staging")]
    only_inhibits(url, "fourth", of("BatchErrorBudgetBurnFast"), [of("BatchErrorBudgetBurnSlow")], others)


def test_many_item_errors_silence_that_there_are_some_in_the_same_place(url: str) -> None:
    place = {"resource": "shipment", "phase": "validation"}
    others = [of("PackageXItemErrors") | place | {"resource": "contact"}]
    only_inhibits(url, "fifth", of("PackageXItemErrorRatioHigh") | place, [of("PackageXItemErrors") | place], others)
