"""A state file with several names: one program uses it at a time, and what SQLite keeps beside it is found."""

import fcntl
import os
from collections.abc import Callable
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


def symbolic(name: Path, file: Path) -> Path:
    name.symlink_to(file)
    return name


def link_to_a_link(name: Path, file: Path) -> Path:
    (name.parent / "between").symlink_to(file)
    return symbolic(name, Path("between"))


def through_a_linked_folder(name: Path, file: Path) -> Path:
    name.symlink_to(file.parent, target_is_directory=True)
    return name / file.name


def with_dots(name: Path, file: Path) -> Path:
    return name.parent / ".." / name.parent.name / "." / os.path.relpath(file, name.parent)


def relative(name: Path, file: Path) -> Path:
    del name
    return Path(os.path.relpath(file))


def hard(name: Path, file: Path) -> Path:
    name.hardlink_to(file)
    return name


SYMBOLIC = (symbolic, link_to_a_link, through_a_linked_folder, with_dots, relative)
Named = Callable[[Path, Path], Path]


@pytest.mark.parametrize("turned", [False, True], ids=["the file first", "the other name first"])
@pytest.mark.parametrize(("named", "exists"), [(hard, True), *((way, there) for way in SYMBOLIC for there in (0, 1))])
def test_a_file_in_use_is_refused_by_every_other_name(tmp_path: Path, named: Named, exists: bool, turned: bool) -> None:
    file, other = tmp_path / "volume" / "data.db", tmp_path / "other" / "state.db"
    for folder in (file.parent, other.parent):
        folder.mkdir()
    if exists:
        with prepared(file) as state:
            wrote(state)
    first, second = (named(other, file), file) if turned else (file, named(other, file))
    with prepared(first) as state:
        wrote(state)
        for _ in range(2):
            with pytest.raises(StateError, match="another batch-exporter is using it"), prepared(second):
                pass
        wrote(state)
    with prepared(second) as state:
        wrote(state)


@pytest.mark.parametrize("named", SYMBOLIC)
def test_without_locks_of_open_files_the_lock_beside_the_file_is_enough(
    tmp_path: Path, named: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(fcntl, "F_OFD_SETLK")
    file, other = tmp_path / "volume" / "data.db", tmp_path / "other" / "state.db"
    for folder in (file.parent, other.parent):
        folder.mkdir()
    second = named(other, file)
    with prepared(file), pytest.raises(StateError, match="another batch-exporter is using it"), prepared(second):
        pass


def test_a_file_that_was_written_again_is_refused_by_its_other_name(tmp_path: Path) -> None:
    file, other = tmp_path / "state.db", tmp_path / "other.db"
    with prepared(file) as state:
        wrote(state)
        for path in (file, tmp_path / "state.db.lock"):
            path.unlink()
        wrote(state)
        hard(other, file)
        with pytest.raises(StateError, match="another batch-exporter is using it"), prepared(other):
            pass
