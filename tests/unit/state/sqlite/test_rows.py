"""The rows in the SQLite file: what their numbers mean, how they are numbered, and what a poll reads of them."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from exporter.model.accounting import Rules
from exporter.model.record import Record
from exporter.state import Checkpoint, Observation, Records, SqliteState, prepared
from tests.support.doubles import MortalState

RULES = Rules(frozenset({"c"}), outcomes={"c": (1, frozenset({"failed"}))})
NEW = Observation(200.0, 0.0)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    with prepared(tmp_path / "state.db") as made:
        yield made


@pytest.fixture
def records(state: SqliteState) -> Iterator[Records]:
    with state.records("prod", "x", RULES) as opened:
        yield opened


def record(name: str, *key: str, state: str = "completed") -> Record:
    return Record(name, 1.0, False, {(key or ("c", state)): 1})


def test_a_file_says_by_the_same_numbers_as_ever_what_became_of_a_record(records: Records, state: SqliteState) -> None:
    with contextlib.closing(sqlite3.connect(state.path, isolation_level=None)) as database:
        insert = "INSERT INTO records (collector, id, created_at, state, adds) VALUES (1, ?, 1.0, ?, '')"
        database.executemany(insert, [("finished", 0), ("open", 1), ("gone", 2)])
    assert records.get(["finished", "open", "gone"]) == {
        "finished": Record("finished", 1.0, False, {}),
        "open": Record("open", 1.0, True, {}),
        "gone": Record("gone", 1.0, False, {}, deleted=True),
    }
    for name, number in (("finished", 0), ("open", 1), ("gone", 2)):
        records.apply([Record(f"new {name}", 1.0, name == "open", {})], NEW)
        records.apply([], NEW, deleted=["new gone"])
        with contextlib.closing(sqlite3.connect(state.path)) as database:
            kept = database.execute("SELECT state FROM records WHERE id = ?", (f"new {name}",)).fetchone()
        assert kept == (number,)


def test_each_collector_numbers_its_series_from_1(state: SqliteState) -> None:
    for collector, letters in (("x", "abc"), ("y", "cda")):
        for letter in letters:
            with state.records("prod", collector, RULES) as records:
                records.apply([record(letter, "g", letter)], NEW)
    with contextlib.closing(sqlite3.connect(state.path)) as database:
        rows = database.execute("SELECT collector, key, number FROM series ORDER BY collector, number").fetchall()
    finished = ("batch_exporter_records", "finished")
    assert [(collector, tuple(json.loads(key)), number) for collector, key, number in rows] == [
        *((1, key, number) for number, key in enumerate([("g", "a"), finished, ("g", "b"), ("g", "c")], 1)),
        *((2, key, number) for number, key in enumerate([("g", "c"), finished, ("g", "d"), ("g", "a")], 1)),
    ]


def test_what_an_error_interrupts_is_not_written_nor_in_memory(records: Records) -> None:
    records.apply([record("r1", state="failed")], NEW)
    before, failed = records.sums(), list(records.failures.all())
    no_text = cast("str", object())
    with pytest.raises(sqlite3.Error, match="type 'object' is not supported"):
        records.apply(
            [Record("r2", 0.0, False, {("c", "failed"): 1}, batch_id=no_text)], NEW, checkpoint=Checkpoint(scope="new")
        )
    assert (records.sums(), records.failures.all(), records.checkpoint) == (before, failed, Checkpoint())
    records.apply([record("r2", state="failed")], NEW)
    assert records.sums().counters["c", "failed"].counted == 2


@pytest.mark.parametrize(("seen", "reads"), [("completed", 0), ("failed", 1)])
def test_only_a_poll_that_sees_failures_reads_those_that_are_kept(state: SqliteState, seen: str, reads: int) -> None:
    statements: list[str] = []
    mortal = MortalState(state.path)
    mortal.trace = statements.append
    with mortal.records("prod", "x", RULES) as records:
        for name in ("a", "b"):
            records.apply([record(name, state=seen)], NEW, checkpoint=Checkpoint(scope=name))
            records.sums()
    assert sum("FROM failures" in one and one.startswith("SELECT") for one in statements) == reads
    assert any("failures" in one for one in statements) == bool(reads)


@pytest.mark.parametrize("polls", [1, 3])
def test_a_poll_reads_the_series_once(state: SqliteState, polls: int) -> None:
    statements: list[str] = []
    mortal = MortalState(state.path)
    mortal.trace = statements.append
    for poll in range(polls):
        with mortal.records("prod", "x", RULES) as records:
            for name in ("a", "b"):
                records.apply([record(f"{name}{poll}", "c", name)], NEW)
                records.publish(records.sums().rising(), 1.0)
    assert sum("FROM series" in one for one in statements) == polls
