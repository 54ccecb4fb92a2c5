"""The state file: whose it is, who may read it, and what happens when it can't be used."""

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from exporter.model.accounting import Rules
from exporter.model.record import Record, StateError
from exporter.state import Observation, prepared
from exporter.state.sqlite.schema import APPLICATION_ID, VERSION


def test_a_new_file_is_ours_and_of_the_newest_version(tmp_path: Path) -> None:
    with prepared(tmp_path / "state.db"):
        pass
    database = sqlite3.connect(tmp_path / "state.db")
    assert database.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    database.close()


def test_nobody_else_may_read_any_of_its_files(tmp_path: Path) -> None:
    with prepared(tmp_path / "state.db") as state, state.records("prod", "x", Rules()):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("state.db", "state.db-wal", "state.db-shm", "state.db.lock"), 0o600)


def test_no_loss_of_power_damages_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite promises it for a write-ahead log that is synchronized: NORMAL (1) or more, and not OFF (0)."""
    connect, connections = sqlite3.connect, list[sqlite3.Connection]()

    def noted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connections.append(connect(*arguments, **options))
        return connections[-1]

    monkeypatch.setattr("sqlite3.connect", noted)
    with prepared(tmp_path / "state.db") as state, state.records("prod", "x", Rules()):
        assert len(connections) == 1
        for connection in connections:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("PRAGMA synchronous").fetchone()[0] >= 1


def test_of_a_new_collector_nothing_is_known(tmp_path: Path) -> None:
    with prepared(tmp_path / "state.db") as state, state.records("prod", "x", Rules()) as records:
        checkpoint = records.checkpoint
        assert (checkpoint.complete, checkpoint.named, checkpoint.lookback) == (False, False, 0.0)


def test_without_a_path_it_is_gone_afterwards() -> None:
    with prepared(None) as state:
        assert state.path.exists()
    assert not state.path.exists()


def test_a_second_program_is_refused_because_the_file_is_in_use(tmp_path: Path) -> None:
    second = prepared(tmp_path / "state.db")
    with prepared(tmp_path / "state.db"), pytest.raises(StateError, match="another batch-exporter is using it"):
        second.__enter__()
    with prepared(tmp_path / "state.db"):
        pass


def _foreign(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs (x)")
    database.commit()
    database.close()


def _newer(path: Path) -> None:
    with prepared(path):
        pass
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()


def _truncated(path: Path) -> None:
    with prepared(path):
        pass
    path.write_bytes(path.read_bytes()[:6000])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_foreign, "another program"),
        (_newer, "newer version"),
        (_truncated, "malformed"),
        (lambda path: path.write_bytes(b"not a database at all" * 100), "not a database"),
        (lambda path: path.mkdir(), "directory"),
    ],
    ids=["foreign", "newer", "truncated", "no-database", "folder"],
)
def test_a_file_that_is_not_ours_or_damaged_is_left_as_it_is(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    path = tmp_path / "state.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StateError, match=message) as caught, prepared(path):
        pass
    assert str(path) in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_an_empty_file_is_made_ours(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    with prepared(tmp_path / "state.db") as state, state.records("prod", "x", Rules()) as records:
        assert not records.checkpoint.complete


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(StateError, match=r"No such file or directory \(see state.path\)"),
        prepared(tmp_path / "a" / "b"),
    ):
        pass


def test_a_name_with_odd_characters_is_a_name_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%e.db"
    with prepared(path) as state, state.records("prod", "x", Rules()):
        assert path.exists()


def test_without_a_file_records_are_kept_as_well() -> None:
    with prepared(None) as state:
        for name in ("rb_1", "rb_2"):
            with state.records("prod", "x", Rules()) as records:
                records.apply([Record(name, 0.0, False, {})], Observation(5.0, 0.0))
        assert set(records.get(["rb_1", "rb_2"])) == {"rb_1", "rb_2"}
