"""`batch-exporter inspect` as an operator meets it: real processes against the mock API of both systems."""

import json
import os
import pty
import random
import re
import signal
import stat
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporter.client.transport import MAX_BODY_BYTES
from exporter.demo.faults import Fault
from exporter.demo.http_types import Answer
from exporter.demo.items import document_batch, generations, invocation, workflow_batch
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.files import FileStore
from exporter.demo.packagex.items import packagex_batch, phase
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support import faults
from tests.support.patience import GENEROUS, eventually
from tests.support.program import PATH, PROGRAM, run
from tests.support.scripted import scripted
from tests.support.tls_server import context, served

KEY = "CANARY-KEY"
FILES = ("upload.csv", "upload.json", "errors.csv", "errors.json")
PEOPLE = re.compile(r"Sample|Example|Placeholder|Specimen|Nobody|@|555-0100")
"""What the mock API's files are full of."""


class Api:
    """A mock API of both systems, and a configuration with an account of each."""

    def __init__(self, mock_api: MockApi, world: World, batches: Batches, folder: Path) -> None:
        self.mock_api, self.world, self.batches, self.folder = mock_api, world, batches, folder
        path = folder / "config.yaml"
        path.write_text(
            f"request_timeout: 2s\naccounts:\n"
            f"  - {{name: prod, system: inkit, base_url: {mock_api.url}, api_token: {KEY}}}\n"
            f"  - {{name: logistics, system: packagex, base_url: {mock_api.url}, api_token: {KEY}}}\n"
        )
        self.config = f"--config.file={path}"

    def inspect(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return run("inspect", self.config, *arguments, cwd=self.folder)

    def failed_batch(self) -> None:
        """Add `batch_1`, of which 30 of 40 items failed."""
        phases = [phase("validation", 40, 30, 10), phase("processing", 30, 10, 20)]
        self.batches.add(
            packagex_batch("batch_1", time.time() - 7200, status="failed", reason="'CANARY' failed", phases=phases)
        )

    def offer(self, **urls: str) -> None:
        """Let `batch_1` be answered with these URLs of files."""
        batch = packagex_batch("batch_1", time.time()) | {f"_{name}_url": url for name, url in urls.items()}
        self.mock_api.faults.add(faults.raw(json.dumps({"status": 200, "data": batch}).encode()), "/batches/batch_1")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    world, batches = World(random.Random(1)), Batches(random.Random(1))
    with MockApi(world, KEY, apis=(PackagexApi(batches, KEY), FileStore(batches))) as mock_api:
        yield Api(mock_api, world, batches, tmp_path)


def test_a_document_batch_is_shown_with_its_destinations(api: Api) -> None:
    counts = {"sepire": generations(1200, 1100, 100), "docusign": generations(7, 2)}
    api.world.add("document_batches", document_batch("rb_1", time.time() - 3 * 3600 - 60, destinations=counts))
    done = api.inspect("prod", "rb_1")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.sub(r"\d{4}-\S+Z", "TIME", done.stdout) == (
        "Id:          rb_1\n"
        "Account:     prod (inkit)\n"
        "Collector:   document_batches\n"
        "In flight:   yes\n"
        "Status:      Completed\n"
        "Created at:  TIME (3 h ago)\n"
        "Total:       1,200\n"
        "\n"
        "Destinations:\n"
        "  DESTINATION  STATUS       COUNT  COMPLETED  FAILED  IN PROGRESS\n"
        "  sepire       completed    1,200      1,100     100            0\n"
        "  docusign     in_progress      7          2       0            5\n"
    )


def test_a_workflow_batch_and_an_invocation_are_shown(api: Api) -> None:
    api.world.add("workflow_batches", workflow_batch("fb_1", time.time(), total=3))
    api.world.add("invocations", invocation("rend_1", time.time(), destinations={"box": "Failed"}, batch_id="fb_1"))
    assert "Collector:   workflow_batches" in api.inspect("prod", "fb_1").stdout
    shown = api.inspect("prod", "rend_1").stdout
    assert re.search(r"Batch: +fb_1\n", shown)
    assert "  box          Failed  box_1\n" in shown
    assert [request.params.get("data_id") for request in api.mock_api.requests] == [None, "rend_1"]


def test_customers_data_is_shown_only_where_it_is_asked_for(api: Api) -> None:
    api.world.add("invocations", invocation("rend_1", time.time(), merge_parameters={"name": "CANARY"}))
    assert "Not shown without --show-data: merge_parameters" in (shown := api.inspect("prod", "rend_1").stdout)
    assert "CANARY" not in shown
    assert "  name:  CANARY\n" in api.inspect("prod", "rend_1", "--show-data").stdout
    made = json.loads(api.inspect("prod", "rend_1", "--show-data", "--json").stdout)
    assert made["private"]["merge_parameters"] == {"name": "CANARY"}


def test_a_packagex_batch_is_shown_with_its_reason_phases_and_stats(api: Api) -> None:
    api.failed_batch()
    done = api.inspect("logistics", "batch_1")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"Reason: +… failed\n", done.stdout)
    assert "  processing  sync     30         30       10     20\n" in done.stdout
    assert "  created          0\n" in done.stdout
    assert not api.mock_api.requests[-1].params, "files are made to be offered only where they are wanted"


def test_the_errors_of_a_batch_are_summed_up_without_the_people(api: Api) -> None:
    api.failed_batch()
    done = api.inspect("logistics", "batch_1", "--errors")
    assert (done.returncode, done.stderr) == (0, "")
    summed = done.stdout.partition("Errors of 30 rows:\n")[2]
    counts = [int(found) for found in re.findall(r"^ +(\d+)  \w+: .*…", summed, re.MULTILINE)]
    assert sum(counts) == 30
    assert counts == sorted(counts, reverse=True)
    assert not PEOPLE.search(summed)
    assert PEOPLE.search(api.inspect("logistics", "batch_1", "--errors", "--show-data").stdout)
    assert [request.path for request in api.mock_api.requests if "files" in request.path] == [
        "/files/batch_1/errors.json"
    ] * 2


def test_where_no_json_is_offered_the_errors_are_read_from_csv(api: Api) -> None:
    url = api.mock_api.url.removesuffix("/v1") + "/files/x.csv?sig=CANARY"
    api.offer(errors_csv=url)
    api.mock_api.faults.add(Fault(Answer(200, b"row,field,message\n1,email,missing\n2,email,missing\n")), "/files/*")
    made = json.loads(api.inspect("logistics", "batch_1", "--errors", "--json").stdout)
    assert made["errors"] == {"rows": 2, "kinds": [{"error": "email: missing", "rows": 2}]}


def test_a_batch_without_an_errors_file_is_said_to_have_none(api: Api) -> None:
    api.batches.add(packagex_batch("batch_1", time.time()))
    done = api.inspect("logistics", "batch_1", "--errors")
    assert done.returncode == 0
    assert done.stderr == "logistics/batches: batch_1 offers no errors file\n"


def test_an_errors_file_that_is_too_large_to_be_summed_up_is_said_to_be(api: Api) -> None:
    api.failed_batch()
    api.mock_api.faults.add(faults.huge(MAX_BODY_BYTES + 1), "/files/*")
    done = api.inspect("logistics", "batch_1", "--errors")
    assert done.returncode == 1
    assert "too_large: errors.json is larger than 64 MiB" in done.stderr
    assert "--files" in done.stderr
    assert done.stdout.startswith("Id:"), "the record is shown all the same"


def test_the_files_host_is_trusted_as_the_api_is_but_has_its_own_name(api: Api) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(api.folder / "ca.pem")
    path = api.folder / "config.yaml"
    tls = f"tls_config: {{ca_file: {api.folder}/ca.pem, server_name: api.example}}"
    path.write_text(path.read_text().replace("system: packagex", f"system: packagex, {tls}"))
    with served(context(authority)) as url:
        api.offer(errors_json=url)
        done = api.inspect("logistics", "batch_1", "--errors")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Errors of 1 row:" in done.stdout


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://169.254.169.254/latest/meta-data", "link-local"),
        ("https://10.0.0.1:8443/file", "private"),
        ("https://[::ffff:192.168.0.1]/file", "private"),
        ("https://0/file", "unspecified"),
    ],
)
def test_a_file_on_a_host_of_a_network_that_the_api_is_not_in_is_not_fetched(api: Api, url: str, kind: str) -> None:
    api.offer(errors_json=f"{url}?sig=CANARY")
    done = api.inspect("logistics", "batch_1", "--errors", f"--files={api.folder}/files")
    assert done.returncode == 1
    assert f"the file's URL leads to a {kind} address" in done.stderr
    assert "CANARY" not in done.stderr + done.stdout
    assert not list(api.folder.glob("files/*"))


def test_all_files_are_saved_for_their_owner_and_none_is_left_half_done(api: Api) -> None:
    api.failed_batch()
    folder = api.folder / "files"
    folder.mkdir()
    (folder / "batch_1-errors.csv").write_text("old")
    done = api.inspect("logistics", "batch_1", "--files", str(folder), "--errors", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    made = json.loads(done.stdout)
    assert sorted(made["files"]) == sorted(FILES)
    assert {path.name for path in folder.iterdir()} == {f"batch_1-{name}" for name in FILES}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    assert (folder / "batch_1-errors.csv").read_text().startswith("row,field,code,message")
    asked = [request.path for request in api.mock_api.requests if request.path.startswith("/files")]
    assert len(asked) == len(set(asked)), "what is saved already is not fetched again for the summary"


def test_one_file_that_cannot_be_had_keeps_no_other_away(api: Api) -> None:
    api.failed_batch()
    api.mock_api.faults.add(faults.truncated(), "/files/batch_1/upload.json")
    done = api.inspect("logistics", "batch_1", f"--files={api.folder}/files", "--json")
    assert done.returncode == 1
    assert done.stderr == "logistics/batches: upload.json: connection: the answer ended early\n"
    assert sorted(json.loads(done.stdout)["files"]) == ["errors.csv", "errors.json", "upload.csv"]
    assert not list((api.folder / "files").glob("*upload.json*"))


def test_a_disk_that_takes_no_more_is_said_and_nothing_half_done_is_left(api: Api) -> None:
    api.batches.add(packagex_batch("batch_1", time.time(), items=2_000))
    limited = ("sh", "-c", 'ulimit -f 8; exec "$0" "$@"', *PROGRAM)
    done = subprocess.run(
        [*limited, "inspect", api.config, "logistics", "batch_1", f"--files={api.folder}/files"],
        env={**PATH, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )
    assert done.returncode == 1
    assert "batch_1-upload.csv: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((api.folder / "files").iterdir())


def test_a_folder_that_cannot_be_had_is_said(api: Api) -> None:
    api.failed_batch()
    done = api.inspect("logistics", "batch_1", f"--files={api.folder}/config.yaml/files")
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "Not a directory" in done.stderr


def test_a_signal_in_the_middle_of_a_download_leaves_nothing_behind(api: Api) -> None:
    with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", *[b"x" * 65_536] * 100, every=0.05) as server:
        api.offer(upload_csv=server.url + "/file?sig=CANARY")
        folder = api.folder / "files"
        process = subprocess.Popen(
            [*PROGRAM, "inspect", api.config, "logistics", "batch_1", f"--files={folder}"],
            env=PATH,
            stderr=subprocess.PIPE,
            text=True,
        )
        eventually(lambda: folder.is_dir() and any(path.stat().st_size for path in folder.iterdir()))
        process.send_signal(signal.SIGTERM)
        _, message = process.communicate(timeout=GENEROUS)
    assert (process.returncode, message) == (130, "")
    assert not list(folder.iterdir())


def test_an_unknown_account_is_a_wrong_command_line_and_the_nearest_is_named(api: Api) -> None:
    done = api.inspect("logistic", "batch_1")
    assert done.returncode == 2
    assert 'no account "logistic"' in done.stderr
    assert 'did you mean "logistics"?' in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prod", "batch_1"], "its ids begin with rb_"),
        (["logistics", "../../x"], "is not an id"),
        (["prod", "rb_1", "--files=x"], "inkit offers no files"),
    ],
)
def test_what_cannot_be_asked_for_is_a_wrong_command_line(api: Api, arguments: list[str], message: str) -> None:
    done = api.inspect(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert not api.mock_api.requests


@pytest.mark.parametrize("where", ["prod rb_9", "prod rend_9", "logistics batch_9"])
def test_a_record_that_is_not_there_is_said_to_be_none(api: Api, where: str) -> None:
    account, record_id = where.split()
    done = api.inspect(account, record_id)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f": no record {record_id} in account {account}\n")


def test_an_api_that_fails_is_said_with_the_reason(api: Api) -> None:
    api.mock_api.faults.add(faults.status(401))
    assert "prod/document_batches: auth: GET /batch/{id} answered 401" in api.inspect("prod", "rb_1").stderr
    api.mock_api.faults.clear()
    api.mock_api.faults.add(faults.raw(b'{"id": "rb_2"}'))
    done = api.inspect("prod", "rb_1")
    assert done.returncode == 1
    assert "malformed: the answer is not the record that was asked for" in done.stderr


def test_a_list_that_is_not_there_is_not_taken_for_a_record_that_is_not(api: Api) -> None:
    api.mock_api.faults.add(faults.status(404))
    assert "client_error: GET /invoke answered 404: check base_url" in api.inspect("prod", "rend_1").stderr


def test_a_record_that_the_metrics_leave_out_is_shown_with_the_reason(api: Api) -> None:
    api.world.add("document_batches", {**document_batch("rb_1", time.time()), "created_at": "soon"})
    done = api.inspect("prod", "rb_1")
    assert done.returncode == 0
    assert "Not counted:  its created_at can't be understood\n" in done.stdout
    assert re.search(r"Created.*soon\n", done.stdout)


def test_what_a_server_writes_is_not_obeyed_by_the_terminal(api: Api) -> None:
    api.world.add("document_batches", document_batch("rb_1", time.time(), name="\x1b]0;owned\x07\nId: rb_2"))
    shown = api.inspect("prod", "rb_1").stdout
    assert shown.replace("\n", "").isprintable()
    assert "\nId: rb_2" not in shown


def test_a_terminal_with_few_characters_gets_them_escaped(api: Api) -> None:
    api.world.add("document_batches", document_batch("rb_1", time.time(), name="漢字"))
    # Python reads it before the program begins.
    few = {**PATH, "PYTHONIOENCODING": "ascii"}
    command = [*PROGRAM, "inspect", api.config, "prod", "rb_1"]
    done = subprocess.run(command, env=few, capture_output=True, text=True, timeout=GENEROUS, check=False)
    assert done.returncode == 0
    assert "\\u6f22\\u5b57" in done.stdout


def test_neither_state_nor_anything_else_is_written(api: Api) -> None:
    api.failed_batch()
    api.inspect("logistics", "batch_1", "--errors")
    assert [path.name for path in api.folder.iterdir()] == ["config.yaml"]


def test_a_progress_bar_is_shown_on_a_terminal(api: Api) -> None:
    api.failed_batch()
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    os.set_blocking(ours, False)
    arguments = [*PROGRAM, "inspect", api.config, "logistics", "batch_1", "--errors"]
    done = subprocess.run(arguments, env=PATH, stdout=subprocess.PIPE, stderr=theirs, timeout=GENEROUS, check=False)
    shown = os.read(ours, 65_536)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0
    assert b"errors.json:" in shown


def secrets(message: Any) -> list[str]:
    return re.findall(r"CANARY|Signature|X-Amz|sig=", str(message))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(None, id="all-well"),
        pytest.param(faults.status(403, body=b"CANARY"), id="expired"),
        pytest.param(faults.redirect("https://files.example/CANARY?sig=CANARY"), id="redirect"),
        pytest.param(faults.raw(b"CANARY{"), id="nonsense"),
    ],
)
def test_no_token_and_no_presigned_url_is_shown_at_debug_level(api: Api, fault: Fault | None) -> None:
    api.failed_batch()
    if fault is not None:
        api.mock_api.faults.add(fault, "/files/*")
    wanted = ("--errors", f"--files={api.folder}/files", "--json")
    done = api.inspect("logistics", "batch_1", *wanted, "--log.level=debug")
    assert done.returncode == (0 if fault is None else 1)
    assert not secrets(done.stdout + done.stderr)
    assert "endpoint=/batches/{id}" in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example/a?sig=CANARY",
        "https://127.0.0.1:1/a?sig=CANARY",
        "https://CANARY:CANARY@127.0.0.1:1/a?sig=CANARY",
    ],
)
def test_a_url_that_cannot_be_used_is_not_shown_either(api: Api, url: str) -> None:
    api.offer(errors_json=url, upload_csv=url)
    done = api.inspect("logistics", "batch_1", "--errors", f"--files={api.folder}/files", "--log.level=debug")
    assert done.returncode == 1
    assert done.stderr.count("logistics/batches: ") == 3
    assert not secrets(done.stdout + done.stderr)


def test_headers_that_no_library_can_read_do_not_bring_the_url_to_light(api: Api) -> None:
    with scripted(b"HTTP/1.1 200 OK\r\nno header at all\r\nContent-Length: 2\r\n\r\n[]") as server:
        api.offer(errors_json=server.url + "/errors.json?sig=CANARY")
        done = api.inspect("logistics", "batch_1", "--errors", "--log.level=debug")
    assert len(server.asked) == 1
    assert not secrets(done.stdout + done.stderr)
