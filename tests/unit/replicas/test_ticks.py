"""The statements of a tick on a real PostgreSQL: what is expired, what is mine, and what two do at once."""

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from exporter.replicas import ticks
from exporter.replicas.values import Tick, Unowned
from exporter.state.postgres.schema import prepare
from tests.support.postgres import Server

pytestmark = pytest.mark.programs

Connection = psycopg.Connection[tuple[Any, ...]]
TTL = 20.0


class Leases:
    """A database with the tables, and connections to it."""

    def __init__(self, server: Server, name: str, stack: ExitStack) -> None:
        self._server, self._name, self._stack = server, name, stack
        self.one, self.two = self.connect(), self.connect()
        prepare("here")(self.one)

    def connect(self) -> Connection:
        return self._stack.enter_context(psycopg.connect(self._server.url(self._name), autocommit=True))

    def tick(self, holder: str, config: str = "same", ttl: float = TTL) -> Tick:
        return ticks.tick(self.one, holder, ttl, config, time.monotonic)

    def claim(self, holder: str, count: int = 100) -> Mapping[str, int]:
        return ticks.claim(self.one, holder, self.tick(holder).unowned, count)

    def expire(self, holder: str, seconds: float = 1.0) -> None:
        self.one.execute(
            "UPDATE replicas SET expires_at = clock_timestamp() - make_interval(secs => %s) WHERE holder = %s",
            (seconds, holder),
        )

    def value(self, query: str) -> object:
        row = self.one.execute(query.encode()).fetchone()
        return row and row[0]


@pytest.fixture
def made(postgres: Server) -> Iterator[Leases]:
    name = postgres.database()
    with ExitStack() as stack:
        yield Leases(postgres, name, stack)
    postgres.drop(name)


def waits_for_a_lock(connection: Connection, watched: Connection) -> bool:
    """Whether the statement of a connection comes to wait for a lock, within ten seconds."""
    query = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
    for _ in range(1000):
        row = connection.execute(query, (watched.info.backend_pid,)).fetchone()
        if row and row[0]:
            return True
        time.sleep(0.01)
    return False


def test_a_tick_reads_who_lives_what_is_mine_and_what_is_unowned(made: Leases) -> None:
    ticks.add_accounts(made.one, ["a", "b", "c"])
    before = made.tick("one")
    assert [free.account for free in before.unowned] == ["a", "b", "c"]
    assert ticks.claim(made.one, "one", before.unowned, 2) in ({"a": 1, "b": 1}, {"a": 1, "c": 1}, {"b": 1, "c": 1})
    made.tick("two", "other")
    tick = made.tick("one")
    assert [(peer.holder, peer.config) for peer in tick.live] == [("one", "same"), ("two", "other")]
    assert len(tick.leases) == 2
    assert len(tick.unowned) == 1
    assert abs(tick.database_time - time.time()) < 5.0
    assert before.sent_at < before.read_at < tick.sent_at < time.monotonic()


def test_more_accounts_are_claimed_than_one_statement_claims(made: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticks, "CLAIMED_AT_ONCE", 7)
    ticks.add_accounts(made.one, [f"account-{number}" for number in range(50)])
    assert len(made.claim("one", 25)) == 25
    assert len(made.claim("two", 25)) == 25
    assert made.value("SELECT count(*) FROM leases WHERE epoch = 1") == 50


def test_an_empty_table_is_read(made: Leases) -> None:
    tick = made.tick("one")
    assert (dict(tick.leases), tick.unowned) == ({}, ())


def test_replicas_are_in_the_order_in_which_they_joined(made: Leases) -> None:
    for holder in ("m", "z", "a", "m"):
        tick = made.tick(holder)
    assert [peer.holder for peer in tick.live] == ["m", "z", "a"]


def test_leases_of_an_expired_heartbeat_are_unowned_since_it_expired_and_are_claimed_with_the_next_epoch(
    made: Leases,
) -> None:
    ticks.add_accounts(made.one, ["a"])
    made.claim("one")
    assert made.tick("two").unowned == ()
    made.expire("one", 30.0)
    tick = made.tick("two")
    (free,) = tick.unowned
    assert (free.account, free.holder) == ("a", "one")
    assert 29.0 < tick.database_time - free.since < 40.0
    assert made.claim("two") == {"a": 2}
    assert dict(made.tick("one").leases) == {}


def test_the_lease_of_a_live_replica_is_not_claimed(made: Leases) -> None:
    ticks.add_accounts(made.one, ["a"])
    made.claim("one")
    assert ticks.claim(made.one, "two", [Unowned("a", "one", 0.0), Unowned("a", None, 0.0)], 1) == {}


def test_who_leaves_has_no_share_and_keeps_its_leases_until_they_are_released(made: Leases) -> None:
    ticks.add_accounts(made.one, ["a"])
    made.claim("one")
    ticks.heartbeat(made.one, "one", TTL, "same", leaving=True)
    tick = made.tick("two")
    assert [peer.holder for peer in tick.live] == ["two"]
    assert tick.unowned == ()
    ticks.leave(made.one, "one")
    assert made.claim("two") == {"a": 2}
    assert made.value("SELECT array_agg(holder) FROM replicas") == ["two"]


def test_only_leases_of_the_holder_are_released(made: Leases) -> None:
    ticks.add_accounts(made.one, ["a", "b"])
    made.claim("one")
    ticks.release(made.one, "two", ["a"])
    assert set(made.tick("one").leases) == {"a", "b"}
    ticks.release(made.one, "one", ["a"])
    assert set(made.tick("one").leases) == {"b"}
    assert [(free.account, free.holder) for free in made.tick("one").unowned] == [("a", None)]


def test_leases_of_a_holder_without_a_heartbeat_are_unowned(made: Leases) -> None:
    """Somebody has deleted its row."""
    ticks.add_accounts(made.one, ["a"])
    made.claim("one")
    made.one.execute("DELETE FROM replicas")
    assert [free.account for free in made.tick("two").unowned] == ["a"]
    assert made.claim("two") == {"a": 2}


def test_a_configuration_that_a_live_replica_has_is_not_newer_for_a_restart(made: Leases) -> None:
    made.tick("one", "old")
    made.tick("two", "new")
    tick = made.tick("three", "old")
    since = {peer.holder: peer.config_since for peer in tick.live}
    assert since["three"] == since["one"] < since["two"]


def test_a_configuration_counts_from_when_it_was_loaded(made: Leases) -> None:
    first = made.tick("one", "old").live[0].config_since
    # Also for a replica that was stopped for so long that it had expired.
    made.expire("one")
    assert made.tick("one", "old").live[0].config_since == first
    assert made.tick("one", "new").live[0].config_since > first


def test_missing_leases_are_added_and_present_ones_stay(made: Leases) -> None:
    ticks.add_accounts(made.one, ["a"])
    made.claim("one")
    ticks.add_accounts(made.one, ["b", "a"])
    tick = made.tick("one")
    assert dict(tick.leases) == {"a": 1}
    assert [free.account for free in tick.unowned] == ["b"]


def gone_for(made: Leases, seconds: float) -> None:
    """Let nobody have had any lease for so long."""
    made.one.execute("UPDATE leases SET since = clock_timestamp() - make_interval(secs => %s)", (seconds,))
    made.expire("dead", seconds)


def test_leases_are_forgotten_that_nobody_has_had_for_so_long(made: Leases) -> None:
    ticks.add_accounts(made.one, ["free", "held", "of the dead", "wanted"])
    for holder, account in (("dead", "of the dead"), ("one", "held")):
        unowned = [free for free in made.tick(holder).unowned if free.account == account]
        assert ticks.claim(made.one, holder, unowned, 1) == {account: 1}
    removed = ["free", "held", "of the dead"]
    gone_for(made, 50.0)
    assert ticks.forget(made.one, removed, "same", 60.0) == 0
    gone_for(made, 70.0)
    assert ticks.forget(made.one, removed, "same", 60.0) == 2
    assert made.value("SELECT array_agg(account ORDER BY account) FROM leases") == ["held", "wanted"]


def test_no_lease_is_forgotten_while_a_live_replica_has_another_configuration(made: Leases) -> None:
    ticks.add_accounts(made.one, ["free"])
    gone_for(made, 70.0)
    made.tick("one")
    made.tick("two", "other")
    assert ticks.forget(made.one, ["free"], "same", 60.0) == 0
    ticks.heartbeat(made.one, "two", TTL, "other", leaving=True)
    assert ticks.forget(made.one, ["free"], "same", 60.0) == 1


def test_a_lease_that_was_just_released_is_not_forgotten_and_one_with_a_long_term_neither(made: Leases) -> None:
    ticks.add_accounts(made.one, ["a", "b"])
    made.claim("dead")
    gone_for(made, 70.0)
    made.expire("dead", 10.0)
    ticks.release(made.one, "dead", ["a"])
    assert ticks.forget(made.one, ["a", "b"], "same", 60.0) == 0


def test_records_and_counters_of_a_forgotten_account_stay(made: Leases) -> None:
    ticks.add_accounts(made.one, ["a"])
    made.one.execute("INSERT INTO collectors (account, collector) VALUES ('a', 'batches')")
    gone_for(made, 70.0)
    assert ticks.forget(made.one, ["a"], "same", 60.0) == 1
    assert made.value("SELECT count(*) FROM collectors") == 1


def test_replicas_that_died_long_ago_are_forgotten_unless_they_still_hold_leases(made: Leases) -> None:
    ticks.add_accounts(made.one, ["a"])
    made.claim("holds")
    for holder in ("recent", "long ago"):
        made.tick(holder)
    made.expire("holds", 7200.0)
    made.expire("long ago", 7200.0)
    made.expire("recent", 60.0)
    ticks.add_accounts(made.one, ["a"])
    assert made.value("SELECT array_agg(holder ORDER BY holder) FROM replicas") == ["holds", "recent"]


# Traps.


def test_two_that_claim_at_once_share_and_do_not_wait_for_each_other(made: Leases) -> None:
    """Each claim skips the rows that the other one has locked."""
    ticks.add_accounts(made.one, [f"account-{number}" for number in range(20)])
    free = made.tick("one").unowned
    with made.one.transaction():
        mine = ticks.claim(made.one, "one", free, 10)
        theirs = ticks.claim(made.two, "two", free, 20)
    assert len(mine) == len(theirs) == 10
    assert not mine.keys() & theirs.keys()


def test_two_that_claim_from_the_same_dead_replica_do_not_wait_for_each_other(made: Leases) -> None:
    ticks.add_accounts(made.one, [f"account-{number}" for number in range(20)])
    made.claim("dead")
    made.expire("dead")
    free = made.tick("one").unowned
    with made.one.transaction():
        assert len(ticks.claim(made.one, "one", free, 10)) == 10
        assert len(ticks.claim(made.two, "two", free, 20)) == 10


def test_a_heartbeat_that_returns_waits_for_a_claim_and_then_reads_that_the_lease_is_lost(made: Leases) -> None:
    ticks.add_accounts(made.one, ["a"])
    made.claim("one")
    made.expire("one")
    free = made.tick("two").unowned

    def returned() -> Tick:
        return ticks.tick(made.two, "one", TTL, "same", time.monotonic)

    with made.one.transaction():
        assert ticks.claim(made.one, "two", free, 1) == {"a": 2}
        found: Future[Tick] = Future()
        threading.Thread(target=lambda: found.set_result(returned())).start()
        assert waits_for_a_lock(made.connect(), made.two)
    assert dict(found.result(20).leases) == {}


def test_a_claim_does_not_take_from_a_heartbeat_that_is_just_returning(made: Leases) -> None:
    """The claim begins before the heartbeat is committed. It takes nothing before the commit, and nothing after it."""
    ticks.add_accounts(made.one, ["a"])
    made.claim("one")
    made.expire("one")
    free = made.tick("two").unowned
    with made.one.transaction():
        ticks.heartbeat(made.one, "one", TTL, "same")
        assert ticks.claim(made.two, "two", free, 1) == {}
    assert ticks.claim(made.two, "two", free, 1) == {}


def test_a_fence_for_share_makes_a_plain_claim_wait_and_is_refused_after_it(made: Leases) -> None:
    """FOR KEY SHARE would let both pass: an UPDATE of other columns does not conflict with it."""
    ticks.add_accounts(made.one, ["a"])
    made.claim("one")
    fence = "SELECT 1 FROM leases WHERE account = 'a' AND holder = 'one' AND epoch = 1 FOR SHARE"
    plain = "UPDATE leases SET holder = 'two', epoch = epoch + 1 WHERE account = 'a'"
    with made.one.transaction():
        assert made.one.execute(fence).fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.LockNotAvailable):
            made.two.execute("SET lock_timeout = '50ms'").execute(plain)
    made.two.execute(plain)
    assert made.one.execute(fence).fetchall() == []
    with made.one.transaction():
        made.one.execute(fence.replace("'one'", "'two'").replace("= 1 ", "= 2 ").replace("FOR SHARE", "FOR KEY SHARE"))
        made.two.execute(plain)


def test_a_claim_passes_over_an_account_whose_owner_is_just_writing(made: Leases) -> None:
    ticks.add_accounts(made.one, ["a"])
    made.claim("one")
    made.expire("one")
    free = made.tick("two").unowned
    with made.one.transaction():
        made.one.execute("SELECT 1 FROM leases WHERE account = 'a' AND holder = 'one' AND epoch = 1 FOR SHARE")
        assert ticks.claim(made.two, "two", free, 1) == {}
    assert ticks.claim(made.two, "two", free, 1) == {"a": 2}


def test_no_statement_leaves_a_transaction_open(made: Leases) -> None:
    """Each transaction ends before the next one begins, so that another connection sees the changes in between."""
    ticks.add_accounts(made.one, ["a"])
    seen: list[object] = []

    def look() -> float:
        row = made.two.execute("SELECT count(*) FROM replicas").fetchone()
        seen.append(row and row[0])
        return 0.0

    ticks.tick(made.one, "one", TTL, "same", look)
    assert seen == [0, 1, 1]
    assert made.one.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_only_the_clock_of_the_database_decides_what_has_expired(made: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks.add_accounts(made.one, ["a"])
    made.claim("one")
    for leap in (-3600.0, 3600.0):
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + leap)  # noqa: B023
        tick = ticks.tick(made.one, "two", TTL, "same", lambda: leap)  # noqa: B023
        monkeypatch.undo()
        assert tick.unowned == ()
        assert abs(tick.database_time - time.time()) < 5.0


MANY = 50_000


def plan(connection: Connection, statement: str, values: Mapping[str, object]) -> str:
    rows = connection.execute(b"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) " + statement.encode(), values).fetchall()
    return "\n".join(str(row[0]) for row in rows)


def test_no_statement_of_a_tick_scans_the_leases_of_many_accounts(made: Leases) -> None:
    """Each statement uses the index on the holder or the one on the account."""
    ticks.add_accounts(made.one, [f"account-{number:06}" for number in range(MANY)])
    holders = [f"holder-{number:02}" for number in range(20)]
    for holder in holders:
        made.tick(holder)
    made.one.execute("UPDATE leases SET holder = 'holder-' || lpad((hashtext(account) & 15)::text, 2, '0'), epoch = 1")
    made.expire("holder-03")
    tick = made.tick("holder-01")
    assert len(tick.leases) > MANY / 20
    assert len(tick.unowned) > MANY / 20
    values: dict[str, object] = {"holder": "holder-01", "gone": ["holder-03"], "count": 100, "accounts": ["account-1"]}
    values["candidates"] = [free.account for free in tick.unowned[:500]]
    # Before and after the planner knows how many there are.
    for prepared in ("ANALYZE replicas", "VACUUM ANALYZE leases"):
        made.one.execute(prepared.encode())
        for statement in (ticks.READ, ticks.CLAIM, ticks.RELEASE):
            found = plan(made.one, statement, values)
            assert "Seq Scan on leases" not in found, found
    assert "leases_by_holder" in plan(made.one, ticks.READ, values)
    assert "Seq Scan on leases" not in plan(made.one, ticks.LEAVE, values)
