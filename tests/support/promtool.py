"""The promtools that judge the rules: the system's, and where Go is installed also a 3.x, built once."""

import functools
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_VERSION = "v0.316.0"
"""Of Prometheus as a Go module: v0.316.0 is Prometheus 3.16.0."""
_PACKAGE = "github.com/prometheus/prometheus/cmd/promtool"
_SYSTEM = "promtool"


@functools.cache
def promtools() -> tuple[str, ...]:
    """Return their commands. Raises AssertionError with Go's output where the build fails."""
    go = shutil.which("go")
    return (_SYSTEM,) if go is None else (_SYSTEM, str(_built(go)))


def run(*arguments: str | Path) -> None:
    """Run each of them. Raises AssertionError with the output of one that finds something."""
    # Collecting garbage less often takes a fifth less time.
    environment = os.environ | {"GOGC": "400"}
    for command in promtools():
        done = subprocess.run([command, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def used() -> str:
    """Return a line that says which of them have judged the rules; empty where none was asked."""
    if promtools.cache_info().currsize == 0:
        return ""
    version = subprocess.run([_SYSTEM, "--version"], capture_output=True, text=True, check=True)
    own = (version.stdout or version.stderr).split(" (")[0].removeprefix("promtool, version ")
    other = f"{_VERSION} of {_PACKAGE}" if promtools()[1:] else "no 3.x: Go is not installed"
    return f"rules judged by promtool {own}; {other}"


def kept(environment: Mapping[str, str]) -> Path:
    """Return the folder of the user's cache that keeps the build of this version."""
    cache = environment.get("XDG_CACHE_HOME") or Path(environment["HOME"]) / ".cache"
    return Path(cache) / "batch-exporter" / f"promtool-{_VERSION.removeprefix('v')}"


def _built(go: str) -> Path:
    program = kept(os.environ) / "promtool"
    if not program.exists():
        environment = os.environ | {"GOBIN": str(program.parent), "GOFLAGS": "-mod=mod"}
        command = [go, "install", f"{_PACKAGE}@{_VERSION}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return program
