"""Which tests need programs, and what `make test-all` says and does about those that are missing or too old."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tools import programs
from tools.programs import PROGRAMS, SHIMS, Program, problem, version_in

SAID = {
    "promtool, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5)": (2, 42, 0),
    'Client Version: version.Info{Major:"1", Minor:"20+", GitVersion:"v1.20.5-rc.0.18+c4af4684437b37"}': (1, 20, 5),
    "Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0": (1, 32, 4),
    "systemd 252 (252.38-1~deb12u1)\n+PAM +AUDIT": (252, 38),
    "systemd 258 (v258)": (258,),
    "Chromium 156.0.8078.108 built on Debian": (156, 0, 8078, 108),
    "nothing at all": None,
}


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return a function that puts a script into the only folder in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(programs, "POSTGRESQL", tmp_path / "postgresql")
    monkeypatch.setattr(programs, "SBIN", str(tmp_path / "sbin"))

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


@pytest.mark.parametrize(("output", "version"), SAID.items())
def test_a_version_is_read_from_what_a_program_says(output: str, version: tuple[int, ...] | None) -> None:
    assert version_in(output) == version


@pytest.mark.parametrize(
    ("script", "wrong"),
    [
        (None, "tool is missing"),
        ("echo tool 1.9", "/tool is 1.9, and the tests need 1.20 or newer"),
        ("echo tool 1.20", None),
        ("echo tool 1.20.3 >&2", None),
        ("echo tool 2", None),
        ("echo tool", "/tool does not print its version: tool"),
        ("echo no such library 1.30; exit 1", "/tool does not print its version: no such library 1.30"),
    ],
)
def test_a_program_is_judged_by_its_version_and_not_by_its_name(
    bin_: Callable[[str, str], None], script: str | None, wrong: str | None
) -> None:
    if script is not None:
        bin_("tool", script)
    found = problem(Program("tool", (1, 20), "package"))
    assert found is None if wrong is None else (found or "").endswith(wrong)


def test_a_program_that_says_nothing_of_its_version_must_be_there(bin_: Callable[[str, str], None]) -> None:
    silent = Program("tool", (), "package")
    assert problem(silent) == "tool is missing"
    bin_("tool", "exit 1")
    assert problem(silent) is None


def test_the_newest_server_of_postgresql_is_found_where_debian_keeps_it(
    bin_: Callable[[str, str], None], tmp_path: Path
) -> None:
    for version in ("9", "15", "14"):
        folder = tmp_path / "postgresql" / version / "bin"
        folder.mkdir(parents=True)
        (folder / "initdb").touch()
    assert programs.path_of("initdb") == str(tmp_path / "postgresql/15/bin/initdb")
    bin_("initdb", "")
    assert programs.path_of("initdb") == str(tmp_path / "bin/initdb")


def test_without_root_the_one_apt_line_is_printed_and_it_stops(
    bin_: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    bin_("sudo", "exit 1")
    bin_("apt-get", "echo 'it must not be run' >&2; exit 1")
    bin_("kubectl", "echo v1.19.0")
    assert programs.main() == 1
    shown = capsys.readouterr()
    packages = sorted({name for program in PROGRAMS for name in program.packages.split()})
    (line,) = [line for line in shown.err.splitlines() if "apt-get" in line]
    assert line.startswith("For an administrator: apt-get install --no-install-recommends ")
    assert set(packages) <= set(line.split())
    assert "kubectl is 1.19.0, and the tests need 1.20 or newer" in shown.err
    assert "prometheus is missing" in shown.err
    assert "Debian packages: bash chromium" in shown.out


def test_what_is_still_too_old_once_it_is_installed_is_said(
    bin_: Callable[[str, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    bin_("env", f'echo "$@" >> {tmp_path}/called')
    bin_("apt-get", "exit 0")
    bin_("kubectl", "echo v1.19.0")
    assert programs.main() == 1
    shown = capsys.readouterr()
    assert "kubectl is 1.19.0, and the tests need 1.20 or newer" in shown.err
    assert "first in PATH" in shown.err
    update, install = (tmp_path / "called").read_text().splitlines()
    assert update.endswith(" update")
    assert " install --yes --no-install-recommends bash chromium " in install
    assert f"DPkg::Path={tmp_path}/" in install
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["bin"], "what it worked with is gone"


@pytest.mark.parametrize("name", ["invoke-rc.d", "deb-systemd-invoke"])
def test_an_installation_starts_no_service(name: str) -> None:
    done = subprocess.run(["sh", "-euc", SHIMS[name], name, "start", "prometheus"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("asked", "done"),
    [
        ("prometheus defaults", "prometheus defaults-disabled"),
        ("prometheus remove", "prometheus remove"),
        ("-f prometheus remove", "-f prometheus remove"),
    ],
)
def test_an_installation_enables_no_service_of_sysv(tmp_path: Path, asked: str, done: str) -> None:
    shim = SHIMS["update-rc.d"].replace("exec /usr/sbin/update-rc.d", "echo")
    output = subprocess.run(
        ["sh", "-euc", shim, "update-rc.d", *asked.split()], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == done


def test_an_installation_enables_no_unit_that_was_not_enabled_before(tmp_path: Path) -> None:
    wants = tmp_path / "etc" / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "before.service").symlink_to("/nowhere/before.service")
    real = tmp_path / "real"
    real.write_text(f"#!/bin/sh\nln -s /nowhere/$2 {wants}/$2\nexit 3\n")
    real.chmod(0o755)
    script = SHIMS["deb-systemd-helper"]
    script = script.replace("/usr/bin/deb-systemd-helper", str(real)).replace("/etc/systemd", str(tmp_path / "etc"))
    name = str(tmp_path / "deb-systemd-helper")
    done = subprocess.run(["sh", "-euc", script, name, "enable", "new.service"], check=False)
    assert done.returncode == 3
    assert [path.name for path in wants.iterdir()] == ["before.service"]
    assert {path.name for path in tmp_path.iterdir()} == {"etc", "real"}


TESTS = """
import subprocess
import sys
import pytest

def run(*words):
    subprocess.run(words, capture_output=True, check=False)

def test_ours():
    run(sys.executable, "-c", "")
    run("git", "--version")
    run("/bin/sh", "-c", "true")

def test_unmarked():
    run("/bin/true")

@pytest.fixture(scope="module")
def program():
    run("/bin/true")

def test_unmarked_with_a_fixture(program):
    pass

@pytest.mark.programs
def test_marked():
    run("/bin/true")
"""


def test_a_test_that_starts_a_program_and_is_not_marked_fails_whatever_the_machine_has(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", ROOT / "pyproject.toml", file]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
    assert "1 failed, 2 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert 'it starts true, which "make test" does without: mark it @pytest.mark.programs' in done.stdout
    assert "FAILED ::test_unmarked -" in done.stdout


def test_every_test_is_in_make_test_or_in_make_test_all() -> None:
    lines = [line.strip() for line in (ROOT / "Makefile").read_text().splitlines()]
    assert "QUICK = -m 'not programs and not slow'" in lines
    assert [line.partition(" --cov")[0] for line in lines if line.startswith("$(PYTEST)")] == [
        "$(PYTEST) $(QUICK) tests/unit",
        "$(PYTEST) $(QUICK)",
        "$(PYTEST)",
        "$(PYTEST) $(QUICK)",
    ]
    assert "make test-all" in (ROOT / ".ci" / "run").read_text()


def test_what_takes_long_has_the_mark_slow() -> None:
    places = ("tests/deploy", "tests/e2e", "tests/integration/web/test_browser.py", "tests/grafana/test_panels.py")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", "-m", "not slow", *places]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    kept = [line for line in done.stdout.splitlines() if "::" in line]
    [smaller] = kept
    assert smaller == "tests/e2e/test_kill.py::test_kills_in_a_row_lose_nothing_and_repeat_nothing[in_file]"
