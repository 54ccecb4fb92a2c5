"""The program as an operator meets it: real processes, real signals, real exit statuses."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import jsonschema
import pytest
import yaml

from exporter import __version__
from exporter.cli.online.cost import pages_in_window, requests_a_day
from exporter.demo.faults import ListFaults
from exporter.demo.items import Kind, document_batch, invocation
from exporter.model.record import Record
from exporter.systems.base import Page
from tests.support import faults, patience
from tests.support.paths import ROOT
from tests.support.patience import GENEROUS
from tests.support.program import PATH, PROGRAM, config, eventually, get, run, running
from tests.support.rig import DAY, HOUR, NOW, TOKEN, Rig


def test_version_is_printed() -> None:
    assert run("--version").stdout.startswith(f"batch-exporter, version {__version__} (revision: ")


@pytest.mark.parametrize("arguments", [["metrics"], ["check", "--config.file=none.yaml"]])
def test_a_program_that_was_forked_says_and_ends_as_one_that_was_started(arguments: list[str], tmp_path: Path) -> None:
    """Most tests of commands rely on it: see tests/support/forked.py."""
    started = subprocess.run(
        [*PROGRAM, *arguments], cwd=tmp_path, env=PATH, capture_output=True, text=True, timeout=GENEROUS, check=False
    )
    forked = run(*arguments, cwd=tmp_path)
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-flag"],
        ["no-such-command"],
        ["--log.level=loud"],
        ["--web.telemetry-path=metrics"],
        ["--web.telemetry-path=/failures"],
        ["demo", "--api-port=x"],
        ["demo", "--config.file=x"],
        ["--config.fil=x"],
    ],
)
def test_a_command_line_that_cannot_be_understood_ends_with_status_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr


def test_without_configuration_it_says_what_to_give_and_ends_with_status_2(tmp_path: Path) -> None:
    done = run(cwd=tmp_path)
    assert done.returncode == 2
    assert "INKIT_API_TOKEN" in done.stderr
    assert "--config.file" in done.stderr


def test_a_bad_configuration_names_every_problem_and_ends_with_status_2(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "poll_intervall: 60s\naccounts:\n  - name: prod\n    system: inkit\n    api_token: CANARY\n    page_size: 0\n"
    )
    for command in ("serve", "check", "once"):
        done = run(command, f"--config.file={path}")
        assert done.returncode == 2
        assert "config.yaml:1: poll_intervall" in done.stderr
        assert "config.yaml:6: accounts[0].page_size" in done.stderr
        assert "CANARY" not in done.stderr + done.stdout


def test_an_address_that_is_taken_ends_with_a_message(rig: Rig, tmp_path: Path) -> None:
    port = rig.mock_api.url.removesuffix("/v1").rsplit(":", 1)[1]
    done = run(config(rig, tmp_path), f"--web.listen-address=127.0.0.1:{port}")
    assert done.returncode == 1, "it may be free by the next attempt"
    assert "in use" in done.stderr


def test_check_accepts_a_good_configuration(rig: Rig, tmp_path: Path) -> None:
    done = run("check", config(rig, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "OK, 1 account" in done.stdout
    assert not rig.mock_api.requests, "without --online nobody is asked"


def test_check_online_asks_each_collector_once_and_reports_the_cost(rig: Rig, tmp_path: Path) -> None:
    done = run("check", "--online", config(rig, tmp_path))
    assert done.returncode == 0
    assert done.stdout.count("1 page in the window, about 86,400 requests on a quiet day") == 3
    assert sorted(request.path for request in rig.mock_api.requests) == ["/batch", "/invoke", "/invoke/batch"]


def test_the_cost_of_a_day_is_the_polls_and_the_reconciliations() -> None:
    assert requests_a_day(1, 60.0, 3600.0) == 1440
    assert requests_a_day(100, 60.0, 3600.0) == 1440 + 2400


def test_the_pages_in_the_window_are_judged_by_the_time_the_first_one_spans() -> None:
    records = tuple(Record(str(number), NOW - number * HOUR, False, {}) for number in range(25))
    assert pages_in_window([Page(records, rows=25, last=False, pages=1000)], 7 * DAY) == 7
    assert pages_in_window([Page(records, rows=25, last=False, pages=3)], 7 * DAY) == 3
    assert pages_in_window([Page(records, rows=25, last=True, pages=1)], 7 * DAY) == 1


def test_check_online_fails_with_the_reason_where_a_collector_is_refused(rig: Rig, tmp_path: Path) -> None:
    rig.mock_api.faults.add(faults.status(403), path="/batch")
    done = run("check", "--online", config(rig, tmp_path))
    assert done.returncode == 1
    assert "prod/document_batches: auth" in done.stderr


def test_check_prints_a_schema_that_accepts_the_example(tmp_path: Path) -> None:
    schema = json.loads(run("check", "--print-schema", cwd=tmp_path).stdout)
    example = ROOT / "config.example.yaml"
    jsonschema.validate(yaml.safe_load(example.read_text()), schema)


def test_metrics_prints_the_page(tmp_path: Path) -> None:
    committed = ROOT / "docs" / "metrics.md"
    assert run("metrics", cwd=tmp_path).stdout == committed.read_text()


def test_once_prints_the_metrics_of_one_poll(rig: Rig, tmp_path: Path) -> None:
    rig.world.add("document_batches", document_batch("rb_1", time.time(), total=3))
    done = run("once", config(rig, tmp_path))
    assert done.returncode == 0
    assert 'inkit_batch_documents{account="prod",kind="document"} 3.0\n' in done.stdout


def test_once_writes_a_file_whole_or_not_at_all(rig: Rig, tmp_path: Path) -> None:
    output = tmp_path / "batches.prom"
    assert run("once", config(rig, tmp_path), f"--output={output}").returncode == 0
    assert "inkit_batches{" in output.read_text()
    assert not list(tmp_path.glob("*.partial"))


def test_once_counts_from_run_to_run_and_shows_a_new_series_at_zero_first(rig: Rig, tmp_path: Path) -> None:
    file = config(rig, tmp_path, "").removeprefix("--config.file=")
    Path(file).write_text(Path(file).read_text().replace("api_token", "workflow_label: true, api_token"))
    arguments = ("once", f"--config.file={file}")
    wanted = re.compile(
        r'inkit_invocation_generations_finished_total\{.*"sepire",status="failed",workflow="New"\} (.*)'
    )
    run(*arguments)
    failed = invocation("rend_1", time.time(), destinations={"sepire": "Failed"}, flow_name="New")
    rig.world.add("invocations", failed)
    values = [wanted.findall(run(*arguments).stdout) for _ in range(3)]
    assert values == [["0.0"], ["1.0"], ["1.0"]]


def test_a_restart_while_the_api_is_down_shows_what_is_known_as_old_as_it_is(rig: Rig, tmp_path: Path) -> None:
    rig.world.add("document_batches", document_batch("rb_1", time.time(), total=3))
    run("once", config(rig, tmp_path))
    rig.mock_api.faults.add(faults.status(500))
    done = run("once", config(rig, tmp_path))
    assert done.returncode == 1
    assert 'inkit_batch_documents{account="prod",kind="document"} 3.0\n' in done.stdout
    assert 'batch_exporter_up{account="prod",collector="document_batches",system="inkit"} 0.0\n' in done.stdout
    assert 'batch_exporter_last_success_timestamp_seconds{account="prod",collector="document_batches"' in done.stdout
    assert 'batch_exporter_backfilling{account="prod",collector="document_batches",system="inkit"} 0.0' in done.stdout


@pytest.mark.parametrize("arguments", [["metrics"], ["check", "--print-schema"]])
def test_output_that_cannot_be_written_is_said_without_a_traceback(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "cannot write to standard output: No space left on device\n"


def test_requests_are_logged_at_debug_level(rig: Rig, tmp_path: Path) -> None:
    done = run("once", config(rig, tmp_path), "--log.level=debug")
    assert re.search(r"level=DEBUG msg=asked endpoint=/batch code=200 seconds=0\.\d+", done.stderr)


def test_once_to_a_folder_that_is_not_there_says_so(rig: Rig, tmp_path: Path) -> None:
    done = run("once", config(rig, tmp_path), f"--output={tmp_path}/none/batches.prom")
    assert done.returncode == 1
    assert "none/batches.prom" in done.stderr


def test_once_fails_if_a_collector_failed_and_still_prints_the_others(rig: Rig, tmp_path: Path) -> None:
    rig.mock_api.faults.add(faults.status(401), path="/invoke")
    done = run("once", config(rig, tmp_path))
    assert done.returncode == 1
    assert 'batch_exporter_up{account="prod",collector="invocations",system="inkit"} 0.0' in done.stdout
    assert 'batch_exporter_up{account="prod",collector="document_batches",system="inkit"} 1.0' in done.stdout


def test_a_token_in_the_environment_is_enough(tmp_path: Path) -> None:
    assert "OK, 1 account" in run("check", cwd=tmp_path, INKIT_API_TOKEN="invented").stdout


def test_it_serves_what_the_api_says_and_follows_its_changes(rig: Rig, tmp_path: Path) -> None:
    rig.world.add("document_batches", document_batch("rb_1", time.time(), total=3))
    with running([config(rig, tmp_path)]) as (_, url):
        eventually(url + "/metrics", 'inkit_batch_documents{account="prod",kind="document"} 3.0\n')
        rig.world.add("document_batches", document_batch("rb_2", time.time(), total=4))
        eventually(url + "/metrics", 'inkit_batch_documents{account="prod",kind="document"} 7.0\n')
        assert "healthy" in get(url + "/-/healthy")
        assert get(url + "/-/ready")
        assert "prod" in get(url + "/")


def test_a_poll_longer_than_its_interval_is_not_started_twice(rig: Rig, tmp_path: Path) -> None:
    asked, go_on = list[Kind](), threading.Event()

    def hold(kind: Kind, _: int) -> None:
        asked.append(kind)
        assert kind != "document_batches" or go_on.wait(GENEROUS)

    rig.mock_api.faults.list_faults = ListFaults(before_page=hold)
    with running([config(rig, tmp_path)]) as (_, url):
        try:
            patience.eventually(lambda: "document_batches" in asked)
            time.sleep(1.5)
            assert asked.count("document_batches") == 1
        finally:
            go_on.set()
        eventually(
            url + "/metrics", 'batch_exporter_up{account="prod",collector="document_batches",system="inkit"} 1.0'
        )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_two_seconds_in_the_middle_of_an_unanswered_request(
    rig: Rig, tmp_path: Path, number: signal.Signals
) -> None:
    rig.mock_api.faults.add(faults.hang())
    with running([config(rig, tmp_path)]) as (process, _):
        patience.eventually(lambda: rig.mock_api.requests)
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(GENEROUS) == 0
        # Two seconds at most; the rest is for a busy machine.
        assert time.monotonic() - started < 25, "a request may take 30 s"


def test_the_token_and_customers_data_are_in_no_output_at_debug_level(rig: Rig, tmp_path: Path) -> None:
    secret = {"api_token": "CANARY-TOKEN", "merge": {"name": "CANARY-PERSON"}}
    rig.world.add("invocations", invocation("rend_1", time.time(), merge_parameters=secret["merge"]))  # type: ignore[arg-type]
    path = tmp_path / "config.yaml"
    path.write_text(
        f"state: {{path: {tmp_path}/once.db}}\n"
        f"accounts: [{{name: prod, system: inkit, base_url: {rig.mock_api.url}, api_token: CANARY-TOKEN}},"
        f" {{name: good, system: inkit, base_url: {rig.mock_api.url}, api_token: {TOKEN}}}]\n"
    )
    done = run("once", f"--config.file={path}", "--log.level=debug", "--log.format=json")
    assert "the API refuses the token" in done.stderr
    assert "inkit_invocations{" in done.stdout
    assert "CANARY" not in done.stdout + done.stderr
    assert [json.loads(line) for line in done.stderr.splitlines()]


def test_the_demo_runs_and_its_data_is_served(tmp_path: Path) -> None:
    with running(["demo", "--api-port=0"], TMPDIR=str(tmp_path)) as (process, url):
        page = eventually(url + "/metrics", 'inkit_invocations{account="demo"')
        assert 'batch_exporter_up{account="demo",collector="invocations",system="inkit"} 1.0' in page
        process.terminate()
        assert process.wait(GENEROUS) == 0


def test_a_port_that_the_demo_cannot_have_is_said(rig: Rig) -> None:
    port = rig.mock_api.url.removesuffix("/v1").rsplit(":", 1)[1]
    done = run("demo", f"--api-port={port}", "--web.listen-address=127.0.0.1:0")
    assert done.returncode == 1
    assert "--api-port" in done.stderr


def test_the_demos_api_can_be_run_alone() -> None:
    process = subprocess.Popen([*PROGRAM, "demo", "--api-only", "--api-port=0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.readline() + process.stdout.readline()
    url = re.search(r"http://\S+/v1/batch", printed)
    assert url is not None
    request = urllib.request.Request(url[0], headers={"X-Inkit-API-Token": TOKEN})
    with urllib.request.urlopen(request, timeout=GENEROUS) as answer:
        assert json.load(answer)["items"]
    process.terminate()
    assert process.wait(GENEROUS) == 0
    process.stdout.close()


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_once_replaces_nothing_that_is_no_file(rig: Rig, tmp_path: Path, kind: str) -> None:
    place = {"folder": tmp_path, "pipe": tmp_path / "pipe", "device": Path("/dev/null")}[kind]
    if kind == "pipe":
        os.mkfifo(place)
    before = place.stat()
    done = run("once", config(rig, tmp_path), f"--output={place}")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot write {place}: it is " in done.stderr
    assert not rig.mock_api.requests
    assert (before.st_ino, before.st_mode) == (place.stat().st_ino, place.stat().st_mode)


def test_once_writes_the_file_that_a_link_leads_to(rig: Rig, tmp_path: Path) -> None:
    link, target = tmp_path / "link.prom", tmp_path / "target.prom"
    target.write_text("old")
    link.symlink_to(target)
    assert run("once", config(rig, tmp_path), f"--output={link}").returncode == 0
    assert link.is_symlink()
    assert "batch_exporter_up" in target.read_text()
