"""`make` on machines with all kinds of Python: it refuses at once, or makes an environment that fits."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.paths import ROOT

BASE = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
# With a changed view of itself, a real Python is one that this machine does not have.
FAKE = """#!/bin/sh
exec {base} -c "import sys; sys.executable = sys._base_executable = '$0'; {change}; exec(sys.argv[1])" "$2"
"""

# Makes an environment as ever, but with a pip that is only named: to install a real one takes seconds.
QUICK = """#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
    {base} -m venv --without-pip "$3" && echo "#!$PWD/$3/bin/python" > "$3/bin/pip"
    exit
fi
exec {base} -c "import sys; sys.executable = sys._base_executable = '$0'; exec(sys.argv[1])" "$2"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout with the files that `make` reads before it installs anything."""
    folder = tmp_path / "check out"
    (folder / "exporter").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "exporter/__init__.py"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "tools", folder / "tools")
    return folder


def fake(folder: Path, change: str, name: str = "python") -> Path:
    """Make a Python that differs from this one, and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(FAKE.format(base=BASE, change=change))
    path.chmod(0o755)
    return path


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    path = tmp_path / "quick"
    path.write_text(QUICK.format(base=BASE))
    path.chmod(0o755)
    return path


def make(checkout: Path, target: str, python: str | Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = ["make", "-C", str(checkout), target, f"PYTHON={python}"]
    # MAKEFLAGS: `make test` itself sets it for what it runs.
    given = {**os.environ, "MAKEFLAGS": "", **environ}
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=120, check=False)


def environment(checkout: Path, python: Path) -> str:
    """Make the environment alone. Returns what make printed."""
    done = make(checkout, ".venv/.made", python)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_help_lists_every_target(checkout: Path) -> None:
    phony = re.search(r"^\.PHONY: FORCE (.*)$", (checkout / "Makefile").read_text(), re.MULTILINE)
    assert phony
    shown = {line.split()[0] for line in make(checkout, "help", BASE).stdout.splitlines()}
    assert set(phony[1].split()) <= shown


@pytest.mark.parametrize("target", ["run", "test", "test-all"])
def test_an_old_python_is_refused_at_once_with_what_was_found_and_how_to_choose_another(
    checkout: Path, tmp_path: Path, target: str
) -> None:
    old = fake(tmp_path / "bin", "sys.version_info = (3, 9, 2, 'final', 0)")
    began = time.monotonic()
    done = make(checkout, target, old)
    # It takes half a second; the rest is for a busy machine.
    assert time.monotonic() - began < 30
    assert done.returncode == 2
    assert f"PYTHON={old} is Python 3.9.2 ({old}): Python 3.11 or newer is needed." in done.stderr
    assert f"with PYTHON=, as in: make {target} PYTHON=python3.12\n" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_that_does_is_named_where_there_is_one(checkout: Path, tmp_path: Path) -> None:
    old = fake(tmp_path / "bin", "sys.version_info = (3, 10, 0, 'final', 0)")
    fake(tmp_path / "bin", "pass", "python3.13")
    done = make(checkout, "run", old, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    assert "Here is one that does: PYTHON=python3.1" in done.stderr


@pytest.mark.parametrize("python", ["/nowhere/python3", "python-that-is-not-there", "/dev/null"])
def test_a_python_that_is_not_there_is_named(checkout: Path, python: str) -> None:
    done = make(checkout, "run", python)
    assert done.returncode == 2
    assert f"PYTHON={python}: it can't be run. Python 3.11 or newer is needed." in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_refused_with_the_package_that_has_it(
    checkout: Path, tmp_path: Path, module: str
) -> None:
    bare = fake(tmp_path / "bin", f"sys.modules['{module}'] = None; sys.version_info = (3, 11, 2, 'final', 0)")
    done = make(checkout, "run", bare)
    assert done.returncode == 2
    assert "without venv. On Debian and Ubuntu: apt-get install python3.11-venv\n" in done.stderr
    assert not (checkout / ".venv").exists()


def test_an_environment_is_made_once_and_again_where_the_checkout_has_moved(checkout: Path, quick: Path) -> None:
    environment(checkout, quick)
    made = checkout / ".venv" / ".made"
    first = made.stat().st_mtime_ns
    # Also where it is active.
    environment(checkout, checkout / ".venv/bin/python3")
    assert made.stat().st_mtime_ns == first
    moved = checkout.rename(checkout.with_name("moved"))
    assert "another checkout: making it again" in environment(moved, quick)
    assert f"{moved}/.venv/bin/python" in (moved / ".venv/bin/pip").read_text()


def test_the_first_lines_of_a_real_pip_say_whose_it_is() -> None:
    """They show whether an environment belongs to this checkout."""
    first = Path(sys.prefix, "bin/pip").read_text().splitlines()[:3]
    assert any(f"{sys.prefix}/bin/python" in line for line in first)


@pytest.mark.parametrize(
    "left",
    [
        "of another Python",
        pytest.param("of a Python that is gone", marks=pytest.mark.slow),
        pytest.param("half made", marks=pytest.mark.slow),
    ],
)
def test_an_environment_that_does_not_fit_is_made_again(checkout: Path, quick: Path, left: str) -> None:
    folder = checkout / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "left").touch()
    if left == "of another Python":
        fake(folder, "sys.version_info = (3, 10, 0, 'final', 0)")
    if left == "of a Python that is gone":
        (folder / "python").symlink_to("/nowhere/python3.10")
    if left != "half made":
        (folder / "pip").write_text(f"#!{folder}/python\n")
    assert "making it again" in environment(checkout, quick)
    assert not (folder / "left").exists()
    assert (folder / "pip").exists()
    assert "again" not in environment(checkout, quick)
