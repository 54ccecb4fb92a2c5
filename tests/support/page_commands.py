"""The commands of the documentation's pages, and a checkout to run them in as a reader does."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from exporter.demo.items import invocation
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.files import FileStore
from exporter.demo.packagex.items import packagex_batch, phase
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.program import PATH
from tests.support.rig import TOKEN

BATCH = "batch_1ZzLifO2hurcwKoCEHkylb"
"""The record that docs/inspect.md shows."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`([\w./-]+\.yaml)`")
_TITLED = re.compile(r"\A# (\S+\.yaml)$", re.MULTILINE)
_PORTS = ("10977", "10978", "9090", "9093")
_VENDORS = ("https://api.inkit.com/v1", "https://api.packagex.io/v1")
_ABSOLUTE = ("/run/secrets/", "/etc/batch-exporter/", "/etc/systemd/system/", "/opt/", "/tmp/")  # noqa: S108 (what pages say)
_VARIES = re.compile(r"(?<=\d )(?:pages?|d|h|min|s)\b|[a-z]+_[A-Za-z0-9]{22}\b|\d[\w,.:]*")
_PATIENCE_SECONDS = 60
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Command:
    """What a reader types, without the prompt, and what the page shows below it."""

    text: str
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """A file that the page has the reader write."""

    name: str
    text: str


def steps(page: str) -> list[Command | File]:
    """Return what a page has its reader do, in order: commands, and files that the text before a YAML block names."""
    found: list[Command | File] = []
    end = 0
    for block in _FENCE.finditer(page):
        before, end = page[end : block.start()].rstrip().rpartition("\n\n")[2], block.end()
        if block[1] == "console":
            found += _commands(block[2])
        elif block[1] == "yaml" and (names := _NAMED.findall(before) or _TITLED.findall(block[2])):
            found.append(File(names[-1], block[2]))
    return found


def _commands(block: str) -> Iterator[Command]:
    """Yield a block's commands.

    The prompt is "$ ", or "# " where all of the block is for root. A backslash continues a command.
    """
    prompt = "$ " if re.search(r"^\$ ", block, re.MULTILINE) else "# "
    for part in re.split(rf"^{re.escape(prompt)}", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.replace("\\\n", "\0").partition("\n")
        yield Command(re.sub(r"\0\s*", "", command), tuple(line for line in shown.splitlines() if line.strip("… ")))


def differs(shown: Sequence[str], output: str) -> list[str]:
    """Return the lines that a page shows and a command did not print. Numbers, IDs and widths of columns may differ."""
    got = [_alike(line) for line in output.splitlines()]
    return [line for line in shown if not any(printed.startswith(_alike(line)) for printed in got)]


def _alike(line: str) -> str:
    return " ".join(_VARIES.sub("0", line).split())


@dataclass
class Checkout:
    """A copy of the repository in a folder of its own, where a reader's commands are run.

    In the copy, pages and code alike have free ports in the place of the usual ones, a mock API in the place of the
    vendors' addresses, and this folder in the place of absolute paths.
    """

    folder: Path
    ports: Mapping[str, str]
    _replaced: Mapping[str, str] = field(repr=False)
    _environ: dict[str, str] = field(repr=False)
    _servers: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict, repr=False)

    def here(self, text: str) -> str:
        """Return a text as this checkout has it."""
        pattern = "|".join(rf"\b{text}\b" if text in _PORTS else re.escape(text) for text in self._replaced)
        return re.sub(pattern, lambda found: self._replaced[found[0]], text)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(text))

    def run(self, command: Command, stdin: str = "", says: str = "", patience: float = 0.0) -> str:
        """Run a command to its end and return its output.

        It must succeed and say what is shown, or, with `says`, what this expression finds. It is tried again for so
        many seconds. What it does to the environment stays, as in a reader's shell.
        """
        after = self.folder.parent / "environ"
        script = f'{command.text}\nstatus=$?; env -0 > "{after}"; exit $status'
        deadline = time.monotonic() + patience
        while True:
            done = subprocess.run(
                ["sh", "-c", script],
                cwd=self.folder,
                env=self._environ,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            found = re.search(says, done.stdout, re.MULTILINE) if says else not differs(command.shown, done.stdout)
            if done.returncode == 0 and found:
                self._environ = dict(line.split("=", 1) for line in after.read_text().split("\0") if "=" in line)
                return done.stdout
            result = f"{command.text}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            assert time.monotonic() < deadline, f"{result}\nwanted: {says or differs(command.shown, done.stdout)}"
            time.sleep(1.0)

    def serve(self, command: str, path: str) -> None:
        """Start a command and wait until it answers at a port and path, such as `10977/-/ready`.

        The one before it at this port is ended, as Ctrl-C would.
        """
        usual, slash, rest = path.partition("/")
        port = self.ports[usual]
        if port in self._servers:
            _end(self._servers.pop(port))
        log = self.folder.parent / f"{usual}.log"
        with log.open("w") as written:
            process = subprocess.Popen(
                ["sh", "-c", command],
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                start_new_session=True,
            )
        self._servers[port] = process
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _answers(f"http://127.0.0.1:{port}{slash}{rest}"):
            assert process.poll() is None, f"{command}: it ended\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{command}: no answer\n{log.read_text()}"
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        for process in self._servers.values():
            _end(process)
        self._servers.clear()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a command with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def checkout(folder: Path) -> Iterator[Checkout]:
    """Make a checkout and a mock API. What the commands started is ended with it."""
    with _mock_api() as url:
        ports = {port: str(free_port()) for port in _PORTS}
        absolute = {path: f"{folder}/root{path}" for path in _ABSOLUTE}
        replaced = {**ports, **dict.fromkeys(_VENDORS, url), **absolute}
        made = Checkout(folder / "batch-exporter", ports, replaced, _environ(folder))
        for name in _tracked():
            _copy(name, made)
        _hasten(made.folder / "prometheus/prometheus.yml")
        for path in absolute.values():
            Path(path).mkdir(parents=True)
        for name in ("inkit", "packagex"):
            (folder / "root/run/secrets" / name).write_text(TOKEN)
        try:
            yield made
        finally:
            made.close()


def _tracked() -> list[str]:
    """Return the repository's files, with those that are new and not committed yet.

    Tests and benchmarks are left out: those who run the exporter do not need them.
    """
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", ":!tests", ":!benchmarks")
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


def _copy(name: str, made: Checkout) -> None:
    source, target = ROOT / name, made.folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    shutil.copy2(source, target)
    with suppress(UnicodeDecodeError):
        text = source.read_text(encoding="utf-8")
        if (changed := made.here(text)) != text:
            target.write_text(changed)


def _hasten(config: Path) -> None:
    """Have Prometheus look each second, so that a command which waits for an alert waits for less."""
    text, count = re.subn(
        r"^( *(?:scrape|evaluation)_interval:) \d+s$", r"\1 1s", config.read_text(), flags=re.MULTILINE
    )
    assert count == 2, config
    config.write_text(text)


def _environ(folder: Path) -> dict[str, str]:
    """Return an environment in which pip finds the libraries that these tests run with, and queries no index."""
    libraries = folder / "libraries"
    libraries.mkdir()
    for path in {Path(sysconfig.get_path(scheme)) for scheme in ("purelib", "platlib")}:
        for entry in path.iterdir():
            if not re.match(r"pip|batch_exporter|__editable__|.*\.pth$", entry.name):
                (libraries / entry.name).symlink_to(entry)
    (folder / "home").mkdir()
    programs = folder / "programs"
    programs.mkdir()
    program = programs / "batch-exporter"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{folder}/batch-exporter:$PYTHONPATH" exec {sys.executable} -m exporter "$@"\n'
    )
    program.chmod(0o755)
    (programs / "python3").symlink_to(Path(sys.executable).resolve())
    # 0 turns the isolation off: a quirk of pip's for options that begin with "no".
    pip = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    unwanted = ("VIRTUAL_ENV", "MAKE", "MFLAGS", "PIP_", "PYTHON")
    usual = {name: value for name, value in PATH.items() if not name.startswith(unwanted)}
    return {
        **usual,
        **pip,
        "HOME": str(folder / "home"),
        "PATH": f"{programs}:{usual['PATH']}",
        "PYTHONPATH": str(libraries),
    }


@contextmanager
def _mock_api() -> Iterator[str]:
    """Serve both vendors' APIs, with a record of each and the batch that docs/inspect.md shows. Yields the address."""
    world, batches = World(random.Random(1)), Batches(random.Random(1))
    now = time.time()
    created = now - 3 * 86400
    world.add("invocations", invocation(world.new_id("invocations"), now - 3600))
    phases = [phase("validation", 183, 178, 5), phase("processing", 178, 0, 178)]
    why = "More than half of the items failed in processing"
    batches.add(
        packagex_batch(
            BATCH,
            created,
            status="failed",
            resource="group",
            action="overwrite",
            reason=why,
            phases=phases,
            updated_at=created + 377,
        )
    )
    with MockApi(world, TOKEN, apis=(PackagexApi(batches, TOKEN), FileStore(batches))) as mock_api:
        yield mock_api.url
