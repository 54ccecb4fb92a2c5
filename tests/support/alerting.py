"""A real Prometheus and a real Alertmanager for tests, on ports that were free a moment ago."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT
from tests.support.patience import eventually
from tests.support.ports import free_port

_LOOK_SECONDS = 0.05
Labels = dict[str, str]


@contextmanager
def alertmanager(folder: Path, config: Path = ROOT / "prometheus" / "alertmanager.yml") -> Iterator[str]:
    """Run an Alertmanager, by default with the example's configuration, which reaches nobody. Yields its address."""
    address = free_address()
    arguments = [f"--config.file={config}", f"--storage.path={folder}", "--cluster.listen-address="]
    with _running(
        "prometheus-alertmanager", *arguments, f"--web.listen-address={address}", log=folder / "alertmanager.log"
    ):
        yield address


@contextmanager
def prometheus(config: Path, program: str = "prometheus", *flags: str) -> Iterator[str]:
    """Run a Prometheus with this configuration, which keeps its data beside it. Yields its address."""
    address = free_address()
    with _running(*prometheus_command(config, address, program), *flags, log=config.parent / "prometheus.log"):
        yield address


def prometheus_command(config: Path, address: str, program: str = "prometheus") -> tuple[str, ...]:
    """Return the command that begins a Prometheus whose data stand beside its configuration."""
    data = config.parent / "data"
    return program, f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address={address}"


def ask(url: str, body: object = None) -> Any:
    """GET, or POST of a body, of JSON; it may take the server a moment to begin."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{url}", data, {"Content-Type": "application/json"})

    errors: list[str] = []

    def answer() -> Any:
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.loads(response.read() or "null"), True
        except OSError as error:
            errors.append(str(error))
            return None

    return eventually(answer, lambda: f"{url} does not answer: {errors[-1]}", _LOOK_SECONDS)[0]


def without_count(summary: str) -> str:
    """Put N for how many failed: `increase()` extrapolates, the more the fewer samples there are."""
    return re.sub(r": (?:1|about \d+) (.*?(?:generation|item|batch))(?:s|es)?\b", r": N \1", summary)


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


@contextmanager
def _running(*command: str, log: Path) -> Iterator[None]:
    with log.open("w") as written:
        process = subprocess.Popen(command, stderr=written)
        try:
            yield
        finally:
            process.kill()
            process.wait()
