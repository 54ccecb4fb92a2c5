"""A state file that is deleted, moved or exchanged while it is in use."""

import sqlite3
from pathlib import Path

import pytest

from exporter.model.record import StateError
from exporter.state import State, prepared
from tests.support.rig import Clock
from tests.support.state_file import RULES, counted, write


def poll(state: State, name: str = "r1") -> None:
    with state.records("prod", "x", RULES) as records:
        write(records, name)


def test_a_state_that_is_deleted_while_it_runs_is_said_with_what_fits(tmp_path: Path) -> None:
    with prepared(tmp_path / "state.db") as state:
        poll(state)
        for path in tmp_path.glob("state.db*"):
            path.unlink()
        with pytest.raises(
            StateError, match=r"deleted or moved away while the exporter ran; .* or restart the exporter"
        ):
            poll(state, "r2")
        assert not (tmp_path / "state.db").exists()


def test_a_state_that_is_deleted_during_a_poll_is_said_with_what_fits(tmp_path: Path) -> None:
    def losing(state: State) -> None:
        with state.records("prod", "x", RULES) as records:
            records.sums()
            for path in tmp_path.glob("state.db*"):
                path.unlink()
            raise sqlite3.OperationalError("disk I/O error")

    with prepared(tmp_path / "state.db") as state, pytest.raises(StateError, match="deleted or moved away"):
        losing(state)


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
            StateError, match="another file took its place while the exporter ran; restart the exporter"
        ):
            poll(state, "r2")
        assert (tmp_path / "state.db").read_bytes() == before


def test_a_state_that_comes_back_is_used_on_with_all_that_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with prepared(folder / "state.db") as state:
        poll(state)
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(StateError, match="deleted or moved away"):
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
