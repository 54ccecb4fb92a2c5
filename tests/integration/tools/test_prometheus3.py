"""How the programs that Debian has not are built: once, whole or not at all, and only where Go is."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tools import programs, prometheus3
from tools.prometheus3 import BuildError, built, kept

GO = """\
#!/bin/sh
echo "$@" >> {log}
{then}
mkdir -p "$GOBIN"
touch "$GOBIN/prometheus" "$GOBIN/promtool"
"""
_BUILD = "from tools import prometheus3; prometheus3.built()"


def environment(folder: Path, then: str = "") -> Mapping[str, str]:
    """Put a go in PATH that notes its arguments, and does this before it leaves the programs."""
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "go").write_text(GO.format(log=folder / "log", then=then))
    (bin_ / "go").chmod(0o755)
    return {"HOME": str(folder), "PATH": f"{bin_}:/usr/bin:/bin"}


def test_a_version_is_built_once_with_both_programs_and_without_what_the_tests_do_not_need(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    assert built(variables) == built(variables) == kept(variables)
    assert {path.name for path in kept(variables).iterdir()} == {"prometheus", "promtool"}
    module, version = prometheus3.MODULE, prometheus3.VERSION
    wanted = f"install -tags remove_all_sd {module}/cmd/prometheus@{version} {module}/cmd/promtool@{version}\n"
    assert (tmp_path / "log").read_text() == wanted


def test_several_that_want_it_at_once_wait_for_one_build(tmp_path: Path) -> None:
    variables = environment(tmp_path, "sleep 0.3")
    command = [sys.executable, "-c", _BUILD]
    running = [subprocess.Popen(command, cwd=ROOT, env=variables) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len((tmp_path / "log").read_text().splitlines()) == 1


def test_a_build_that_fails_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no such module"):
        built(environment(tmp_path, 'mkdir -p "$GOBIN"; touch "$GOBIN/promtool"; echo no such module >&2; exit 1'))
    variables = environment(tmp_path)
    assert not kept(variables).exists()
    assert {path.name for path in built(variables).iterdir()} == {"prometheus", "promtool"}


def test_make_programs_fails_with_the_output_of_a_build_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(programs, "problems", dict)
    monkeypatch.setattr(programs, "as_root", tuple)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in environment(tmp_path, "echo no such module >&2; exit 1").items():
        monkeypatch.setenv(name, value)
    assert programs.main() == 1
    shown = capsys.readouterr()
    assert f"Prometheus 3.x ({prometheus3.MODULE}@{prometheus3.VERSION})" in shown.out
    assert "no such module" in shown.err


def test_without_go_nothing_is_built_and_make_programs_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(programs, "problems", dict)
    monkeypatch.setattr(programs, "as_root", tuple)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.main() == 0
    assert "nothing: without Go the tests use Debian's Prometheus alone" in capsys.readouterr().out
