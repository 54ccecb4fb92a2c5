"""The exporter as a process: starting, observing, pausing and stopping it. What is polled is not known here."""

import contextlib
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_EVERY_SECONDS = 0.5
_END_WITHIN_SECONDS = 30.0
_REASON = re.compile(r"\breason=\"?([a-z_]+)")
_MESSAGE = re.compile(r"\bmsg=(\"(?:[^\"\\]|\\.)*\"|\S+)")


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds so far."""

    at: float
    """On the monotonic clock."""
    exporter: float
    core: float
    """What was spent on the exporter's core, by all processes."""


class ExporterProcess:
    """A running exporter."""

    def __init__(self, child: "subprocess.Popen[bytes]", port: int, log: Path, core: int) -> None:
        self.address = ("127.0.0.1", port)
        self.peak_threads = 0
        self.peak_descriptors = 0
        self._child = child
        self._log = log
        self._core = core
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def spent(self) -> Spent:
        return Spent(time.monotonic(), _cpu_seconds(self._child.pid), _core_seconds(self._core))

    def memory(self) -> tuple[int, int]:
        """Return the resident bytes, now and at most."""
        status = self._status()
        return status.get("VmRSS", 0) * 1024, status.get("VmHWM", 0) * 1024

    def wait_until_ready(self, seconds: float) -> float | None:
        """Return after how many seconds `/-/ready` answered 200; None if it did not within this time."""
        started = time.monotonic()
        url = "http://{}:{}/-/ready".format(*self.address)
        while (taken := time.monotonic() - started) < seconds and self.alive:
            try:
                with urllib.request.urlopen(url, timeout=5.0):
                    return taken
            except OSError:
                time.sleep(0.25)
        return None

    def pause(self, seconds: float) -> None:
        """Stop the process as a suspended machine does, and let it go on after this time."""
        self._child.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self._child.send_signal(signal.SIGCONT)

    def log_position(self) -> int:
        """Return the size of the log in bytes."""
        return self._log.stat().st_size

    def logged(self, since: int) -> "Logged":
        """Count the lines that were logged after a position."""
        with self._log.open("rb") as log:
            log.seek(since)
            return Logged.of(log.read().decode("utf-8", "replace").splitlines())

    def kill(self) -> None:
        """End the process without any chance to clean up."""
        self._over.set()
        self._child.kill()
        self._child.wait()

    def end(self) -> float:
        """Stop the exporter, and return how many seconds that took."""
        self._over.set()
        started = time.monotonic()
        self._child.terminate()
        try:
            self._child.wait(_END_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        return time.monotonic() - started

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            self.peak_threads = max(self.peak_threads, self._status().get("Threads", 0))
            try:
                descriptors = sum(1 for _ in Path(f"/proc/{self._child.pid}/fd").iterdir())
            except OSError:
                return
            self.peak_descriptors = max(self.peak_descriptors, descriptors)

    def _status(self) -> Mapping[str, int]:
        try:
            lines = Path(f"/proc/{self._child.pid}/status").read_text().splitlines()
        except OSError:
            return {}
        fields = (line.partition(":") for line in lines if line.startswith(("VmRSS", "VmHWM", "Threads")))
        return {name: int(value.split()[0]) for name, _, value in fields}


@dataclass(frozen=True, slots=True)
class Logged:
    """What was logged in some time."""

    lines: int
    failed_polls: Mapping[str, int]
    """By reason."""
    messages: Mapping[str, int]
    """The most frequent ones."""

    @classmethod
    def of(cls, lines: Sequence[str]) -> "Logged":
        reasons = Counter(found[1] for line in lines if "poll failed" in line and (found := _REASON.search(line)))
        messages = Counter(found[1].strip('"') for line in lines if (found := _MESSAGE.search(line)))
        return cls(len(lines), dict(reasons), dict(messages.most_common(5)))


@contextlib.contextmanager
def running(
    program: Path, config: Mapping[str, object] | str, folder: Path, core: int, descriptors: int | None = None
) -> Iterator[ExporterProcess]:
    """Run `batch-exporter serve` with a configuration, or its YAML, until the end. The folder keeps its state and log.

    `core`: the only one that it may use. `descriptors`: how many file descriptors it may have.
    """
    path = folder / "config.yaml"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    port = _free_port()
    arguments = [str(program), "serve", f"--config.file={path}", f"--web.listen-address=127.0.0.1:{port}"]
    # The version beside the program is measured, not the one that measures.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    log = folder / "log"
    with log.open("wb") as output:
        child = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=environment)
    # It has no threads yet: those that it starts inherit the core.
    os.sched_setaffinity(child.pid, {core})
    if descriptors is not None:
        resource.prlimit(child.pid, resource.RLIMIT_NOFILE, (descriptors, descriptors))
    exporter = ExporterProcess(child, port, log, core)
    try:
        yield exporter
    finally:
        exporter.end()


def cores() -> tuple[int, Collection[int]]:
    """Return the core for the exporter, and those for everything else: the same one where there is no other."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1:] or allowed


def _free_port() -> int:
    """Return a port that is free, and that no connection gets before the exporter has it: below the ephemeral ones."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def _core_seconds(core: int) -> float:
    """Return the seconds that a core was not idle."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _waiting, *interrupts = map(int, values[:8])
            return (user + nice + system + sum(interrupts)) / _TICKS_A_SECOND
    return 0.0
