"""A collector's rows in PostgreSQL: they are those of SQLite, in few round trips, and nobody else can write them."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.model.record import Refused, StateError
from exporter.state import prepared
from exporter.state.postgres.connection import connector
from exporter.state.postgres.loading import loading_all
from exporter.state.postgres.pool import Connection, Pool
from exporter.state.postgres.rows import Fence, PostgresRows
from exporter.state.postgres.schema import prepare
from exporter.state.rows import DELETED, FINISHED, IN_FLIGHT, FailureRow, RecordRow, Rows, SeriesRow, Write
from exporter.state.sqlite.rows import SqliteRows
from tests.support.postgres import Server
from tests.support.properties import examples

pytestmark = pytest.mark.programs

IDS = st.sampled_from(["a", "B", "b", "a.b", "a-b", "_", "Z", "z9"])
TIMES = st.sampled_from([0.0, 0.1, 1.5, 1e9 + 1 / 3, 2.0])
CHARACTERS = st.sampled_from([*'"\\{},NUL ']) | st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.none() | st.text(CHARACTERS, max_size=5)
LINE = st.text(CHARACTERS, max_size=5)
LARGE = st.integers(0, 2**62)
RECORDS = st.builds(RecordRow, IDS, TIMES, st.sampled_from([FINISHED, IN_FLIGHT, DELETED]), LINE, TEXT)
SERIES = st.builds(SeriesRow, st.integers(1, 4), LINE, LARGE, LARGE, LARGE, TEXT, TEXT, TEXT, st.none() | LARGE)
FAILURES = st.builds(FailureRow, IDS, LARGE, TIMES, TIMES, LINE, TEXT)
WRITES = st.builds(
    Write,
    start_over=st.sampled_from([None, None, None, float("-inf"), 1.0, float("inf")]),
    series=st.lists(SERIES, max_size=3, unique_by=lambda row: row.number),
    dropped_series=st.lists(st.integers(1, 4), max_size=2),
    records=st.lists(RECORDS, max_size=4, unique_by=lambda row: row.id),
    forgotten=st.lists(IDS, max_size=2),
    failures=st.lists(FAILURES, max_size=3, unique_by=lambda row: row.id),
    dropped_failures=st.lists(IDS, max_size=2),
    marks=st.none() | LINE,
)
FENCE = Fence("me", 3)
STEPS = st.sampled_from(["write", "write", "write", "read", "claim"])


class Trips:
    """Runs calls in a pool, and counts statements."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.calls = 0

    def __call__(self, function: Callable[[Connection], Any], seconds: float | None = None) -> Any:
        self.calls += 1
        return self._pool.submit(function, seconds).result()


@pytest.fixture
def pool(postgres: Server, database: str) -> Iterator[Pool]:
    place = postgres.url(database)
    with contextlib.closing(Pool(connector(lambda: place), "the database", 2)) as made:
        made.submit(prepare("the database")).result()
        made.submit(lambda connection: lease(connection, *FENCE)).result()
        yield made


def lease(connection: Connection, holder: str, epoch: int) -> None:
    connection.execute(
        """INSERT INTO leases (account, holder, epoch, since) VALUES ('prod', %s, %s, now())
           ON CONFLICT (account) DO UPDATE SET holder = excluded.holder, epoch = excluded.epoch""",
        (holder, epoch),
    )


def rows_of(pool: Pool, collector: str = "x", fence: Fence | None = FENCE) -> PostgresRows:
    return PostgresRows(Trips(pool), "prod", collector, fence)


def everything(rows: Rows) -> dict[str, object]:
    """Return what all reads return, sorted where their order is not specified."""
    between = [(low, high) for low in (float("-inf"), 0.1) for high in (1.5, float("inf"))]
    return {
        "marks": rows.marks(),
        "series": list(rows.series()),
        "failures": sorted(rows.failures()),
        "get": sorted(rows.get(["a", "B", "b", "a.b", "a-b", "_", "Z", "z9", "none"]), key=str),
        "following": [list(rows.following(start, 3)) for start in ("", "Z", "a", "a-b")],
        "finished": [sorted(rows.finished_before(moment, 9), key=str) for moment in (0.0, 0.1, 1.6, float("inf"))],
        "stuck": [sorted(rows.stuck_before(moment), key=str) for moment in (0.0, 0.1, 1.6, float("inf"))],
        "newest": rows.newest(),
        "oldest": rows.oldest_in_flight(),
        "between": [rows.between(*pair) for pair in between],
        "counts": [rows.count_between(*pair) for pair in between],
        "in_flight": [sorted(rows.in_flight(*pair)) for pair in between],
        "times": [[at for _, at in rows.in_flight(*pair)] for pair in between],
        "count": [rows.count_in_flight(moment) for moment in (0.0, 0.1, float("inf"))],
        "batches": [sorted(rows.batch_ids("x", since)) for since in (0.0, 1.0)],
        "unknown": rows.batch_ids("unknown", 0.0),
        "amounts": sorted(rows.amounts_in_use()),
    }


def clear(connection: Connection) -> None:
    connection.execute("TRUNCATE collectors, series, records, failures")


@settings(max_examples=examples(60), suppress_health_check=list(HealthCheck))
@given(polls=st.lists(st.lists(WRITES, max_size=3), max_size=3), asked=st.booleans())
def test_the_rows_are_those_of_sqlite(pool: Pool, tmp_path: Path, polls: list[list[Write]], asked: bool) -> None:
    """They are equal within a poll and in the next one, whatever was read in between and is kept in memory."""
    pool.submit(clear).result()
    (tmp_path / "state.db").unlink(missing_ok=True)
    with prepared(tmp_path / "state.db"):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as connection:
        for writes in polls:
            sqlite, postgres = SqliteRows(connection, "prod", "x"), rows_of(pool)
            for write in writes:
                # Records asks for what it writes, or not.
                if asked:
                    list(postgres.get([row.id for row in write.records]))
                sqlite.write(write)
                postgres.write(write)
                # SQLite's rows keep the checkpoint that they were made with.
                here, there = everything(postgres), everything(SqliteRows(connection, "prod", "x"))
                assert here == there
        assert everything(rows_of(pool)) == everything(SqliteRows(connection, "prod", "x"))
        ahead = pool.submit(loading_all([("prod", "x"), ("other", "x")])).result()
        loaded = PostgresRows(Trips(pool), "prod", "x", FENCE, ahead["prod", "x"])
        assert everything(loaded) == everything(SqliteRows(connection, "prod", "x"))


def test_a_quiet_poll_is_two_round_trips(pool: Pool) -> None:
    record = RecordRow("a", 100.0, IN_FLIGHT, "1:1", None)
    finished = RecordRow("b", 50.0, FINISHED, "1:1", None)
    rows_of(pool).write(Write(series=[SeriesRow(1, "k", 2)], records=[record, finished], marks="{}"))
    run = Trips(pool)
    rows = PostgresRows(run, "prod", "x", FENCE)
    assert (rows.marks(), rows.series(), rows.newest()) == ("{}", [SeriesRow(1, "k", 2)], 100.0)
    assert (rows.oldest_in_flight(), rows.in_flight(0.0, 1000.0)) == (100.0, [("a", 100.0)])
    assert (rows.count_in_flight(200.0), rows.finished_before(50.0, 100), rows.stuck_before(100.0)) == (1, (), ())
    rows.write(Write(marks='{"polled_at": 1}'))
    assert (rows.newest(), rows.oldest_in_flight(), rows.finished_before(50.0, 100)) == (100.0, 100.0, ())
    assert run.calls == 2


def many(count: int) -> list[RecordRow]:
    return [RecordRow(f"{number:03}", number % 7, FINISHED, "", None) for number in range(count)]


def test_a_list_of_one_page_is_compared_with_its_records_without_another_round_trip(pool: Pool) -> None:
    deleted = RecordRow("d", 3.0, DELETED, "", None)
    rows_of(pool).write(
        Write(records=[*(RecordRow(f"{n:03}", n % 7, FINISHED, "", None) for n in range(100)), deleted])
    )
    run = Trips(pool)
    rows = PostgresRows(run, "prod", "x", FENCE)
    between = rows.between(1.0, 3.0)
    assert between == [(f"{n:03}", t) for t in (3.0, 2.0) for n in range(100) if n % 7 == t]
    rows.write(Write(marks="{}"))
    assert run.calls == 2


def test_an_empty_list_is_compared_with_nothing_without_another_round_trip(pool: Pool) -> None:
    rows_of(pool)
    run = Trips(pool)
    rows = PostgresRows(run, "prod", "x", FENCE)
    assert list(rows.between(0.0, 100.0)) == []
    rows.write(Write(records=many(100)))
    assert len(rows.between(-1.0, 7.0)) == 100
    assert run.calls == 2


def test_a_list_that_grows_is_not_kept_in_memory(pool: Pool) -> None:
    run = Trips(pool)
    rows = PostgresRows(run, "prod", "x", FENCE)
    rows.write(Write(records=many(101)))
    assert len(rows.between(-1.0, 7.0)) == 101
    before = run.calls
    assert len(rows.between(-1.0, 7.0)) == 101
    assert run.calls == before + 1


def test_a_longer_list_is_read_when_it_is_asked_for(pool: Pool) -> None:
    rows_of(pool).write(Write(records=many(101)))
    run = Trips(pool)
    assert len(PostgresRows(run, "prod", "x", FENCE).between(-1.0, 7.0)) == 101
    assert run.calls == 2


def test_new_records_cost_one_question_and_one_write(pool: Pool) -> None:
    rows_of(pool).write(Write(records=[RecordRow("a", 100.0, FINISHED, "", None)]))
    run = Trips(pool)
    rows = PostgresRows(run, "prod", "x", FENCE)
    list(rows.get(["a", "b", "c"]))
    new = [RecordRow("c", 102.0, IN_FLIGHT, "", None), RecordRow("b", 101.0, FINISHED, "", None)]
    rows.write(Write(records=new, marks="{}"))
    assert (rows.newest(), rows.oldest_in_flight(), list(rows.finished_before(100.0, 9))) == (102.0, 102.0, [])
    assert run.calls == 3


@pytest.mark.parametrize("fence", [Fence("me", 2), Fence("me", 4), Fence("other", 3)])
def test_a_write_without_the_lease_changes_nothing(pool: Pool, fence: Fence) -> None:
    everything_of = Write(
        start_over=1.0,
        series=[SeriesRow(1, "k")],
        dropped_series=[2],
        records=[RecordRow("a", 1.0, FINISHED, "", None)],
        forgotten=["b"],
        failures=[FailureRow("a", 1, 1.0, 1.0, "", None)],
        dropped_failures=["b"],
        marks="new",
    )
    owner = rows_of(pool)
    owner.write(replace(everything_of, dropped_series=[], forgotten=[], dropped_failures=[], marks="old"))
    before = everything(rows_of(pool))
    with pytest.raises(Refused, match="prod"):
        rows_of(pool, fence=fence).write(everything_of)
    assert everything(rows_of(pool)) == before
    owner.write(Write(marks="next"))


def test_an_account_without_a_lease_has_no_writer(pool: Pool) -> None:
    pool.submit(lambda connection: connection.execute("DELETE FROM leases")).result()
    with pytest.raises(Refused):
        rows_of(pool).write(Write(marks="x"))


def test_what_the_owner_has_read_before_another_write_is_refused(pool: Pool) -> None:
    """A statement of the same owner may arrive late, after its connection was cut."""
    late, present = rows_of(pool), rows_of(pool)
    present.write(Write(marks="present"))
    with pytest.raises(Refused):
        late.write(Write(marks="late"))
    assert rows_of(pool).marks() == "present"


def test_a_claim_waits_for_a_write_that_has_begun(pool: Pool, postgres: Server, database: str) -> None:
    """The fence locks the lease: a weaker lock lets a claim pass while the write is still to be committed."""
    rows = rows_of(pool)
    with postgres.admin(database) as blocking, postgres.admin(database) as claiming:
        # The write has its fence, and waits for the row of the collector.
        blocking.execute("BEGIN")
        blocking.execute("UPDATE collectors SET marks = marks")
        with ThreadPoolExecutor(1) as other:
            write = other.submit(rows.write, Write(marks="in time"))
            while not claiming.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
                assert not write.done()
                time.sleep(0.002)
            claiming.execute("SET lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                claiming.execute("UPDATE leases SET since = now()")
            blocking.execute("ROLLBACK")
            write.result()
        claiming.execute("UPDATE leases SET holder = 'other', epoch = epoch + 1")
    assert rows_of(pool).marks() == "in time"
    with pytest.raises(Refused):
        rows.write(Write(marks="too late"))


def test_after_an_error_nothing_of_the_write_is_there(pool: Pool) -> None:
    rows = rows_of(pool)
    with pytest.raises(StateError, match="SQLSTATE 22003"):
        rows.write(Write(series=[SeriesRow(1, "k", 2**70)], records=[RecordRow("a", 1.0, FINISHED, "", None)]))
    assert everything(rows_of(pool)) == everything(rows_of(pool, "other"))


def test_many_records_in_flight_are_counted_by_the_database(pool: Pool) -> None:
    many = [RecordRow(f"r{number:05}", float(number), IN_FLIGHT, "", None) for number in range(1500)]
    rows_of(pool).write(Write(records=many))
    rows = rows_of(pool)
    assert rows.count_in_flight(1200.0) == 1200
    assert rows.oldest_in_flight() == 0.0
    assert len(rows.in_flight(0.0, 9999.0)) == 1500
    assert rows.in_flight(3.0, 6.0) == [("r00005", 5.0), ("r00004", 4.0), ("r00003", 3.0)]
    rows.write(Write(start_over=100.0))
    assert len(list(rows.finished_before(9999.0, 2000))) == 1400


@settings(max_examples=examples(40), suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.tuples(st.integers(0, 2), STEPS), min_size=15, max_size=25))
def test_of_interleaved_writers_only_accepted_writes_count(pool: Pool, steps: list[tuple[int, str]]) -> None:
    """Two writers have the lease, one had it before: each counts on from what it has read."""
    pool.submit(clear).result()
    pool.submit(lambda connection: lease(connection, *FENCE)).result()
    epoch, accepted = FENCE.epoch, 0
    opened: dict[int, tuple[int, PostgresRows]] = {}
    for writer, step in steps:
        if step == "claim":
            # The lease was lost and claimed again: what is open has the fence of before.
            epoch += 1
            pool.submit(partial(lease, holder="me", epoch=epoch)).result()
        elif step == "read" or writer not in opened:
            read_at = epoch - (writer == 2)
            opened[writer] = (read_at, rows_of(pool, fence=Fence("me", read_at)))
        else:
            read_at, rows = opened.pop(writer)
            events = sum(row.events for row in rows.series())
            try:
                rows.write(Write(series=[SeriesRow(1, "k", events=events + 1)]))
            except Refused:
                continue
            opened[writer] = (read_at, rows)
            assert read_at == epoch
            accepted += 1
    assert sum(row.events for row in rows_of(pool).series()) == accepted
