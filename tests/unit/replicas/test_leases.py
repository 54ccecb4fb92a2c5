"""Replicas share accounts by leases: never two for one account, none without an owner for long, no needless move."""

from collections.abc import Callable, Collection
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.replica_status import Change, Phase
from exporter.replicas import leases
from exporter.replicas.leases import (
    CALM_SECONDS,
    JOINING_SECONDS,
    UNOWNED_SECONDS,
    Replica,
    current_config,
    exposure_seconds,
    share,
)
from exporter.replicas.values import Decision, Peer, Tick, Unowned
from tests.support.lease_table import TTL, Process, Table, World
from tests.support.properties import examples

FEW_TICKS = 4 * leases.TICK_SECONDS
LONGEST_GAP = TTL + JOINING_SECONDS + UNOWNED_SECONDS + FEW_TICKS


def names(count: int) -> frozenset[str]:
    return frozenset(f"account-{number:03}" for number in range(count))


def world(random: Random, accounts: int = 12, slowest: float = 0.3) -> World:
    """One with two configurations: the second has other accounts as well, and lacks some."""
    every = sorted(names(accounts + 3))
    return World(random, {"first": frozenset(every[:accounts]), "second": frozenset(every[3:])}, slowest)


def happen(world: World) -> None:
    """Let something happen to the replicas, the database or the configurations."""
    random, alive = world.random, [process for process in world.processes if process.alive]
    what = random.choice(["start", "pause", "kill", "leave", "write", "write", "outage", "cut", "config", "calm"])
    if what == "start" and len(alive) < 8:
        world.start(random.choice(["first", "first", "second"]))
    elif what == "outage":
        world.outage(random.choice([0.5, 5.0, 19.0, 60.0]))
    elif what == "cut":
        world.cut = random.choice([0.0, 0.0, 0.2, 0.5])
    elif alive:
        happen_to(world, random.choice(alive), what)


def happen_to(world: World, process: Process, what: str) -> None:
    random = world.random
    if what == "pause":
        world.pause(process, random.choice([0.5, 4.0, 14.0, 19.0, 20.5, 22.0, 300.0]))
    elif what == "kill":
        world.kill(process)
    elif what == "leave":
        process.leave()
    elif what == "config":
        process.config = random.choice(["first", "second"])
    elif what == "write" and process.running and process.healthy:
        process.write(random.choice(sorted(process.running)))


def live_through(world: World, events: int) -> None:
    """Start replicas, and let things happen in between; note gaps that are too long."""
    for _ in range(world.random.randint(1, 4)):
        world.start("first")
    for _ in range(events):
        happen(world)
        world.run(world.random.choice([0.05, 0.3, 1.0, 3.0, 8.0, 25.0]))
        # Answers that are lost on purpose may keep any replica from its work.
        if world.cut == 0.0 and world.longest_gap() > LONGEST_GAP:
            world.violations.append(f"{world.now:.2f}: an account is not exposed for {world.longest_gap():.1f} s")
        if world.violations:
            return


def calm_down(world: World) -> None:
    """End all faults, and give every replica the same configuration."""
    world.cut = 0.0
    for process in world.processes:
        process.config = "second"
    if not any(process.healthy for process in world.processes):
        world.start("second")
    world.run(420.0)


@settings(max_examples=examples(20))
@given(st.integers(0, 2**32))
def test_no_account_has_two_owners_or_none_for_long_whatever_happens(seed: int) -> None:
    tried = world(Random(seed))
    live_through(tried, 40)
    assert tried.violations == []


@settings(max_examples=examples(20))
@given(st.integers(0, 2**32))
def test_after_any_trouble_shares_are_fair_and_nothing_moves(seed: int) -> None:
    tried = world(Random(seed))
    live_through(tried, 25)
    calm_down(tried)
    moved = tried.table.moves.total()
    tried.run(60.0)
    owners = [process for process in tried.processes if process.healthy]
    configured = tried.configs["second"]
    shares = [len(process.exposed()) for process in owners]
    assert sum(shares) == len(configured)
    assert max(shares) - min(shares) <= 1
    assert tried.table.moves.total() == moved
    assert tried.violations == []


def settled(world: World) -> list[int]:
    return sorted(len(process.exposed()) for process in world.processes if process.alive)


def test_accounts_move_as_little_as_possible_when_replicas_join_and_leave() -> None:
    tried = world(Random(1), accounts=60)
    tried.start("first")
    tried.start("first")
    tried.run(5.0)
    assert settled(tried) == [30, 30]
    assert tried.table.moves.total() == 60
    for _ in range(18):
        tried.start("first")
    tried.run(30.0)
    assert settled(tried) == [3] * 20
    assert tried.table.moves.total() == 60 + 18 * 3
    for process in tried.processes[3:]:
        process.leave()
    tried.run(15.0)
    assert settled(tried) == [20, 20, 20]
    assert tried.table.moves.total() == 60 + 18 * 3 + 17 * 3
    assert tried.violations == []


def test_replicas_that_die_together_are_replaced_within_the_ttl() -> None:
    tried = world(Random(2), accounts=60)
    for _ in range(20):
        tried.start("first")
    tried.run(30.0)
    for process in tried.processes[3:]:
        tried.kill(process)
    tried.run(TTL + FEW_TICKS)
    assert settled(tried) == [20, 20, 20]
    assert tried.violations == []


def outage(seconds: float) -> World:
    """Three replicas after a time without the database. One of them is a second and a half late to return."""
    tried = world(Random(3), accounts=30)
    for _ in range(3):
        tried.start("first")
    tried.run(30.0)
    tried.outage(seconds)
    tried.pause(tried.processes[0], seconds + 1.5)
    tried.run(exposure_seconds(TTL) + 0.5)
    assert settled(tried) == [0, 0, 0]
    tried.run(seconds)
    return tried


def test_an_hour_without_the_database_changes_no_owner() -> None:
    tried = outage(3600.0)
    assert tried.table.moves.total() == 30
    assert settled(tried) == [10, 10, 10]
    assert Change.LOST not in tried.changes


def crash_loop(seconds: float) -> World:
    """One healthy replica, one that died with some accounts, and one that dies so soon after each start."""
    tried = world(Random(4), accounts=30)
    tried.start("first")
    tried.run(30.0)
    second = tried.start("first")
    tried.run(12.0)
    tried.kill(second)
    while tried.now < 150.0:
        unlucky = tried.start("first")
        tried.run(seconds)
        tried.kill(unlucky)
    return tried


@pytest.mark.parametrize("seconds", [1.5, 5.0])
def test_a_replica_that_restarts_again_and_again_keeps_no_account_from_the_others(seconds: float) -> None:
    tried = crash_loop(seconds)
    assert tried.longest_gap() <= LONGEST_GAP
    assert tried.violations == []


# Controls: each guard is needed.


def nothing(_: World) -> None:
    """Keep all guards."""


def violated(kind: str, break_it: Callable[[World], None] = nothing, seeds: int = 100) -> bool:
    """Whether some run of a world without a guard has a violation of this kind."""
    for seed in range(seeds):
        tried = world(Random(seed))
        break_it(tried)
        live_through(tried, 40)
        if any(kind in violation for violation in tried.violations):
            return True
    return False


def test_the_worlds_of_the_controls_have_no_violation_with_all_guards() -> None:
    assert not violated("", seeds=10)


def test_without_the_deadline_two_replicas_expose_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "exposure_seconds", lambda ttl: ttl + 3600.0)
    assert violated("is exposed by")


def test_without_the_wait_for_the_end_of_polls_two_replicas_expose_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be released while it is exposed."""
    monkeypatch.setattr(Replica, "owned", property(lambda self: self.tick.leases if self.tick else {}))
    monkeypatch.setattr(Replica, "to_release", lambda self, running: self.giving)
    assert violated("is exposed by")


def test_without_the_fence_an_older_owner_writes_after_a_newer_one() -> None:
    def unfenced(world: World) -> None:
        world.fence = lambda table, holder, account, epoch: True

    assert violated("was written by an older owner", unfenced)


def test_without_the_rule_of_configurations_one_that_does_not_count_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "current_config", lambda live: next((peer.config for peer in live), None))
    assert violated("does not count")


def test_without_claims_beyond_the_share_accounts_stay_unowned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "UNOWNED_SECONDS", 1e9)
    assert crash_loop(1.5).longest_gap() > LONGEST_GAP


def moves_at_a_start_of_two() -> int:
    tried = world(Random(1), accounts=60)
    tried.start("first")
    tried.run(1.5)
    tried.start("first")
    tried.run(60.0)
    return tried.table.moves.total()


def test_without_the_time_to_join_the_first_of_two_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert moves_at_a_start_of_two() == 60
    monkeypatch.setattr(leases, "JOINING_SECONDS", 0.0)
    assert moves_at_a_start_of_two() > 60


def test_without_joining_again_the_first_to_return_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "JOINING_SECONDS", 0.0)
    assert outage(60.0).table.moves.total() > 30


def test_without_calm_accounts_move_more_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def moves() -> int:
        tried = world(Random(5), accounts=60)
        tried.start("first")
        tried.run(10.0)
        for _ in range(12):
            unlucky = tried.start("first")
            tried.run(1.9)
            tried.kill(unlucky)
            tried.run(2.0)
        return tried.table.moves.total()

    assert moves() == 60
    monkeypatch.setattr(leases, "CALM_SECONDS", 0.0)
    assert moves() > 60


def returning(seconds: float, seed: int = 7) -> World:
    """Two replicas, and one of them was stopped for so long."""
    tried = world(Random(seed), slowest=0.45)
    tried.start("first")
    tried.start("first")
    tried.run(20.0)
    tried.pause(tried.processes[0], seconds)
    tried.run(seconds + 5.0)
    return tried


def test_a_replica_that_returns_when_it_expires_owns_nothing_together_with_another() -> None:
    assert [returning(TTL + late / 4).violations for late in range(-8, 12)] == [[]] * 20


def test_a_claim_that_finds_an_expired_heartbeat_which_returns_meanwhile_breaks_the_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the statement locks the heartbeats that it finds expired."""
    live = Table.live

    def claim(self: Process, candidates: Collection[str], count: int, now: float) -> dict[str, int]:
        table, snapshot = self.world.table, now - 0.5
        late = {name for name, row in table.rows.items() if row.renewed_at > snapshot >= row.expired_before > 0.0}
        taken = table.claim(self.name, candidates, count, live(table, now).keys() - late, now)
        return {account: table.leases[account].epoch for account in taken}

    monkeypatch.setattr(Process, "_claim", claim)
    returns = (returning(TTL + late / 10, seed) for seed in range(40) for late in range(-5, 15))
    assert any("is exposed by" in violation for tried in returns for violation in tried.violations)


# One replica.

ONE = Peer("one", "same", 1.0)
TWO = Peer("two", "same", 2.0)
OTHER = Peer("other", "newer", 3.0)


def tick(at: float, *live: Peer, held: Collection[str] = (), free: Collection[str] = (), since: float = 0.0) -> Tick:
    unowned = tuple(Unowned(account, None, 1000.0 + since) for account in free)
    return Tick(at, 1000.0 + at, live or (ONE,), dict.fromkeys(held, 1), unowned)


def replica(accounts: int = 10) -> Replica:
    return Replica("one", TTL, names(accounts))


def ticked(*ticks: Tick, accounts: int = 10) -> Replica:
    one = replica(accounts)
    for each in ticks:
        one = one.after(each)
    return one


@given(st.integers(0, 10_000), st.integers(1, 200))
def test_shares_are_equal_within_one_and_together_all(accounts: int, replicas: int) -> None:
    shares = [share(accounts, replicas, rank) for rank in range(replicas)]
    assert sum(shares) == accounts
    assert max(shares) - min(shares) <= 1


@given(st.integers(0, 10_000), st.integers(1, 200), st.data())
def test_a_replica_that_joins_raises_no_share_of_another(accounts: int, replicas: int, data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, replicas - 1))
    assert share(accounts, replicas + 1, rank) <= share(accounts, replicas, rank)


@pytest.mark.parametrize(("ttl", "seconds"), [(20.0, 15.0), (10.0, 5.0), (9.9, 4.95), (8.0, 4.0)])
def test_exposure_ends_five_seconds_before_the_ttl_or_at_half_of_a_short_one(ttl: float, seconds: float) -> None:
    assert exposure_seconds(ttl) == seconds


def test_a_replica_joins_is_active_goes_silent_and_joins_again() -> None:
    one = replica()
    assert one.phase(0.0) is Phase.JOINING
    one = one.after(tick(10.0))
    assert one.phase(10.0 + JOINING_SECONDS - 0.1) is Phase.JOINING
    assert one.phase(10.0 + JOINING_SECONDS) is Phase.ACTIVE
    assert one.phase(10.0 + 15.0) is Phase.SILENT
    one = one.after(tick(30.0))
    assert one.phase(30.0) is Phase.JOINING
    assert one.phase(32.0) is Phase.ACTIVE
    assert one.leave().phase(32.0) is Phase.LEAVING


def test_who_was_silent_goes_on_with_what_is_still_its_own_and_claims_nothing_for_a_while() -> None:
    one = ticked(tick(0.0, held=names(3)), tick(60.0, held=names(3), free=names(10) - names(3)))
    assert set(one.at_work(60.0)) == names(3)
    assert one.decide(60.0).claim == 0
    assert one.decide(62.0).claim == 7


def test_a_silent_replica_ends_all_and_decides_nothing() -> None:
    one = ticked(tick(0.0, held=names(3), free=["account-004"]))
    assert sorted(one.to_end(dict.fromkeys(names(3), 1), 15.0)) == sorted(names(3))
    assert one.to_begin({}, 15.0) == {}
    assert one.decide(15.0).claim == 0


def test_within_its_share_a_replica_claims_at_once() -> None:
    one = ticked(tick(0.0, ONE, TWO), tick(2.0, ONE, TWO, free=names(10), since=2.0))
    assert one.decide(2.0).claim == 5
    assert {free.account for free in one.decide(2.0).candidates} == names(10)


def test_beyond_its_share_it_claims_what_was_unowned_for_six_seconds() -> None:
    held = sorted(names(10))[:5]
    ticks = [tick(at, ONE, TWO, held=held, free=["account-007"], since=5.0) for at in (5.0, 10.9, 11.0)]
    assert ticked(*ticks[:2]).decide(10.9).claim == 0
    assert ticked(*ticks).decide(11.0).claim == 1


def test_accounts_that_are_not_configured_are_neither_claimed_nor_counted() -> None:
    one = ticked(tick(0.0), tick(2.0, free=["elsewhere"]))
    assert one.decide(2.0).claim == 0
    assert one.unowned == []


def forgotten(since: float, *live: Peer) -> tuple[str, ...]:
    """What the replica "one" forgets of an account that is in no configuration of its own, unowned since then."""
    known = ticked(tick(0.0, *live), tick(10.0, *live), accounts=1)
    free = [Unowned("removed", None, since), Unowned("account-000", None, since)]
    return known.after(replace(tick(20.0, *live), unowned=tuple(free))).decide(20.0).forget


def test_the_lease_of_an_account_that_nobody_has_configured_for_an_hour_is_forgotten_by_the_first_replica() -> None:
    one, two = Peer("one", "same", 0.0), Peer("two", "same", 0.0)
    moment = tick(20.0).database_time
    assert forgotten(moment - leases.FORGET_SECONDS, one) == ("removed",)
    assert forgotten(moment - leases.FORGET_SECONDS, one, two) == ("removed",)
    assert forgotten(moment - leases.FORGET_SECONDS, two, one) == ()
    assert forgotten(moment - leases.FORGET_SECONDS + 1.0, one) == ()


@pytest.mark.parametrize("since", [0.0, 1.0])
def test_while_configurations_differ_no_lease_is_forgotten(since: float) -> None:
    moment = tick(20.0).database_time
    one, two = Peer("one", "same", 0.5), Peer("two", "other", since)
    assert forgotten(moment - leases.FORGET_SECONDS, one, two) == ()


def test_so_many_leases_are_forgotten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "FORGOTTEN_AT_ONCE", 3)
    known = ticked(tick(0.0), tick(10.0))
    old = tick(20.0, free=[f"removed-{number}" for number in range(9)], since=-leases.FORGET_SECONDS)
    assert len(known.after(old).decide(20.0).forget) == 3


def test_the_configuration_that_was_loaded_last_counts() -> None:
    assert current_config([ONE, TWO]) == "same"
    assert current_config([ONE, OTHER]) == "newer"
    assert current_config([]) is None


def test_a_replica_with_another_configuration_keeps_what_it_has_and_claims_nothing() -> None:
    held = sorted(names(10))[:8]
    one = ticked(*(tick(at, ONE, OTHER, held=held, free=["account-009"]) for at in (0.0, 8.0, 16.0)))
    assert one.decide(16.0) == Decision()
    assert one.target == 8


def test_those_with_another_configuration_do_not_count_for_the_share() -> None:
    held = sorted(names(10))[:2]
    one = Replica("other", TTL, names(10)).after(tick(0.0, ONE, TWO, OTHER, held=held))
    assert one.target == 10


def test_at_most_a_tenth_is_shed_in_a_tick_and_only_after_calm() -> None:
    held = names(30)
    ticks = [tick(at, ONE, TWO, held=held) for at in (0.0, CALM_SECONDS - 0.1, CALM_SECONDS)]
    assert ticked(*ticks[:2], accounts=30).decide(5.9).give == {}
    assert list(ticked(*ticks, accounts=30).decide(6.0).give.values()) == [Change.SHED] * 3


def test_of_few_accounts_one_is_shed() -> None:
    ticks = [tick(at, ONE, TWO, held=names(4)) for at in (0.0, 6.0)]
    assert len(ticked(*ticks, accounts=4).decide(6.0).give) == 1


def test_what_was_claimed_beyond_the_share_is_not_shed_before_who_did_not_claim_it_has_expired() -> None:
    held = names(10) - {"account-009"}
    one = ticked(*(tick(at, ONE, TWO, held=held, free=["account-009"]) for at in (0.0, 8.0)))
    assert one.decide(8.0).claim == 1
    one = one.claimed({"account-009": 2})
    for at in (9.0, 18.0, 27.0, 33.9):
        one = one.after(tick(at, ONE, TWO, held=names(10)))
        assert one.decide(at).give == {}
    assert len(one.after(tick(34.0, ONE, TWO, held=names(10))).decide(34.0).give) == 1


def test_a_replica_that_dies_as_soon_as_it_has_joined_moves_each_account_once_at_most() -> None:
    tried = world(Random(6), accounts=30)
    tried.start("first")
    tried.run(10.0)
    dead = tried.start("first")
    tried.run(1.0)
    tried.kill(dead)
    tried.run(60.0)
    assert tried.table.moves.total() == 30 + 3


def test_nothing_more_is_shed_before_what_was_shed_is_released() -> None:
    ticks = [tick(at, ONE, TWO, held=names(9)) for at in (0.0, 6.0, 7.0)]
    one = ticked(*ticks[:2])
    one = one.give(one.decide(6.0).give).after(ticks[2])
    assert one.decide(7.0).give == {}


def test_an_account_that_is_being_given_away_does_not_count_for_the_share() -> None:
    held = sorted(names(10))[:5]
    one = ticked(tick(0.0, ONE, TWO), tick(2.0, ONE, TWO, held=held)).give({held[0]: Change.SHED})
    assert one.after(tick(3.0, ONE, TWO, held=held, free=["account-009"], since=3.0)).decide(3.0).claim == 1


def test_nothing_is_shed_while_an_account_is_unowned() -> None:
    ticks = [tick(at, ONE, TWO, held=names(9), free=["account-009"], since=at) for at in (0.0, 6.0)]
    assert ticked(*ticks).decide(6.0).give == {}


def test_what_is_no_longer_configured_is_given_away_by_any_configuration() -> None:
    held = ["elsewhere", *sorted(names(3))]
    for live in ((ONE,), (ONE, OTHER)):
        assert ticked(tick(0.0, *live, held=held)).decide(0.5).give == {"elsewhere": Change.REMOVED}


def test_a_lease_is_released_when_nothing_polls_its_account_and_not_before() -> None:
    one = ticked(tick(0.0, held=names(2))).give({"account-000": Change.SHED})
    assert one.to_end(dict.fromkeys(names(2), 1), 0.5) == ["account-000"]
    assert one.to_release(names(2)) == {}
    assert one.to_release(["account-001"]) == {"account-000": Change.SHED}


def test_a_tick_that_was_sent_before_a_release_does_not_bring_the_account_back() -> None:
    one = ticked(tick(0.0, held=names(2))).give({"account-000": Change.SHED}).released(["account-000"], 1.5)
    assert one.giving == {}
    for sent_at in (1.0, 1.5):
        assert set(one.after(tick(sent_at, held=names(2))).owned) == {"account-001"}
    assert set(one.after(tick(1.6, held=names(2))).owned) == names(2)


def test_an_account_that_is_being_given_away_is_not_claimed() -> None:
    one = ticked(tick(0.0), tick(1.0, held=["account-000"])).give({"account-000": Change.SHED})
    one = one.after(tick(2.0, free=["account-000"], since=2.0))
    assert one.decide(2.0).claim == 0


def test_an_account_whose_write_was_refused_ends_and_begins_again_with_the_next_tick_that_has_it() -> None:
    one = ticked(tick(0.0, held=names(2))).refused("account-000", 0.7)
    running = dict.fromkeys(names(2), 1)
    assert one.to_end(running, 0.7) == ["account-000"]
    assert one.after(tick(0.6, held=names(2))).to_begin({"account-001": 1}, 0.8) == {}
    assert one.after(tick(1.0, held=names(2))).to_begin({"account-001": 1}, 1.1) == {"account-000": 1}
    assert one.after(tick(1.0, held=["account-001"])).to_begin({"account-001": 1}, 1.1) == {}


def test_the_same_account_with_another_epoch_ends_and_begins_again() -> None:
    one = ticked(tick(0.0, held=names(1))).claimed({"account-000": 3})
    assert one.to_end({"account-000": 1}, 0.5) == ["account-000"]
    assert one.to_begin({}, 0.5) == {"account-000": 3}


def test_a_tick_shows_which_leases_were_lost_and_which_a_claim_brought_whose_answer_was_cut() -> None:
    one = ticked(tick(0.0, held=["account-000", "account-001"])).give({"account-001": Change.SHED})
    assert leases.changes(one, tick(1.0, held=["account-002"])) == {
        "account-000": Change.LOST,
        "account-002": Change.CLAIMED,
    }
