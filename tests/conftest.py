"""Fixtures that several test modules share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.state import prepared
from tests import certificates as made_certificates
from tests import promtool
from tests.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with prepared(tmp_path / "state.db") as state:
        made = Rig(state)
        with made.stand_in:
            yield made


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates, to read only."""
    folder = tmp_path_factory.mktemp("certificates")
    made_certificates.make(folder)
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which programs have judged the rules: that depends on the machine."""
    if said := promtool.used():
        terminalreporter.write_line(said)
