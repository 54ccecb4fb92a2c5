"""The program as a process: started, configured for a mock API, and asked for its pages."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.rig import TOKEN, Rig

_LOOK_SECONDS = 0.02
PROGRAM = (sys.executable, "-m", "exporter")
PATH = {name: value for name, value in os.environ.items() if name not in ("INKIT_API_TOKEN", "PX_API_KEY")}


def run(
    *arguments: str, cwd: Path | None = None, descriptors: int | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, in a process that has its modules already.

    `descriptors`: how many files it may have open.
    """
    done = forked.run(arguments, {**PATH, **environ}, cwd, descriptors)
    printed, logged = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in logged
    return subprocess.CompletedProcess(done.args, done.returncode, printed, logged)


@contextmanager
def running(arguments: Sequence[str], **environ: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The program serving on a free port, and its URL."""
    process = subprocess.Popen(
        [*PROGRAM, "--web.listen-address=127.0.0.1:0", *arguments],
        env={**PATH, **environ},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"msg=serving .*port=(\d+)", line):
                break
        else:
            pytest.fail("it ended before it served")
        yield process, f"http://127.0.0.1:{found[1]}"
    finally:
        process.kill()
        process.communicate()


def config(rig: Rig, folder: Path, text: str = "") -> str:
    path = folder / "config.yaml"
    path.write_text(
        f"poll_interval: 1s\nstale_after: 1m\nstate: {{path: {folder}/serve.db}}\n{text}"
        f"accounts: [{{name: prod, system: inkit, base_url: {rig.mock_api.url}, api_token: {TOKEN}}}]\n"
    )
    return f"--config.file={path}"


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def eventually(url: str, wanted: str) -> str:
    """The page, once it holds the text: polls come on their own time."""
    deadline = time.monotonic() + 20
    while wanted not in (page := get(url)):
        assert time.monotonic() < deadline, page
        time.sleep(_LOOK_SECONDS)
    return page
