"""Calls with connections in other threads: they end by a deadline, and with the pool, whatever the database does."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import psycopg
import pytest

from exporter.model.record import StateError
from exporter.state.postgres.pool import Connection, Pool
from tests.support.patience import GENEROUS


class Answering:
    """Stands for a connection whose statements hang until its socket is shut."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.closed = False

    def fileno(self) -> int:
        return self.near.fileno()

    def hang(self) -> None:
        if not self.near.recv(1):
            raise psycopg.OperationalError("server closed the connection, says password=canary")

    def close(self) -> None:
        self.closed = True
        self.near.close()
        self.far.close()


class Database:
    """Opens such connections, and keeps them."""

    def __init__(self) -> None:
        self.opened: list[Answering] = []
        self.errors: list[Exception] = []
        self.attempts = 0

    def connect(self) -> Connection:
        self.attempts += 1
        if self.errors:
            raise self.errors[0]
        self.opened.append(Answering())
        return cast("Connection", self.opened[-1])


def hang(connection: Connection) -> None:
    cast("Any", connection).hang()


@pytest.fixture
def database() -> Database:
    return Database()


@contextlib.contextmanager
def pool_of(database: Database, size: int = 1, seconds: float = 4.0) -> Iterator[Pool]:
    pool = Pool(database.connect, "postgresql://db:5432/x", size=size, seconds=seconds)
    try:
        yield pool
    finally:
        pool.close()


def test_the_time_of_each_call_is_observed_from_when_it_was_asked_for_also_if_it_fails(database: Database) -> None:
    now, seen = [100.0], list[float]()

    def fail(connection: Connection) -> None:
        now[0] += 0.5
        raise StateError("x")

    pool = Pool(database.connect, "postgresql://db:5432/x", size=1, clock=lambda: now[0], observe=seen.append)
    try:
        with pytest.raises(StateError):
            pool.submit(fail).result(GENEROUS)
        database.errors.append(StateError("down"))
        with pytest.raises(StateError):
            pool.submit(lambda connection: None).result(GENEROUS)
    finally:
        pool.close()
    assert seen == [0.5, 0.0]


def test_a_connection_is_opened_when_first_needed_and_then_kept(database: Database) -> None:
    with pool_of(database) as pool:
        assert database.attempts == 0
        assert [pool.submit(lambda connection: connection.fileno()).result(GENEROUS) for _ in range(3)]
        assert database.attempts == 1


def test_a_connection_that_its_server_has_ended_is_opened_again_before_a_call(database: Database) -> None:
    with pool_of(database) as pool:
        pool.submit(lambda connection: None).result(GENEROUS)
        database.opened[0].far.close()
        assert pool.submit(lambda connection: connection is cast("Any", database.opened[1])).result(GENEROUS)
        assert database.opened[0].closed


@pytest.mark.parametrize("error", [psycopg.OperationalError("x"), StateError("x"), ZeroDivisionError()])
def test_a_connection_is_opened_again_after_an_error(database: Database, error: Exception) -> None:
    def fail(connection: Connection) -> None:
        raise error

    with pool_of(database) as pool:
        with pytest.raises(ZeroDivisionError if isinstance(error, ZeroDivisionError) else StateError):
            pool.submit(fail).result(GENEROUS)
        assert pool.submit(lambda connection: len(database.opened)).result(GENEROUS) == 2
        assert database.opened[0].closed


def test_a_call_that_takes_too_long_is_cut_and_quotes_nothing(database: Database) -> None:
    with pool_of(database, seconds=0.05) as pool:
        with pytest.raises(StateError) as raised:
            pool.submit(hang).result(GENEROUS)
        assert str(raised.value) == (
            "state database postgresql://db:5432/x: no answer within 0.05 s: check the network, its load and locks"
        )
        assert raised.value.passing
        assert pool.submit(lambda connection: True).result(GENEROUS)
        assert database.opened[0].closed


def test_a_long_call_may_ask_for_more_time(database: Database) -> None:
    with pool_of(database, seconds=0.05) as pool:
        call = pool.submit(hang, seconds=60)
        with pytest.raises(StateError):
            # The pool has one thread: this one waits for its turn, and the end of the pool comes first.
            pool.submit(lambda connection: None).result(_after(0.4, pool))
        with pytest.raises(StateError, match="closed at the end"):
            call.result(GENEROUS)


def _after(seconds: float, pool: Pool) -> float:
    threading.Timer(seconds, pool.close).start()
    return GENEROUS


def test_what_cannot_be_cut_fails_its_caller_all_the_same(database: Database) -> None:
    end = threading.Event()
    with pool_of(database, seconds=0.05) as pool:
        try:
            with pytest.raises(StateError, match="no answer within"):
                pool.submit(lambda connection: end.wait(GENEROUS)).result(GENEROUS)
        finally:
            end.set()


def test_calls_that_wait_fail_with_the_error_of_an_attempt_to_connect(database: Database) -> None:
    database.errors = [psycopg.OperationalError("connection failed: Connection refused password=canary")]
    with pool_of(database) as pool:
        calls = [pool.submit(lambda connection: None) for _ in range(50)]
        messages = {str(call.exception(GENEROUS)) for call in calls}
        assert messages == {
            "state database postgresql://db:5432/x: nothing answers there: check that it runs, host and port"
        }
        assert database.attempts <= 3


def test_a_canceled_call_is_not_made(database: Database) -> None:
    made = []
    end = threading.Event()
    with pool_of(database) as pool:
        first = pool.submit(lambda connection: end.wait(GENEROUS))
        second = pool.submit(lambda connection: made.append(1))
        assert second.cancel()
        end.set()
        assert first.result(GENEROUS)
        pool.submit(lambda connection: None).result(GENEROUS)
        assert made == []


def test_closing_ends_at_once_what_hangs_and_what_waits(database: Database) -> None:
    with pool_of(database, size=2, seconds=60) as pool:
        calls = [pool.submit(hang) for _ in range(5)]
        while len(database.opened) < 2:
            threading.Event().wait(0.01)
        began = time.monotonic()
        pool.close()
        assert time.monotonic() - began < 15
        assert all("closed at the end" in str(call.exception(GENEROUS)) for call in calls)
        assert "closed at the end" in str(pool.submit(hang).exception(GENEROUS))


def test_calls_are_made_at_the_same_time_up_to_the_size(database: Database) -> None:
    together = threading.Barrier(3)
    with pool_of(database, size=3) as pool:
        calls = [pool.submit(lambda connection: together.wait(GENEROUS)) for _ in range(3)]
        assert sorted(call.result(GENEROUS) for call in calls) == [0, 1, 2]


def test_what_waited_too_long_for_a_connection_is_not_called_afterwards() -> None:
    """Its caller has an error, and asks again."""
    database, end, called = Database(), threading.Event(), []

    def connect() -> Connection:
        end.wait(GENEROUS)
        return database.connect()

    pool = Pool(connect, "x", size=1, seconds=0.05)
    with contextlib.closing(pool):
        call = pool.submit(lambda connection: called.append(1))
        assert "no answer" in str(call.exception(GENEROUS))
        end.set()
        assert pool.submit(lambda connection: True).result(GENEROUS)
        assert called == []
