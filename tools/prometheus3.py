"""Build Prometheus 3.x and its promtool from their Go module, once for each version, where Go is installed.

Debian has 2.42, and tests shall pass with both. Without Go there is no 3.x, and the tests use Debian's alone.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

VERSION = "v0.316.0"
"""Of Prometheus as a Go module: v0.316.0 is Prometheus 3.16.0."""
MODULE = "github.com/prometheus/prometheus"
PROGRAMS = ("prometheus", "promtool")
TAGS = "remove_all_sd"
"""Without service discovery but that by files: clients of Kubernetes and of each cloud would be half of the build."""


class BuildError(Exception):
    """A build that failed. The text is Go's output."""


def is_available() -> bool:
    """Return whether there is a 3.x here, or could be built."""
    return shutil.which("go") is not None


def kept(environment: Mapping[str, str]) -> Path:
    """Return the folder of the user's cache that keeps the build of this version."""
    cache = environment.get("XDG_CACHE_HOME") or Path(environment["HOME"]) / ".cache"
    return Path(cache) / "batch-exporter" / f"prometheus-{VERSION.removeprefix('v')}"


def built(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder with the programs, built if they are not there yet. It takes minutes. Raises BuildError.

    Of several processes that want it at once, one builds, and the others wait.
    """
    folder = kept(environment)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(folder, environment)
    return folder


def _build(folder: Path, environment: Mapping[str, str]) -> None:
    # An unfinished build never takes the place of a complete one.
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        made = Path(place, "bin")
        go = shutil.which("go", path=environment["PATH"]) or "go"
        command = [go, "install", "-tags", TAGS, *(f"{MODULE}/cmd/{name}@{VERSION}" for name in PROGRAMS)]
        variables = {**environment, "GOBIN": str(made), "GOFLAGS": "-mod=mod"}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(done.stderr)
        made.rename(folder)
