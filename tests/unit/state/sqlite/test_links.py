"""A state file behind symbolic links: what SQLite keeps beside it stands beside the file, and not beside a link."""

from pathlib import Path

import pytest

from exporter.model.record import StateError
from exporter.state import SqliteState, prepared
from exporter.state.sqlite.check import problem
from exporter.state.sqlite.overview import overview
from tests.support.rig import Clock
from tests.support.state_file import RULES, alone, write


@pytest.fixture(params=[1, 2], ids=["link", "link to a link"])
def link(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    target = tmp_path / "volume" / "data.db"
    for number in range(request.param):
        path = tmp_path / f"link {number}" / "state.db"
        path.parent.mkdir()
        path.symlink_to(target)
        target = path
    (tmp_path / "volume").mkdir()
    return target


def log_of(link: Path) -> Path:
    return link.resolve().with_name("data.db-wal")


def wrote(state: SqliteState) -> None:
    with state.records("prod", "x", RULES) as records:
        write(records, "r1")


def test_the_size_of_the_log_is_that_of_the_file(link: Path) -> None:
    clock = Clock(0.0)
    with prepared(link, clock) as state:
        clock.now += 10.0
        wrote(state)
        assert state.sizes() == (link.stat().st_size, log_of(link).stat().st_size)
        assert log_of(link).stat().st_size > 0


def test_who_looks_into_the_file_sees_what_stands_in_its_log(link: Path, tmp_path: Path) -> None:
    with prepared(link) as state:
        wrote(state)
        assert alone(link, tmp_path) == 0, "it stands in the log alone"
        assert problem(link) is None
        assert [found.finished for found in overview(link).collectors] == [1]


def test_a_file_that_is_gone_is_not_begun_anew_beside_its_log(link: Path) -> None:
    """SQLite would delete the log, and with it the last changes."""
    with prepared(link) as state:
        wrote(state)
        left = log_of(link).read_bytes()
    link.resolve().unlink()
    log_of(link).write_bytes(left)
    with pytest.raises(StateError, match=r"it is empty or gone, but data.db-wal is not"), prepared(link):
        pass
    assert log_of(link).read_bytes() == left
