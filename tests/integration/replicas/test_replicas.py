"""Replicas on engines, pools and a database of their own share accounts, and take over from one another."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import pytest

from exporter.exposition.boot_clock import ticks
from exporter.model.replica_status import Change
from exporter.polling.engine import Engine
from exporter.replicas.replica import Replicas
from exporter.replicas.values import Configured
from exporter.state.postgres.connection import connector
from exporter.state.postgres.pool import Pool
from exporter.state.postgres.schema import prepare
from tests.support.postgres import Server, running

pytestmark = pytest.mark.programs

NAMES = frozenset(f"account-{number}" for number in range(10))
TTL = 6.0
FEW_SECONDS = 8.0
"""For what takes a tick or two, on a machine that is busy."""


DURABLE = "synchronous_commit=on"


class Node:
    """One replica with all that it needs."""

    def __init__(self, url: str) -> None:
        self.polled: set[str] = set()
        self.pool = Pool(connector(lambda: url), "the database", size=1)
        self.engine = Engine()
        self.engine.start()
        configured = Configured(NAMES, "same")
        self.replicas = Replicas(self.engine, self.pool, self, configured, ticks, prepare=self.prepare, ttl=TTL)
        self.engine.submit("replicas", self.replicas.run)
        self.engine.submit("replicas", self.replicas.watch)

    def prepare(self) -> None:
        self.engine.result(self.pool.submit(prepare("the database")))

    def claimed(self, accounts: Collection[str]) -> None:
        self.polled |= set(accounts)

    def hide(self, accounts: Collection[str]) -> None:
        self.polled -= set(accounts)

    def lost(self, accounts: Collection[str]) -> None:
        self.polled -= set(accounts)

    def leave(self) -> None:
        self.engine.submit("leaving", self.replicas.leave).result(FEW_SECONDS)

    def end(self) -> None:
        """End at once, as a process that is killed."""
        assert self.engine.stop(FEW_SECONDS)
        self.pool.close()


@contextmanager
def nodes(url: str, count: int) -> Iterator[list[Node]]:
    made = [Node(url) for _ in range(count)]
    try:
        yield made
    finally:
        for node in made:
            node.end()


def comes_true(condition: Callable[[], bool], seconds: float = FEW_SECONDS) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        threading.Event().wait(0.02)
    return condition()


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    name = postgres.database()
    yield postgres.url(name)
    postgres.drop(name)


def shares(made: Collection[Node]) -> list[int]:
    return sorted(len(node.polled) for node in made)


def test_two_that_start_together_share_and_the_other_takes_over_from_one_that_leaves_at_once(url: str) -> None:
    with nodes(url, 2) as (one, two):
        assert comes_true(lambda: shares([one, two]) == [5, 5])
        assert one.polled | two.polled == NAMES
        began = time.monotonic()
        one.leave()
        assert comes_true(lambda: two.polled == NAMES, TTL)
        # Long before a lease would have expired.
        assert time.monotonic() - began < TTL - 2.0
        assert one.polled == set()
        assert one.replicas.status.lease_changes[Change.RELEASED] == 5
        assert two.replicas.status.lease_changes[Change.CLAIMED] == 10
        assert comes_true(lambda: two.replicas.status.live == (two.replicas.holder,))


def test_accounts_of_one_that_dies_are_taken_over_when_it_has_expired(url: str) -> None:
    with nodes(url, 2) as (one, two):
        assert comes_true(lambda: shares([one, two]) == [5, 5])
        one.end()
        assert comes_true(lambda: two.polled == NAMES, TTL + FEW_SECONDS)
        assert two.replicas.status.lease_changes[Change.TAKEN_OVER] == 5


def test_a_restart_of_the_database_changes_no_owner() -> None:
    # The servers of tests may lose what they have just committed, and this one must not.
    with running(DURABLE) as server:
        name = server.database()
        with nodes(server.url(name), 2) as (one, two):
            assert comes_true(lambda: shares([one, two]) == [5, 5])
            before = set(one.polled), set(two.polled)
            server.stop()
            assert comes_true(lambda: not one.replicas.status.database_up and not two.replicas.status.database_up)
            server.start(DURABLE)
            assert comes_true(lambda: one.replicas.status.database_up and two.replicas.status.database_up)
            assert comes_true(lambda: (one.polled, two.polled) == before)
            assert comes_true(lambda: [node.replicas.status.not_ready for node in (one, two)] == [None, None])
            assert [node.replicas.status.lease_changes[Change.LOST] for node in (one, two)] == [0, 0]


def test_one_that_starts_without_the_database_begins_when_it_answers() -> None:
    with running() as server:
        url = server.url(server.database())
        server.stop()
        with nodes(url, 1) as (one,):
            assert comes_true(lambda: "nothing answers there" in (one.replicas.status.not_ready or ""))
            server.start()
            assert comes_true(lambda: one.polled == NAMES)
            assert one.replicas.status.not_ready is None
