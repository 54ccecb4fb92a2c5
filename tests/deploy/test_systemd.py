"""The systemd unit is valid, and restricts what the exporter can do."""

import re
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from exporter.cli.commands import DEFAULTS
from exporter.cli.main import MISUSED
from tests.support.container_engine import run
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

FOLDER = ROOT / "deploy/systemd"
UNIT = "batch-exporter.service"
# Systemd calls less than this "OK", and a unit without any hardening 9.6 "UNSAFE". Versions judge a bit differently.
EXPOSURE = 2.0


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", (FOLDER / UNIT).read_text(), re.MULTILINE)


def verified(folder: Path, change: tuple[str, str] = ("", "")) -> str:
    """Return what systemd finds wrong with the unit, where the program is installed."""
    program = settings("ExecStart")[0].split()[0]
    text = (FOLDER / UNIT).read_text().replace(program, sys.executable).replace(*change, 1)
    (folder / UNIT).write_text(text)
    return run("systemd-analyze", "verify", "--man=no", folder / UNIT).stderr


@pytest.mark.programs
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    assert verified(tmp_path) == ""


@pytest.mark.programs
def test_a_misspelled_setting_is_found(tmp_path: Path) -> None:
    assert "PrivateTemp" in verified(tmp_path, ("PrivateTmp=", "PrivateTemp="))


def exposure(unit: Path) -> float:
    """Return systemd's rating of how much of a machine the unit exposes, from 0 to 10 (everything)."""
    report = run("systemd-analyze", "security", "--offline=true", unit).stdout
    level = re.search(r"Overall exposure level for .*: (\d+\.\d+)", report)
    assert level, report
    return float(level[1])


@pytest.mark.programs
def test_the_unit_is_hardened() -> None:
    assert exposure(FOLDER / UNIT) < EXPOSURE


@pytest.mark.programs
@pytest.mark.parametrize(
    "line", ["SystemCallFilter=@system-service\n", "CapabilityBoundingSet=\n", "DynamicUser=yes\n"]
)
def test_a_unit_with_less_hardening_would_be_found(tmp_path: Path, line: str) -> None:
    weaker = tmp_path / UNIT
    text = (FOLDER / UNIT).read_text()
    assert line in text
    weaker.write_text(text.replace(line, ""))
    assert exposure(weaker) > exposure(FOLDER / UNIT)


def test_a_reload_that_comes_too_early_to_be_handled_does_not_leave_it_stopped() -> None:
    assert settings("RestartForceExitStatus") == ["SIGHUP"]


def test_it_may_listen_where_it_listens_by_default() -> None:
    assert DEFAULTS["listen_address"] == [setting.removeprefix("tcp") for setting in settings("SocketBindAllow")]


def test_the_configuration_reads_the_tokens_that_the_unit_loads() -> None:
    config = yaml.safe_load((FOLDER / "config.yaml").read_text())
    jsonschema.validate(config, yaml.safe_load((ROOT / "docs/config.schema.json").read_text()))
    loaded = {name.partition(":")[0] for name in settings("LoadCredential")}
    assert {f"/run/credentials/{UNIT}/{name}" for name in loaded} == {
        account["api_token_file"] for account in config["accounts"]
    }


def test_the_state_is_where_the_unit_may_write() -> None:
    config = yaml.safe_load((FOLDER / "config.yaml").read_text())
    # Without a path it is in the working directory.
    assert "state" not in config
    assert settings("WorkingDirectory") == [f"%S/{settings('StateDirectory')[0]}"]


def test_systemd_knows_when_it_serves_and_restarts_it_where_that_is_of_use() -> None:
    assert settings("Type") == ["notify"]
    assert settings("Restart") == ["on-failure"]
    assert settings("RestartPreventExitStatus") == [str(MISUSED)]
    assert settings("RestartForceExitStatus") == ["SIGHUP"]
    assert "AF_UNIX" in settings("RestrictAddressFamilies")[0].split(), "the way to systemd"
