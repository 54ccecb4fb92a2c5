"""The write-ahead log of the state: its size is known and bounded, and it is folded back."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.state import SqliteState, prepared
from tests.support.rig import Clock
from tests.support.state_file import RULES, alone, other_program, write

LOG_LIMIT = 17 * 2**20


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def state(tmp_path: Path, clock: Clock) -> Iterator[SqliteState]:
    with prepared(tmp_path / "state.db", clock) as made:
        yield made


def test_sizes_are_read_after_a_write_at_most_once_in_ten_seconds(state: SqliteState, clock: Clock) -> None:
    at_start = state.sizes()
    assert at_start is not None
    assert at_start == (state.path.stat().st_size, 0)
    with state.records("prod", "x", RULES) as records:
        write(records, "r1")
        assert state.sizes() == at_start
        clock.now += 10.0
        write(records, "r2")
        assert state.sizes() == (at_start.state, state.path.with_name("state.db-wal").stat().st_size)
        assert state.sizes() != at_start


def test_no_size_is_known_of_a_file_that_was_deleted(state: SqliteState, clock: Clock) -> None:
    with state.records("prod", "x", RULES) as records:
        for path in state.path.parent.glob("state.db*"):
            path.unlink()
        clock.now += 10.0
        write(records, "r1")
    assert state.sizes() is None


def test_the_log_grows_while_another_program_reads_and_is_cut_afterwards(state: SqliteState, clock: Clock) -> None:
    with state.records("prod", "x", RULES) as records:
        with other_program(state.path, "BEGIN", "SELECT count(*) FROM records"):
            for number in range(40):
                records.save_checkpoint(replace(records.checkpoint, scope=str(number) * 500_000))
            clock.now += 10.0
            records.save_checkpoint(replace(records.checkpoint, polled_at=1.0))
            pinned = state.sizes()
            assert pinned is not None
            assert pinned.log > 2 * LOG_LIMIT
        for number in range(3):
            clock.now += 10.0
            records.save_checkpoint(replace(records.checkpoint, polled_at=2.0 + number))
        cut = state.sizes()
        assert cut is not None
        assert cut.log <= LOG_LIMIT


def test_the_log_is_folded_back_each_minute_however_short_it_is(
    state: SqliteState, clock: Clock, tmp_path: Path
) -> None:
    with state.records("prod", "x", RULES) as records:
        write(records, "r1")
        clock.now += 59.0
        write(records, "r2")
        (tmp_path / "early").mkdir()
        assert alone(state.path, tmp_path / "early") == 0
        clock.now += 1.0
        write(records, "r3")
    assert alone(state.path, tmp_path) == 3


def test_what_a_killed_program_left_in_the_log_is_folded_back_at_the_start(state: SqliteState, tmp_path: Path) -> None:
    with state.records("prod", "x", RULES) as records:
        write(records, "r1")
    killed = tmp_path / "killed"
    killed.mkdir()
    for path in (state.path, state.path.with_name("state.db-wal")):
        shutil.copy(path, killed)
    with prepared(killed / "state.db") as after:
        assert alone(after.path, tmp_path) == 1
        assert after.sizes() == (after.path.stat().st_size, 0)


def test_at_the_end_the_file_alone_is_complete_although_another_program_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with contextlib.ExitStack() as stack:
        with prepared(path) as state, state.records("prod", "x", RULES) as records:
            write(records, "r1")
            stack.enter_context(other_program(path, "BEGIN", "SELECT count(*) FROM records"))
        assert alone(path, tmp_path) == 1


@pytest.mark.parametrize("way", ["VACUUM INTO", ".backup"])
def test_a_backup_while_it_runs_is_complete_and_fails_no_poll(state: SqliteState, tmp_path: Path, way: str) -> None:
    made = tmp_path / "backup.db"
    with state.records("prod", "x", RULES) as records:
        write(records, "r1")
        with (
            contextlib.closing(sqlite3.connect(state.path)) as source,
            contextlib.closing(sqlite3.connect(made)) as copy,
        ):
            if way == "VACUUM INTO":
                source.execute("VACUUM INTO ?", (str(made),))
            else:
                source.backup(copy, pages=1, progress=lambda *_: write(records, "r2"))
    assert alone(made, tmp_path) == (1 if way == "VACUUM INTO" else 2)
