"""A container engine without a service: podman with a store of its own. What is run with it must not be known here."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support import debian, wheels

# Builds, mounts and namespaces need it; .ci/run is root anyway.
AS_ROOT = () if os.geteuid() == 0 else ("sudo",)
# What podman would ask of systemd, and limits that need more rights than a container in CI has.
_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
# Replaces the official Python image, which only a registry has: the same things at the same places, as far as the
# Dockerfile uses them. pip finds the locked libraries in a folder.
_PACKAGES = "ca-certificates,coreutils,dash,findutils,libstdc++6,python3-venv"
_PYTHON = "3.11"
"""Of that Debian."""
_ENVIRONMENT = ("PATH=/usr/bin:/bin", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels")
_BASE = "localhost/python:substitute"
EPOCH = "1700000000"


def run(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run a command, and return how it ended and what it printed."""
    return subprocess.run(words, capture_output=True, text=True, timeout=900, check=False)


def output(*words: str | Path) -> str:
    """Return what a command prints. Fails with all that it printed."""
    done = run(*words)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Engine:
    """podman, with all that it keeps in one folder."""

    folder: Path

    def __call__(self, *words: str | Path) -> str:
        """Return what `podman WORDS` prints. Fails if the command does."""
        return output(*self._podman(), *words)

    def run(self, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run `podman WORDS`, and return how it ended and what it printed."""
        return run(*self._podman(), *words)

    def succeeds(self, *words: str | Path) -> bool:
        """Return whether `podman WORDS` succeeds."""
        return self.run(*words).returncode == 0

    def logs(self, container: str) -> str:
        """Return all that a container has printed."""
        done = self.run("logs", container)
        return done.stdout + done.stderr

    def _podman(self) -> tuple[str | Path, ...]:
        conf = self.folder / "containers.conf"
        conf.write_text(_CONF)
        store = ("--root", self.folder / "store", "--runroot", self.folder / "run", "--storage-driver", "overlay")
        return (*AS_ROOT, "env", f"CONTAINERS_CONF={conf}", "podman", *store)

    def make_base(self) -> None:
        """Make the image that stands in for the official one."""
        archive = debian.archive(["--variant=extract", f"--include={_PACKAGES}"])
        changes = [word for variable in _ENVIRONMENT for word in ("--change", f"ENV {variable}")]
        self("import", "--quiet", *changes, archive, _BASE)

    def build(self, context: Path, name: str) -> str:
        """Build the Dockerfile of a checkout, from its first line to its last: about 12 s. Returns the image's ID."""
        arguments = {
            "PYTHON_IMAGE": _BASE,
            "SOURCE_DATE_EPOCH": EPOCH,
            "BATCH_EXPORTER_REVISION": "0123abc",
        }
        given = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        # Without --format=docker there is no HEALTHCHECK, and RUN needs what chroot does without.
        how = ("--format=docker", "--isolation=chroot", "--network=host", "--layers=false", f"--timestamp={EPOCH}")
        libraries = f"--volume={wheels.locked(_PYTHON)}:/wheels:ro"
        return self("build", "--quiet", *how, *given, libraries, "--tag", name, context).strip()

    def forget(self) -> None:
        """Remove all containers and images."""
        self("rm", "--all", "--force")
        output(*AS_ROOT, "rm", "-rf", self.folder)
