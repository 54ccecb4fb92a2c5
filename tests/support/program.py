"""The program as a process: started, configured for a mock API, and asked for its pages."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import forked, patience
from tests.support.patience import GENEROUS
from tests.support.rig import TOKEN, Rig

_LAST_LINES = 100
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


class Serving(forked.Running):
    """The program serving, in a process that has its modules already."""

    def __init__(self, arguments: Sequence[str], log: Path, environ: Mapping[str, str]) -> None:
        """Start it. It logs to a FIFO."""
        super().__init__(arguments, log, environ)
        # Opening waits for the other end, or it would be at its end at once; without one it is at its end at last.
        guard = threading.Timer(GENEROUS, lambda: os.close(os.open(log, os.O_RDWR)))
        guard.start()
        self.log = log.open()
        guard.cancel()
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)

    def logged(self, wanted: str, within: float = GENEROUS) -> str:
        """Return the next line of the log that has this in it."""
        with self._killed_after(within):
            for line in self.log:
                self._lines.append(line)
                if wanted in line:
                    return line
        pytest.fail(f"it never logged {wanted}")

    def last_lines(self) -> str:
        """End it, and return the end of what it has logged."""
        self.kill()
        with contextlib.suppress(ValueError):
            self._lines.extend(self.log)
        return "".join(self._lines)

    def rest(self, within: float = GENEROUS) -> str:
        """Wait for its end, and return what it has logged since the lines that were read."""
        with self._killed_after(within):
            rest = self.log.read()
        self.wait(within)
        return rest

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        guard = threading.Timer(seconds, self.kill)
        guard.start()
        try:
            yield
        finally:
            guard.cancel()


@contextmanager
def running(arguments: Sequence[str], **environ: str) -> Iterator[tuple[Serving, str]]:
    """Run the program on a free port. Yields it and its URL."""
    with tempfile.TemporaryDirectory() as folder:
        fifo = Path(folder) / "log"
        os.mkfifo(fifo)
        process = Serving(["--web.listen-address=127.0.0.1:0", *arguments], fifo, {**PATH, **environ})
        try:
            port = process.logged("msg=serving ").partition(" port=")[2].split()[0]
            yield process, f"http://127.0.0.1:{port}"
        except BaseException:
            # A report of pytest has it.
            print(f"The program logged last:\n{process.last_lines()}")
            raise
        finally:
            process.kill()
            process.wait()
            process.log.close()


def config(rig: Rig, folder: Path, text: str = "") -> str:
    path = folder / "config.yaml"
    path.write_text(
        f"poll_interval: 1s\nstale_after: 1m\nstate: {{path: {folder}/serve.db}}\n{text}"
        f"accounts: [{{name: prod, system: inkit, base_url: {rig.mock_api.url}, api_token: {TOKEN}}}]\n"
    )
    return f"--config.file={path}"


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=GENEROUS) as answer:
        return str(answer.read().decode())


def eventually(url: str, wanted: str) -> str:
    """Return the page once it has the text: polls come on their own time."""

    def page() -> str:
        found.append(get(url))
        return found[-1] if wanted in found[-1] else ""

    found: deque[str] = deque(maxlen=1)
    return patience.eventually(page, lambda: f"{wanted} is not in\n{found[0]}")
