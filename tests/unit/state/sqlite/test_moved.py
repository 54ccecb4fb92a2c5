"""A state file that is deleted, moved or exchanged while it is in use."""

import contextlib
import logging
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.model.record import Record, StateError
from exporter.state import Observation, State, prepared
from exporter.state.sqlite.connection import connect
from exporter.state.sqlite.place import Place
from tests.support.rig import Clock
from tests.support.state_file import RULES, counted, other_program, write


def poll(state: State, name: str = "r1") -> None:
    with state.records("prod", "x", RULES) as records:
        write(records, name)


def rm(folder: Path) -> None:
    for path in folder.glob("state.db*"):
        path.unlink()


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def make_folder_anew(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def rm_file_alone(folder: Path) -> None:
    (folder / "state.db").unlink()


@pytest.mark.parametrize("delete", [rm, rm_file_alone, remove_folder, make_folder_anew])
def test_a_state_that_is_deleted_while_it_runs_is_written_again_with_all_that_it_held(
    tmp_path: Path, delete: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with (
        caplog.at_level(logging.WARNING, logger="exporter.state.sqlite.database"),
        prepared(folder / "state.db") as state,
    ):
        for number in range(300):
            poll(state, f"r{number}")
        for again in range(2):
            delete(folder)
            poll(state, f"again {again}")
            assert [record.getMessage() for record in caplog.records] == [
                "state file was deleted while the exporter ran: written again"
            ] * (again + 1)
            assert counted(state, "x") == 301 + again
            assert stat.S_IMODE((folder / "state.db").stat().st_mode) == 0o600
        with pytest.raises(StateError, match="another batch-exporter is using it"), prepared(folder / "state.db"):
            pass
    assert sorted(path.name for path in folder.iterdir()) == ["state.db", "state.db.lock"]
    with prepared(folder / "state.db") as state:
        assert counted(state, "x") == 302


def test_a_state_that_is_deleted_after_the_last_poll_is_written_again_at_the_end(tmp_path: Path) -> None:
    with prepared(tmp_path / "state.db") as state:
        assert state.is_new
        poll(state)
        rm(tmp_path)
    with prepared(tmp_path / "state.db") as state:
        assert not state.is_new
        assert counted(state, "x") == 1


def test_a_state_that_is_deleted_during_polls_is_written_again_by_the_next_one(tmp_path: Path) -> None:
    """The polls under way go on, or fail with a message about the deletion."""

    def failing(state: State) -> None:
        with state.records("prod", "x", RULES) as records:
            records.sums()
            rm(tmp_path)
            raise sqlite3.OperationalError("disk I/O error")

    with prepared(tmp_path / "state.db") as state:
        poll(state)
        with pytest.raises(StateError, match="it was deleted while the exporter ran; nothing is lost"):
            failing(state)
        with state.records("prod", "x", RULES) as under_way:
            write(under_way, "r2")
            rm(tmp_path)
            write(under_way, "r3")
            assert counted(state, "x") == 3
            with pytest.raises(sqlite3.ProgrammingError):
                write(under_way, "r4")
        assert counted(state, "x") == 3


def test_what_can_not_be_written_again_is_said_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with prepared(folder / "state.db") as state:
        poll(state)
        shutil.rmtree(folder)
        folder.touch()
        with pytest.raises(StateError, match=r"can't be written again \(File exists\)"):
            poll(state, "r2")
        folder.unlink()
        folder.mkdir()
        (folder / "state.db.again").mkdir()
        with pytest.raises(
            StateError,
            match=r"it was deleted while .*, and can't be written again \(Is a directory\); .* do not restart",
        ):
            poll(state, "r2")
        (folder / "state.db.again").rmdir()
        poll(state, "r2")
        assert counted(state, "x") == 2


def test_a_state_behind_a_symbolic_link_is_written_again_where_it_was(tmp_path: Path) -> None:
    folder, link = tmp_path / "volume", tmp_path / "link" / "state.db"
    folder.mkdir()
    link.parent.mkdir()
    link.symlink_to(folder / "state.db")
    with prepared(link) as state:
        poll(state)
        (folder / "state.db").unlink()
        poll(state, "r2")
        assert counted(state, "x") == 2
    assert link.is_symlink()
    assert [path.name for path in folder.iterdir()] == ["state.db"]


def test_what_can_not_take_its_place_again_is_kept_beside_it_until_it_can(tmp_path: Path) -> None:
    with prepared(tmp_path / "state.db") as state:
        poll(state)
        rm(tmp_path)
        (tmp_path / "state.db-wal").mkdir()
        for _ in range(2):
            with pytest.raises(StateError, match=r"can't be written again \(Is a directory\); .* do not restart"):
                poll(state, "r2")
        (tmp_path / "state.db-wal").rmdir()
        poll(state, "r2")
        assert counted(state, "x") == 2
        assert not (tmp_path / "state.db.again").exists()


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("endings", [("",), ("", "-journal"), ("", "-wal", "-shm")])
def test_what_a_program_left_that_was_killed_while_it_wrote_the_file_again_is_removed(
    tmp_path: Path, endings: tuple[str, ...], linked: bool
) -> None:
    path = file = tmp_path / "state.db"
    if linked:
        (tmp_path / "volume").mkdir()
        file = tmp_path / "volume" / "data.db"
        path.symlink_to(file)
    left = [file.with_name(f"{file.name}.again{ending}") for ending in endings]
    for copy in left:
        copy.write_bytes(b"half of a copy")
    with prepared(path) as state:
        poll(state)
        assert counted(state, "x") == 1
        assert not any(copy.exists() for copy in left)


def test_the_copy_of_a_program_that_runs_is_left_to_it(tmp_path: Path) -> None:
    with prepared(tmp_path / "state.db"):
        copy = tmp_path / "state.db.again"
        copy.write_bytes(b"half of a copy")
        with pytest.raises(StateError, match="another batch-exporter is using it"), prepared(tmp_path / "state.db"):
            pass
        assert copy.exists()


def test_a_file_that_comes_while_the_deleted_one_is_copied_is_not_written_over(tmp_path: Path) -> None:
    """Somebody restores a backup, and copying a large state takes seconds."""
    path = tmp_path / "state.db"
    with contextlib.closing(Place(path)) as place, contextlib.closing(connect(path)) as connection:
        connection.execute("CREATE TABLE kept (x)")
        path.unlink()
        copy = place.copy(connection)
        for name in ("state.db", "state.db-wal"):
            (tmp_path / name).write_bytes(b"restored")
        with pytest.raises(StateError, match="another file took its place while the exporter ran"):
            place.put(copy)
        for name in ("state.db", "state.db-wal"):
            assert (tmp_path / name).read_bytes() == b"restored"
            (tmp_path / name).unlink()
        place.put(copy)
        assert place.problem(kept=True) is None


def test_what_is_deleted_while_no_connection_reads_it_is_lost(tmp_path: Path) -> None:
    def failing(state: State) -> None:
        with state.records("prod", "x", RULES):
            raise sqlite3.OperationalError("disk I/O error")

    with prepared(tmp_path / "state.db") as state:
        with pytest.raises(StateError):
            failing(state)
        rm(tmp_path)
        with pytest.raises(
            StateError, match=r"it was deleted while the exporter ran; restart the exporter to start over"
        ):
            poll(state)


def cut(path: Path) -> None:
    os.truncate(path, 0)


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 8192 * 4096)


def write_over(path: Path) -> None:
    path.write_bytes(b"x" * 5000)


@pytest.mark.parametrize("shorten", [cut, cut_in_half, write_over])
def test_a_state_that_is_cut_while_it_runs_is_damaged_at_once_and_not_at_the_restart(
    tmp_path: Path, shorten: Callable[[Path], None]
) -> None:
    with prepared(tmp_path / "state.db") as state:
        poll(state)
        poll(state)
        shorten(tmp_path / "state.db")
        for _ in range(2):
            with pytest.raises(StateError, match=r"damaged \(it was truncated or overwritten while the exporter ran\)"):
                poll(state, "r2")


@pytest.mark.parametrize("folds", [False, True])
@pytest.mark.parametrize(("before", "after"), [(1, 1), (300, 1), (300, 300)])
def test_a_state_that_a_backup_is_written_over_is_not_used_before_the_restart_and_then_as_it_is(
    tmp_path: Path, before: int, after: int, folds: bool
) -> None:
    """This holds whatever is in the log or cached by the connection: pages of both may fit each other."""
    path, backup, clock = tmp_path / "state.db", tmp_path / "backup.db", Clock(0.0)
    with prepared(path, clock) as state:
        clock.now += 60.0
        for number in range(before):
            poll(state, f"before {number}")
    shutil.copy(path, backup)
    with prepared(path, clock) as state:
        clock.now += 60.0
        poll(state, "between")
    with prepared(path, clock) as state:
        for number in range(after):
            poll(state, f"after {number}")
        clock.now += 60.0 * folds
        poll(state, "last")
        path.write_bytes(backup.read_bytes())
        for _ in range(2):
            with pytest.raises(StateError, match=r"another program has overwritten it .* restart the exporter"):
                poll(state, "lost")
        killed = tmp_path / "killed"
        killed.mkdir()
        for file in tmp_path.glob("state.db*"):
            shutil.copy(file, killed)
    for folder in (tmp_path, killed):
        with prepared(folder / "state.db", clock) as state:
            assert counted(state, "x") == before


@pytest.mark.parametrize("folds", [False, True])
def test_a_state_that_a_backup_with_other_pages_is_written_over_is_not_used(tmp_path: Path, folds: bool) -> None:
    path, backup, clock = tmp_path / "state.db", tmp_path / "backup.db", Clock(0.0)
    with prepared(path, clock) as state:
        for number in range(300):
            poll(state, f"before {number}")
        with other_program(path, f"VACUUM INTO '{backup}'"):
            pass
        clock.now += 60.0 * folds
        poll(state, "after")
        path.write_bytes(backup.read_bytes())
        with pytest.raises(StateError, match=r"overwritten"):
            poll(state, "lost")


def test_a_checkpoint_of_another_program_is_no_damage(tmp_path: Path) -> None:
    clock = Clock(0.0)
    with prepared(tmp_path / "state.db", clock) as state:
        for number in range(5):
            for _ in range(2):
                poll(state, f"r{number}")
                with other_program(tmp_path / "state.db", "PRAGMA wal_checkpoint(TRUNCATE)"):
                    pass
                clock.now += 30.0
        assert counted(state, "x") == 5


def test_a_copy_of_what_it_was_at_the_start_may_be_written_over_it(tmp_path: Path) -> None:
    """The log has all changes since then."""
    path = tmp_path / "state.db"
    with prepared(path) as state:
        poll(state)
    with prepared(path) as state:
        backup = path.read_bytes()
        poll(state, "r2")
        path.write_bytes(backup)
        poll(state, "r3")
        assert counted(state, "x") == 3
    with prepared(path) as state:
        assert counted(state, "x") == 3


def test_a_backup_of_this_moment_may_be_written_over_it(tmp_path: Path) -> None:
    path, backup = tmp_path / "state.db", tmp_path / "backup.db"
    with prepared(path) as state:
        poll(state)
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(backup)) as copy:
            source.backup(copy)
        poll(state, "r2")
        path.write_bytes(backup.read_bytes())
        poll(state, "r3")
        assert counted(state, "x") == 3
    with prepared(path) as state:
        assert counted(state, "x") == 3


def test_a_state_that_another_program_has_made_shorter_is_used_on(tmp_path: Path) -> None:
    with prepared(tmp_path / "state.db") as state:
        with state.records("prod", "x", RULES) as records:
            records.apply(
                [Record(f"r{n}", 1.0, False, {("c", "failed"): 1}) for n in range(5000)], Observation(1.0, 0.0)
            )
        with other_program(tmp_path / "state.db", "PRAGMA wal_checkpoint(TRUNCATE)"):
            pass
        poll(state)
        shorten = ("DELETE FROM records", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
        size = (tmp_path / "state.db").stat().st_size
        with state.records("prod", "x", RULES) as records:
            with other_program(tmp_path / "state.db", *shorten):
                assert (tmp_path / "state.db").stat().st_size < size / 2
            records.apply(
                [Record(f"n{n}", 1.0, False, {("c", "failed"): 1}) for n in range(9000)], Observation(1.0, 0.0)
            )
        assert (tmp_path / "state.db").stat().st_size < size / 2, "what was written since is in the log only"
        assert counted(state, "x") == 14_000


def test_a_folder_that_a_file_has_taken_the_place_of_is_said_as_what_can_not_be_opened(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with prepared(tmp_path / "folder" / "state.db") as state:
        (tmp_path / "folder").rename(tmp_path / "elsewhere")
        (tmp_path / "folder").touch()
        with pytest.raises(StateError, match="it can't be opened or written"):
            poll(state)


def test_another_file_in_its_place_is_not_written(tmp_path: Path) -> None:
    with prepared(tmp_path / "other.db") as other:
        poll(other)
    with prepared(tmp_path / "state.db") as state:
        poll(state)
        (tmp_path / "other.db").replace(tmp_path / "state.db")
        before = (tmp_path / "state.db").read_bytes()
        with pytest.raises(
            StateError,
            match="another file took its place while the exporter ran; restart the exporter to use that file",
        ):
            poll(state, "r2")
        assert (tmp_path / "state.db").read_bytes() == before
        (tmp_path / "state.db").unlink()
        poll(state, "r2")
        assert counted(state, "x") == 2


def test_a_state_that_comes_back_is_used_on_with_all_that_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with prepared(folder / "state.db") as state:
        poll(state)
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(StateError, match="it was moved away, or its volume was unmounted"):
            poll(state, "r2")
        (tmp_path / "elsewhere").rename(folder)
        poll(state, "r3")
        assert counted(state, "x") == 2
    with prepared(folder / "state.db") as state:
        assert counted(state, "x") == 2


def test_a_log_that_is_deleted_costs_nothing_once_it_was_folded_back(tmp_path: Path) -> None:
    clock = Clock(0.0)
    with prepared(tmp_path / "state.db", clock) as state:
        poll(state)
        (tmp_path / "state.db-wal").unlink()
        clock.now += 60.0
        poll(state, "r2")
        killed = (tmp_path / "state.db").read_bytes()
    (tmp_path / "killed.db").write_bytes(killed)
    with prepared(tmp_path / "killed.db") as state:
        assert counted(state, "x") == 2
