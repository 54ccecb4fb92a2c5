"""The one connection to the state: shared, renewed after an error, and never waiting long for a lock."""

import contextlib
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.model.record import Reason, StateError
from exporter.state import Records, SqliteState, prepared
from exporter.state.sqlite.connection import connect
from tests.support.properties import examples
from tests.support.rig import Clock
from tests.support.state_file import RULES, counted, other_program, write

WAIT = 3.0
"""Longer than a poll waits for a lock, on a busy machine too."""


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def state(tmp_path: Path, clock: Clock) -> Iterator[SqliteState]:
    with prepared(tmp_path / "state.db", clock) as made:
        yield made


def error(code: int) -> sqlite3.OperationalError:
    made = sqlite3.OperationalError("as SQLite says it")
    made.sqlite_errorcode = code
    return made


def fail(state: SqliteState, cause: Exception, collector: str = "x") -> None:
    with state.records("prod", collector, RULES):
        raise cause


def test_all_records_share_a_connection(state: SqliteState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.connect", None)
    for _ in range(3):
        with state.records("prod", "x", RULES) as first, state.records("prod", "y", RULES) as second:
            write(first, "r1")
            write(second, "r1")
            write(first, "r2")
    assert (counted(state, "x"), counted(state, "y")) == (2, 1)


def test_threads_may_use_it_one_after_the_other(state: SqliteState) -> None:
    def poll(name: str) -> None:
        with state.records("prod", "x", RULES) as records:
            write(records, name)

    for number in range(3):
        thread = threading.Thread(target=poll, args=(f"r{number}",))
        thread.start()
        thread.join()
    assert counted(state, "x") == 3


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY])
def test_after_an_error_of_the_disk_the_next_poll_connects_again_and_others_under_way_fail_with_its_cause(
    state: SqliteState, code: int
) -> None:
    causes: list[StateError] = []

    def failed_meanwhile() -> None:
        with state.records("prod", "y", RULES) as records:
            write(records, "r1")
            with pytest.raises(StateError) as caught:
                fail(state, error(code))
            causes.append(caught.value)
            assert counted(state, "y") == 1
            write(records, "r2")

    with pytest.raises(StateError) as under_way:
        failed_meanwhile()
    assert [(str(cause), cause.passing, cause.reason) for cause in causes] == [
        (str(under_way.value), under_way.value.passing, Reason.STATE)
    ]
    assert counted(state, "y") == 1, "nothing that succeeded is lost"


@pytest.mark.parametrize("cause", [error(sqlite3.SQLITE_CORRUPT), error(sqlite3.SQLITE_BUSY), ValueError("ours")])
def test_damage_a_lock_and_mistakes_fail_no_other_poll_under_way(state: SqliteState, cause: Exception) -> None:
    with state.records("prod", "y", RULES) as records:
        with pytest.raises((StateError, ValueError)):
            fail(state, cause)
        write(records, "r1")
    assert counted(state, "y") == 1


def test_records_that_outlive_the_state_fail_with_a_state_error(tmp_path: Path) -> None:
    def outlived() -> None:
        with contextlib.ExitStack() as stack:
            state = stack.enter_context(prepared(tmp_path / "state.db"))
            with state.records("prod", "x", RULES) as records:
                states.append(state)
                stack.close()
                write(records, "r1")

    states: list[SqliteState] = []
    with pytest.raises(StateError, match="closed at the end of the exporter"):
        outlived()
    with pytest.raises(StateError, match="closed at the end of the exporter"):
        counted(states[0], "x")


codes = st.sampled_from([sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_ERROR])
steps = st.tuples(st.sampled_from("xyz"), st.sampled_from(["write", "end"]) | codes)


@example([("z", "write"), ("x", sqlite3.SQLITE_IOERR), ("z", sqlite3.SQLITE_LOCKED)])
@given(st.lists(steps, max_size=30))
@settings(max_examples=examples(50), deadline=None)
def test_whatever_fails_in_between_all_that_was_written_is_kept(
    taken: list[tuple[str, object]],
) -> None:
    written: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        with prepared(path) as state:
            polls: dict[str, tuple[contextlib.AbstractContextManager[Records], Records]] = {}
            for number, (collector, step) in enumerate(taken):
                if collector not in polls:
                    poll = state.records("prod", collector, RULES)
                    polls[collector] = poll, poll.__enter__()
                manager, records = polls[collector]
                try:
                    if step == "write":
                        write(records, f"r{number}")
                        written[collector] += 1
                        continue
                    if isinstance(step, int):
                        raise error(step)
                except sqlite3.Error as cause:
                    with pytest.raises(StateError):
                        manager.__exit__(type(cause), cause, cause.__traceback__)
                else:
                    manager.__exit__(None, None, None)
                del polls[collector]
        with prepared(path) as state:
            assert {name: counted(state, name) for name in "xyz"} == {name: written[name] for name in "xyz"}


def locked(state: SqliteState) -> tuple[StateError, float]:
    """Return the error of a poll that can't write, and how many seconds the poll took."""

    def poll() -> None:
        with state.records("prod", "x", RULES) as records:
            write(records, "r1")

    started = time.monotonic()
    with pytest.raises(StateError, match=r"has locked it .*; the disk is not at fault: end what writes") as caught:
        poll()
    return caught.value, time.monotonic() - started


def test_the_lock_of_another_program_fails_a_poll_soon_with_a_reason_of_its_own(state: SqliteState) -> None:
    assert counted(state, "x") == counted(state, "y") == 0
    with state.records("prod", "y", RULES) as under_way:
        with other_program(state.path, "BEGIN IMMEDIATE"):
            told, took = locked(state)
            assert not under_way.sums().counters, "what only reads goes on"
        write(under_way, "r1")
    assert took < WAIT
    assert (told.reason, told.passing) == (Reason.STATE_LOCKED, True)
    with state.records("prod", "x", RULES) as records:
        write(records, "r1")
    assert (counted(state, "x"), counted(state, "y")) == (1, 1)


def test_many_polls_wait_for_a_lock_as_long_as_one(state: SqliteState, clock: Clock) -> None:
    assert counted(state, "x") == 0
    with other_program(state.path, "BEGIN IMMEDIATE"):
        assert locked(state)[1] > 0.5
        assert sum(locked(state)[1] for _ in range(20)) < 0.5
        clock.now += 10.0
        assert locked(state)[1] > 0.5, "it may be released in time again"


def test_a_lock_at_the_start_may_be_released_by_the_next_attempt(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with other_program(path, "BEGIN IMMEDIATE"), pytest.raises(StateError, match="has locked it") as caught:
        prepared(path).__enter__()
    assert caught.value.passing
    with prepared(path) as state:
        assert counted(state, "x") == 0


def test_a_connection_that_another_thread_does_not_come_back_from_is_not_waited_for_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, hanging, over = threading.Event(), threading.Event(), threading.Event()

    def hang(_: str) -> None:
        # As a disk that does not answer: the thread is in the middle of a statement.
        if hangs.is_set():
            hanging.set()
            over.wait(20)

    def traced(path: Path) -> sqlite3.Connection:
        made = connect(path)
        made.set_trace_callback(hang)
        return made

    def use(records: Records) -> None:
        with contextlib.suppress(StateError):
            write(records, "r2")

    monkeypatch.setattr("exporter.state.sqlite.database.connect", traced)
    began = time.monotonic()
    with prepared(tmp_path / "state.db") as state, state.records("prod", "x", RULES) as records:
        write(records, "r1")
        hangs.set()
        thread = threading.Thread(target=use, args=(records,))
        thread.start()
        assert hanging.wait(20)
        state.leave()
        with pytest.raises(StateError), state.records("prod", "y", RULES):
            pass
    assert time.monotonic() - began < WAIT
    over.set()
    thread.join()
    hangs.clear()
    with prepared(tmp_path / "state.db") as state:
        assert counted(state, "x") >= 1
