"""The program in processes that are forked where all its modules are loaded: they begin to work in milliseconds."""

import contextlib
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import connection
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

import exporter.state.postgres.database
import exporter.systems
from exporter.__main__ import main
from tests.support.patience import GENEROUS

for _command in ("check", "demo", "inspect", "metrics", "once", "serve"):
    importlib.import_module(f"exporter.cli.{_command}")
exporter.systems.sources()
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])
_TAIL = 4000
_LOCK = threading.Lock()
"""To start a process reads what others have ended with, and no two threads may read that of one process."""


class Running:
    """The program at work, handled as a process of `subprocess`."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        environ: Mapping[str, str],
        constants: Mapping[str, object] | None = None,
    ) -> None:
        """Start it. What it logs is appended to a file, which may be a FIFO; what else it prints is dropped.

        `constants` are as for `start`.
        """
        self._arguments = list(arguments)
        files = {1: os.devnull, 2: str(log)}
        given = (self._arguments, files, dict(environ), str(Path.cwd()), None, constants)
        self._process = _CONTEXT.Process(target=_run, args=given, daemon=True)
        with _LOCK:
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        """Return what it has ended with, negative for a signal; None while it runs."""
        with _LOCK:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises TimeoutExpired."""
        connection.wait([self._process.sentinel], timeout)
        status = self.poll()
        if status is None:
            raise TimeoutExpired(self._arguments, timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    arguments: Sequence[str], constants: Mapping[str, object] | None = None
) -> multiprocessing.context.ForkServerProcess:
    """Start the program with these arguments. What it prints is dropped.

    `constants` are set in its modules before, each by the names of its module and its own, as `time.time`.
    """
    given = (list(arguments), {1: os.devnull, 2: os.devnull}, None, None, None, constants)
    process = _CONTEXT.Process(target=_run, args=given, daemon=True)
    with _LOCK:
        process.start()
    return process


def run(
    arguments: Sequence[str], environ: Mapping[str, str], cwd: Path | None = None, descriptors: int | None = None
) -> CompletedProcess[bytes]:
    """Run the program to its end, and return its status and what it printed.

    It finds what a process of its own would find, but for what Python itself reads before a program begins.
    `descriptors` is how many files it may have open. Raises TimeoutExpired after `GENEROUS` seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = {1: f"{folder}/stdout", 2: f"{folder}/stderr"}
        given = (list(arguments), files, dict(environ), str(cwd or Path.cwd()), descriptors)
        process = _CONTEXT.Process(target=_run, args=given)
        with _LOCK:
            process.start()
        ended = connection.wait([process.sentinel], GENEROUS)
        with _LOCK:
            if not ended:
                process.kill()
            process.join()
        printed, logged = (Path(file).read_bytes() if Path(file).exists() else b"" for file in files.values())
        if not ended:
            raise TimeoutExpired([*arguments, logged[-_TAIL:].decode(errors="replace")], GENEROUS)
        assert process.exitcode is not None
        return CompletedProcess(list(arguments), process.exitcode, printed, logged)


def _run(
    arguments: Sequence[str],
    files: Mapping[int, str],
    environ: Mapping[str, str] | None = None,
    cwd: str | None = None,
    descriptors: int | None = None,
    constants: Mapping[str, object] | None = None,
) -> None:
    """Be the program. `files` are those that it prints to, by the number of the stream."""
    for name, value in (constants or {}).items():
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)
        setattr(sys.modules[module], attribute, value)
    for stream, file in files.items():
        opened = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.dup2(opened, stream)
        os.close(opened)
    if environ is not None:
        os.environ.clear()
        os.environ.update(environ)
        # It was chosen for the process that all are forked from.
        tempfile.tempdir = None
    if cwd is not None:
        os.chdir(cwd)
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    sys.argv = ["batch-exporter", *arguments]
    main()
