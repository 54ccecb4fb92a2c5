"""`batch-exporter demo` as a process: both APIs are mocked, both accounts are polled, and signals end it."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.program import run

PROGRAM = (sys.executable, "-m", "exporter", "demo")
MODES = {"--api-only": "/batches", "--web.listen-address=127.0.0.1:0": "Ctrl-C"}
"""A flag that starts the mock APIs alone or with the exporter, and a word of the last line that is printed."""

NOHUP = ("sh", "-c", 'trap "" HUP; exec "$@"', "nohup")


@contextmanager
def demo(folder: Path, mode: str, *, prefix: Sequence[str] = ()) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run the demo with its temporary files in a folder. Yields its process and what it has printed."""
    process = subprocess.Popen(
        # The tests themselves may run under nohup.
        ["env", "--default-signal=HUP", *prefix, *PROGRAM, "--api-port=0", mode],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        printed = ""
        for line in process.stdout:
            printed += line
            if MODES[mode] in line:
                break
        yield process, printed
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_line_to_try_for_each_api_works(tmp_path: Path) -> None:
    with demo(tmp_path, "--api-only") as (_, printed):
        for key, line in zip(("items", "data"), re.findall("curl.*", printed), strict=True):
            _, _, header, url = shlex.split(line)
            answer = requests.get(url, headers=dict([header.split(": ")]), timeout=10)
            assert len(answer.json()[key]) == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_leaves_no_file_behind(mode: str, number: signal.Signals, tmp_path: Path) -> None:
    with demo(tmp_path, mode) as (process, _):
        process.send_signal(number)
        assert process.wait(10) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_hangup_that_is_ignored_at_the_start_stays_ignored(mode: str, tmp_path: Path) -> None:
    with demo(tmp_path, mode, prefix=NOHUP) as (process, _):
        status = Path(f"/proc/{process.pid}/status").read_text()
        [ignored] = re.findall(r"^SigIgn:\s*(\w+)$", status, re.MULTILINE)
        assert int(ignored, 16) & 1 << (signal.SIGHUP - 1)


@pytest.mark.parametrize("taken", [None, 10988])
def test_a_taken_port_is_reported_with_a_command_for_another_one(taken: int | None) -> None:
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", taken or 0))
        except OSError:
            # Another program listens on it, which has the same effect.
            assert taken is not None
        else:
            other.listen()
        port = taken or other.getsockname()[1]
        done = run("demo", "--api-only", f"--api-port={port}")
    assert done.returncode == 1
    expected = 10998 if taken else 10988
    message = f"the mock APIs cannot listen on port {port}: Address already in use; "
    assert done.stderr == f"{message}run: batch-exporter demo --api-only --api-port={expected}\n"


def test_both_accounts_are_named_and_polled(tmp_path: Path) -> None:
    with demo(tmp_path, "--web.listen-address=127.0.0.1:0") as (_, printed):
        assert "Inkit (account demo)" in printed
        assert "PackageX (account logistics)" in printed
        (metrics,) = re.findall(r"http://\S+/metrics", printed)
        deadline = time.monotonic() + 60
        polled: set[str] = set()
        while polled != {"demo inkit", "logistics packagex"}:
            assert time.monotonic() < deadline, polled
            page = requests.get(metrics, timeout=10).text
            found = re.findall(r'batch_exporter_up\{account="(\w+)",.*system="(\w+)"\} 1.0', page)
            polled = {" ".join(labels) for labels in found}
