"""Fixtures that several test modules share, and the guard of the split between `make test` and `make test-all`."""

import logging
import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from exporter.state import prepared
from tests.support import certificates as made_certificates
from tests.support import order, promtool
from tests.support import postgres as postgres_server
from tests.support.paths import ROOT
from tests.support.properties import load_profile
from tests.support.rig import Rig

ALWAYS_THERE = {"env", "git", "make", "sh"}
"""What `make test` needs beside Python."""
_running: list[pytest.Item] = []
load_profile()
# Programs in Go that collect garbage less often take a fifth less time.
os.environ.setdefault("GOGC", "400")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what a test does to logging: a command sets the levels and the handlers of the whole process."""
    manager = logging.Logger.manager
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: known.level for name, known in manager.loggerDict.items() if isinstance(known, logging.Logger)}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, known in list(manager.loggerDict.items()):
        if isinstance(known, logging.Logger) and known.level != levels.get(name, logging.NOTSET):
            known.setLevel(levels.get(name, logging.NOTSET))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with prepared(tmp_path / "state.db") as state:
        made = Rig(state)
        with made.mock_api:
            yield made


@pytest.fixture(scope="session")
def postgres() -> postgres_server.Server:
    """Return a PostgreSQL server for all tests of this process. A test makes its own database in it."""
    return postgres_server.shared()


def pytest_unconfigure() -> None:
    postgres_server.end_shared()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with certificates, to read only."""
    folder = tmp_path_factory.mktemp("certificates")
    made_certificates.make(folder)
    return folder


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes long."""
    workers = order.workers_of(getattr(config, "workerinput", None))
    items[:] = order.slow_first(
        items,
        lambda item: item.nodeid.partition("::")[0],
        lambda item: order.slowness(item.get_closest_marker("slow")),
        workers,
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which programs have judged the rules, and what else depends on the machine."""
    if summary := promtool.used():
        terminalreporter.write_line(summary)
    for report in terminalreporter.getreports("passed"):
        for note in (value for name, value in report.user_properties if name == "note"):
            terminalreporter.write_line(str(note))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Remember which test runs, for the guard."""
    _running[:] = [item]
    try:
        return (yield)
    finally:
        _running.clear()


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    """Fail a test that starts a program which a bare machine does not have, and is not marked `programs`.

    It fails on every machine, also on one that has the program.
    """
    if event != "subprocess.Popen" or not _running or _running[0].get_closest_marker("programs"):
        return
    program = Path(str(arguments[0]))
    if program.name.startswith("python") or program.name in ALWAYS_THERE:
        return
    # Ours, and what the tests themselves have made.
    if not any(program.is_relative_to(folder) for folder in (ROOT, sys.prefix, tempfile.gettempdir())):
        pytest.fail(f'it starts {program.name}, which "make test" does without: mark it @pytest.mark.programs')


sys.addaudithook(_guard)
