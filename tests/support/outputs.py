"""Every command as a process, and all that comes out: streams, answers, files. What may be in it is up to the tests."""

import contextlib
import gzip
import http.client
import itertools
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support import forked
from tests.support.patience import GENEROUS
from tests.support.program import PATH, PROGRAM
from tests.support.security_stage import ENVIRONMENT, Stage

_RECORDS = ("inkit rb_1", "inkit fb_1", "inkit rend_1", "inkit rend_text", "packagex batch_1 --errors")
_ROUTES = (
    "/",
    "/metrics",
    "/metrics?name[]=inkit_batches",
    "/failures",
    "/runbooks",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/none",
)
_ACCEPTED = ("text/plain", "application/openmetrics-text;version=1.0.0", "application/json", "text/html")
_EXEMPLARS = ("/metrics", _ACCEPTED[1])
Found = TypeVar("Found")
_PORT = re.compile(rb'\bport"?[=:] ?(\d+)')


@dataclass(frozen=True)
class Output:
    """Something that came out, and where."""

    where: str
    content: bytes


def everything(there: Stage, styles: Iterable[str]) -> dict[str, list[Output]]:
    """Return all output of all commands at debug level, by the format of their logs."""
    # Most of the time is waiting: for the next poll, and before a request is made again.
    with ThreadPoolExecutor(8) as pool:
        running = {style: [pool.submit(*command) for command in _commands(there, style)] for style in styles}
        return {
            style: [output for future in futures for output in future.result()] for style, futures in running.items()
        }


def _commands(there: Stage, style: str) -> Iterator[tuple[Any, ...]]:
    """Yield what is to be called, and with what."""
    yield _serve, there, style
    yield _command, there, style, "check", "--online"
    yield _command, there, style, "check", "--online", "--json"
    yield _command, there, style, "once"
    yield _command, there, style, "metrics"
    for record in _RECORDS:
        yield inspect, there, style, record


def inspect(there: Stage, style: str, what: str) -> list[Output]:
    """Return what `inspect` prints, as JSON where the log is JSON."""
    return _command(there, style, "inspect", *what.split(), *("--json",) * (style == "json"))


def run(*arguments: str) -> list[Output]:
    """Return what a command prints."""
    done = forked.run(arguments, {**PATH, **ENVIRONMENT})
    assert b"Traceback" not in done.stderr
    return [Output(f"{arguments[0]} {name}", text) for name, text in (("stdout", done.stdout), ("stderr", done.stderr))]


def _command(there: Stage, style: str, *arguments: str) -> list[Output]:
    path = there.config(" ".join((style, *arguments)))
    flags = ["--log.level=debug", f"--log.format={style}"]
    flags += [f"--config.file={path}"] * (arguments != ("metrics",))
    return [*run(*arguments, *flags), *_state(arguments[0], path.parent)]


def _state(of: str, folder: Path) -> list[Output]:
    """Return the state, with all files beside it."""
    return [Output(f"{of} {path.name}", path.read_bytes()) for path in sorted(folder.glob("state*"))]


def _serve(there: Stage, style: str) -> list[Output]:
    """Return what `serve` logs, answers and writes, while it runs and when it has ended."""
    folder = (path := there.config(f"{style} serve")).parent
    with _serving(path, style) as (process, port):
        _until(process, lambda: _polled(port, there.collectors))
        there.one_more(f"rend_{style}")
        # A series names one of the failures that a poll finds. It may be that of the other style.
        _until(process, lambda: any(name.encode() in _asked(port, "GET", *_EXEMPLARS).content for name in there.more))
        shown = [_asked(port, *asked) for asked in itertools.product(("GET", "HEAD", "POST"), _ROUTES, _ACCEPTED)]
        shown.append(Output("serve arguments", Path(f"/proc/{process.pid}/cmdline").read_bytes()))
        shown += _state("serve", folder)
        process.terminate()
        assert process.wait(GENEROUS) == 0
    logged = [Output(f"serve {name}", (folder / name).read_bytes()) for name in ("stdout", "stderr")]
    return [*shown, *logged, *_state("serve ended", folder)]


@contextlib.contextmanager
def _serving(config: Path, style: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Run the program, and yield its process and its port."""
    arguments = (f"--config.file={config}", f"--log.format={style}", "--log.level=debug")
    logged = config.parent / "stderr"
    with (config.parent / "stdout").open("wb") as stdout, logged.open("wb") as stderr:
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--web.listen-address=127.0.0.1:0", *arguments],
            env={**PATH, **ENVIRONMENT},
            stdout=stdout,
            stderr=stderr,
        )
    try:
        yield process, int(_until(process, lambda: _PORT.search(logged.read_bytes()))[1])
    finally:
        process.kill()
        process.wait()


def _polled(port: int, collectors: int) -> bool:
    """Return whether every collector has been polled, successfully or not."""
    page = _asked(port, "GET", "/metrics", "text/plain").content
    return len(re.findall(rb"^batch_exporter_last_poll_duration_seconds\{", page, re.MULTILINE)) == collectors


def _asked(port: int, method: str, path: str, accept: str) -> Output:
    """Return a response of the exporter as it came, with its headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GENEROUS)
    connection.request(method, path, headers={"Accept": accept, "Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    body, head = answer.read(), f"{answer.status} {answer.reason} {answer.getheaders()}"
    connection.close()
    if answer.getheader("Content-Encoding") == "gzip" and body:
        body = gzip.decompress(body)
    return Output(f"serve {method} {path} as {accept}", head.encode() + b"\n" + body)


def _until(process: "subprocess.Popen[bytes]", found: Callable[[], Found | None]) -> Found:
    """Return what is found, once it is, while the process runs."""
    deadline = time.monotonic() + GENEROUS
    while not (result := found()):
        assert time.monotonic() < deadline, f"nothing found within {GENEROUS:g} seconds, and it runs"
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"it ended with status {process.wait(0.25)}")
    return result
