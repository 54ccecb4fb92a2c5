"""The state file of a real process: opened twice, on a full disk, deleted; and what is never in it."""

import os
import re
import resource
import shutil
import signal
import time
from pathlib import Path

import pytest

from exporter.demo.items import document_batch, invocation
from exporter.model.accounting import Rules
from exporter.state import prepared
from exporter.systems import sources
from tests.support.patience import GENEROUS
from tests.support.program import config, eventually, get, run, running
from tests.support.rig import Rig

UP = 'batch_exporter_up{account="prod",collector="document_batches",system="inkit"}'
ERRORS = (
    'batch_exporter_poll_errors_total{account="prod",collector="document_batches",reason="state",system="inkit"} 1.0'
)
DOCUMENTS = 'inkit_batch_documents{account="prod",kind="document"}'


def test_a_second_process_on_the_same_file_ends_with_status_1_and_the_first_goes_on(rig: Rig, tmp_path: Path) -> None:
    with running([config(rig, tmp_path)]) as (process, url):
        for command in (["--web.listen-address=127.0.0.1:0"], ["once"]):
            second = run(*command, config(rig, tmp_path))
            assert second.returncode == 1, "the first may end at any time"
            assert "another batch-exporter is using it" in second.stderr
            assert "state.path" in second.stderr
        eventually(url + "/metrics", f"{UP} 1.0")
        assert process.poll() is None
    assert run("once", config(rig, tmp_path)).returncode == 0, "a killed one does not keep it"


def test_a_full_disk_fails_the_polls_and_once_there_is_room_they_go_on(rig: Rig, tmp_path: Path) -> None:
    rig.world.add("document_batches", document_batch("rb_1", time.time(), total=3))
    with running([config(rig, tmp_path)]) as (process, url):
        eventually(url + "/metrics", f"{DOCUMENTS} 3.0")
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard))
        rig.world.add("document_batches", document_batch("rb_2", time.time(), total=4))
        page = eventually(url + "/metrics", ERRORS)
        assert f"{UP} 0.0" in page
        assert f"{DOCUMENTS} 3.0" in page, "what was known is shown on"
        assert "healthy" in get(url + "/-/healthy")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        page = eventually(url + "/metrics", f"{DOCUMENTS} 7.0")
        assert f"{UP} 1.0" in page
    done = run("once", config(rig, tmp_path))
    assert f"{DOCUMENTS} 7.0" in done.stdout
    assert 'inkit_batches_finished_total{account="prod",kind="document",status="completed"} 1.0' in done.stdout


def test_a_file_that_is_taken_away_comes_back_or_is_written_again_and_the_process_serves_on(
    rig: Rig, tmp_path: Path
) -> None:
    file, elsewhere = tmp_path / "serve.db", tmp_path / "elsewhere.db"
    with running([config(rig, tmp_path)]) as (process, url):
        eventually(url + "/metrics", f"{UP} 1.0")
        rig.world.add("document_batches", document_batch("rb_1", time.time(), total=3))
        eventually(url + "/metrics", f"{DOCUMENTS} 3.0")
        file.rename(elsewhere)
        assert f"{UP} 0.0" in eventually(url + "/metrics", ERRORS)
        assert "healthy" in get(url + "/-/healthy")
        assert "it was moved away" in get(url)
        elsewhere.rename(file)
        eventually(url + "/metrics", f"{UP} 1.0")
        for path in tmp_path.glob("serve.db*"):
            path.unlink()
        rig.world.add("document_batches", document_batch("rb_2", time.time(), total=4))
        assert f"{UP} 1.0" in eventually(url + "/metrics", f"{DOCUMENTS} 7.0")
        os.truncate(file, 0)
        assert "it was truncated or overwritten" in eventually(url, "truncated")
        assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_at_its_end_the_file_alone_is_a_complete_copy(rig: Rig, tmp_path: Path, number: int) -> None:
    rig.world.add("document_batches", document_batch("rb_1", time.time(), total=3))
    with running([config(rig, tmp_path)]) as (process, url):
        eventually(url + "/metrics", f"{DOCUMENTS} 3.0")
        assert int(re.findall(r"^batch_exporter_state_size_bytes (\d+)", get(url + "/metrics"), re.MULTILINE)[0])
        process.send_signal(number)
        assert process.wait(GENEROUS) == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tmp_path / "serve.db", elsewhere)
    with prepared(elsewhere / "serve.db") as state:
        rules = Rules.of(sources()["inkit"].families)
        with state.records("prod", "document_batches", rules) as records:
            assert list(records.get(["rb_1"])) == ["rb_1"]
            assert records.checkpoint.complete


@pytest.mark.parametrize("content", [b"", b"no database " * 1000], ids=["empty", "foreign"])
def test_only_what_is_not_ours_is_refused_and_it_is_left_as_it_was(rig: Rig, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "serve.db"
    path.write_bytes(content)
    done = run("once", config(rig, tmp_path))
    assert done.returncode == (2 if content else 0)
    assert (path.read_bytes() == content) is bool(content)
    assert (str(path) in done.stderr) is bool(content)


def test_neither_the_token_nor_customers_data_is_in_any_of_its_files(rig: Rig, tmp_path: Path) -> None:
    parameters = {"name": "CANARY-PERSON"}
    rig.world.add("invocations", invocation("rend_1", time.time(), merge_parameters=parameters, name="CANARY-NAME"))
    arguments = config(rig, tmp_path)
    with running([arguments]) as (_, url):
        eventually(url + "/metrics", 'inkit_invocations{account="prod",destination_status="completed"')
        files = {path.name: path.read_bytes() for path in tmp_path.glob("serve.db*")}
    assert {"serve.db", "serve.db-wal"} <= set(files)
    assert any(b"rend_1" in content for content in files.values())
    assert not [name for name, content in files.items() if b"CANARY" in content or b"demo-token" in content]
