"""Reloading as an operator does it: real processes and signals, files replaced as editors and Kubernetes do it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from exporter.demo.items import document_batch
from exporter.model.record import Key
from tests.e2e.test_kill import counted, reconciled_since
from tests.support import counting, faults, patience
from tests.support.moving_world import KINDS, Work, figures
from tests.support.patience import GENEROUS
from tests.support.program import PATH, PROGRAM, Serving, eventually, get, running
from tests.support.rig import TOKEN, Rig

pytestmark = pytest.mark.slow

RELOADS = 50
SUCCESSFUL = "batch_exporter_config_last_reload_successful"


class Place:
    """Where a configuration is, and what it says."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.file = folder / "config.yaml"
        self.flag = f"--config.file={self.file}"
        self._url = rig.mock_api.url
        self._folder = folder

    def text(self, *accounts: str, collectors: str = "document_batches", tuning: str = "") -> str:
        common = f"system: inkit, base_url: {self._url}, api_token: {TOKEN}, collectors: [{collectors}]"
        each = "".join(f"  - {{name: {name}, {common}}}\n" for name in accounts)
        return (
            f"poll_interval: 200ms\nstale_after: 1m\nmax_requests_per_second: 100000\n{tuning}"
            f"state: {{path: {self._folder}/serve.db}}\naccounts:\n{each}"
        )

    def replace(self, text: str) -> None:
        """Replace the file as an editor and `install` do: another file takes its name."""
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.replace(self.file)


@pytest.fixture
def place(rig: Rig, tmp_path: Path) -> Place:
    return Place(rig, tmp_path)


def logged(process: "subprocess.Popen[str] | Serving", wanted: str) -> str:
    """Return the next line of the log that contains this."""
    lines = process.log if isinstance(process, Serving) else process.stderr
    assert lines is not None
    guard = threading.Timer(GENEROUS, process.kill)
    guard.start()
    try:
        for line in lines:
            if wanted in line:
                return line
    finally:
        guard.cancel()
    pytest.fail(f"it never logged {wanted}")


def post(url: str, method: str = "POST") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url + "/-/reload", method=method), timeout=GENEROUS
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def accounts(page: str) -> set[str]:
    """Return the accounts of which anything is exposed."""
    return set(re.findall(r'account="(\w+)"', page))


def threads(process: Serving) -> int:
    return len(list(Path(f"/proc/{process.pid}/task").iterdir()))


def test_sighup_takes_in_a_file_that_was_put_in_the_place_of_another(rig: Rig, place: Place) -> None:
    rig.world.add("document_batches", document_batch("rb_1", time.time(), total=3))
    place.replace(place.text("kept", "removed"))
    with running([place.flag]) as (process, url):
        for name in ("kept", "removed"):
            eventually(url + "/metrics", f'inkit_batch_documents{{account="{name}",kind="document"}} 3.0\n')
        place.replace(place.text("added", "kept"))
        process.send_signal(signal.SIGHUP)
        line = logged(process, "msg=reloaded")
        assert "added=1 changed=0 removed=1 kept=1" in line
        page = eventually(url + "/metrics", 'inkit_batch_documents{account="added",kind="document"} 3.0\n')
        assert accounts(page) == {"added", "kept"}
        assert f"{SUCCESSFUL} 1.0\n" in page


def test_sighup_takes_in_a_file_that_kubernetes_has_swapped(rig: Rig, place: Place, tmp_path: Path) -> None:
    for version, names in (("1", ["a"]), ("2", ["a", "b"])):
        (tmp_path / version).mkdir()
        (tmp_path / version / "config.yaml").write_text(place.text(*names))
    data = tmp_path / "..data"
    data.symlink_to("1")
    place.file.symlink_to("..data/config.yaml")
    with running([place.flag]) as (process, url):
        (tmp_path / "..data_tmp").symlink_to("2")
        (tmp_path / "..data_tmp").replace(data)
        process.send_signal(signal.SIGHUP)
        assert "added=1 changed=0 removed=0 kept=1" in logged(process, "msg=reloaded")
        eventually(url + "/metrics", 'inkit_batch_documents{account="b",kind="document"}')


def test_a_file_that_was_cut_short_changes_nothing_and_is_logged_without_secrets(rig: Rig, place: Place) -> None:
    whole = place.text("a", "b")
    place.replace(whole.replace(TOKEN, "CANARY"))
    with running([place.flag, "--web.enable-lifecycle"]) as (process, url):
        process.send_signal(signal.SIGHUP)
        assert "kept=2" in logged(process, "msg=reloaded")
        place.file.write_text("poll_intervall: 1m\n" + whole.replace(TOKEN, "CANARY")[:-9])
        status, body = post(url)
        assert status == 500
        assert "config.yaml:" in body
        process.send_signal(signal.SIGHUP)
        line = logged(process, 'level=ERROR msg="reload failed')
        assert "config.yaml:" in line
        assert "CANARY" not in body + line
        page = get(url + "/metrics")
        assert f"{SUCCESSFUL} 0.0\n" in page
        assert accounts(page) == {"a", "b"}
        place.file.write_text("")
        assert "the file is empty" in post(url)[1]
        place.file.unlink()
        assert "there is no such file" in post(url)[1]
        place.replace(whole)
        assert post(url, "PUT") == (200, "Reloaded. Accounts: 0 added, 2 changed, 0 removed, 0 kept.\n")
        assert f"{SUCCESSFUL} 1.0\n" in get(url + "/metrics")
        eventually(url + "/metrics", 'batch_exporter_up{account="a",collector="document_batches",system="inkit"} 1.0')


def test_without_the_flag_nobody_reloads_over_http(rig: Rig, place: Place) -> None:
    place.replace(place.text("a"))
    with running([place.flag]) as (_, url):
        assert post(url) == (403, "Lifecycle API is not enabled.\n")


def caught(pid: int) -> bool:
    """Return whether the process ignores or handles SIGHUP (proc(5), /proc/pid/status)."""
    masks = re.findall(r"^Sig(?:Ign|Cgt):\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return any(int(mask, 16) >> (signal.SIGHUP - 1) & 1 for mask in masks)


def test_a_sighup_while_it_starts_does_not_end_it(rig: Rig, place: Place) -> None:
    place.replace(place.text("a"))
    # A busy machine may let it go on before it is looked at, now and then.
    assert any(safe_after(place) < 0.5 for _ in range(4)), "it is safe only when it has almost begun"


def safe_after(place: Place) -> float:
    """Send SIGHUP from when it may be sent, and return after which part of the time until it serves that is."""
    begun = time.monotonic()
    stop = threading.Event()
    process = subprocess.Popen(
        [*PROGRAM, "--web.listen-address=127.0.0.1:0", place.flag], env=PATH, stderr=subprocess.PIPE, text=True
    )
    try:
        while not caught(process.pid):
            assert process.poll() is None
            time.sleep(0.002)
        early = time.monotonic() - begun
        hangups = threading.Thread(target=_hang_up, args=(process, stop))
        hangups.start()
        logged(process, "msg=serving")
        part = early / (time.monotonic() - begun)
        logged(process, "msg=reloaded")
        stop.set()
        hangups.join()
        process.terminate()
        assert process.wait(GENEROUS) == 0
        return part
    finally:
        stop.set()
        process.kill()
        process.communicate()


def _hang_up(process: "subprocess.Popen[str]", stop: threading.Event) -> None:
    while not stop.wait(0.005):
        process.send_signal(signal.SIGHUP)


def test_a_command_that_reloads_nothing_ends_at_sighup_as_any_other(rig: Rig, place: Place) -> None:
    place.replace(place.text("a"))
    rig.mock_api.faults.add(faults.hang())
    # Started by nohup, it would ignore SIGHUP, as nohup intends.
    heard = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", heard, *PROGRAM, "once", place.flag]
    process = subprocess.Popen(command, env=PATH, stderr=subprocess.DEVNULL)
    try:
        patience.eventually(lambda: rig.mock_api.requests)
        process.send_signal(signal.SIGHUP)
        assert process.wait(GENEROUS) == -signal.SIGHUP
    finally:
        process.kill()
        process.wait()


def test_it_stops_in_time_in_the_middle_of_a_reload_that_does_not_end(rig: Rig, place: Place) -> None:
    place.replace(place.text("a"))
    with running([place.flag, "--web.enable-lifecycle"]) as (process, url):
        place.file.unlink()
        os.mkfifo(place.file)
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(urllib.request.Request(url + "/-/reload", method="POST"), timeout=0.3)
        assert "healthy" in get(url + "/-/healthy")
        started = time.monotonic()
        process.terminate()
        assert process.wait(GENEROUS) == 0
        # Two seconds at most; the rest is for a busy machine.
        assert time.monotonic() - started < 25


def test_fifty_reloads_leak_no_thread_and_lose_and_repeat_nothing(rig: Rig, place: Place) -> None:
    work = Work(rig.world)
    for number in range(100):
        work.begin(age=number * 300.0 + 60)
    before = counted(rig)
    collectors = ", ".join(KINDS)
    # Workers are started as they are needed, up to their limit, and stay.
    workers = 4
    tuning = f"limits: {{{{max_workers: {workers}}}}}\nreconcile_interval: 1s\npage_size: {{}}\n"
    place.replace(place.text("prod", collectors=collectors, tuning=tuning.format(25)))
    with running([place.flag, "--web.enable-lifecycle"]) as (process, url):
        reconciled_since(url, 0.0)
        first = threads(process)
        for number in range(RELOADS):
            names = ("prod", "other")[: 1 + number % 2]
            place.replace(place.text(*names, collectors=collectors, tuning=tuning.format(25 + number // 5)))
            work.pass_time()
            assert post(url)[0] == 200
            page = get(url + "/metrics")
            assert 'inkit_invocations{account="prod"' in page
        place.replace(place.text("prod", collectors=collectors, tuning=tuning.format(25)))
        assert post(url)[0] == 200
        page = reconciled_since(url, time.time() + 1)
        assert threads(process) <= first + workers
        # The counters of one poll may still be shown at 0: they rise with the next poll.
        page = reconciled_since(url, time.time() + 1)
    assert figures(page, "_finished_total") == counted(rig) - before
    standing = sum((counting.gauges(kind, rig.world.items(kind)) for kind in KINDS), Counter[Key]())
    assert figures(page, "") == standing
