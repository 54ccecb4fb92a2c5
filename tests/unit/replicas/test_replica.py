"""A replica ticks, begins and ends accounts with their leases, and leaves in order."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from exporter.client import Stopping
from exporter.model.record import StateError
from exporter.model.replica_status import Change, Phase
from exporter.polling.engine import Engine
from exporter.replicas import holdings, replica
from exporter.replicas.leases import FORGET_SECONDS
from exporter.replicas.replica import Replicas, holder_id
from exporter.replicas.values import Configured, Tick, Unowned
from tests.support.lease_table import DATABASE_AHEAD, TTL, Table

GENEROUS = 20.0
NAMES = ("a", "b", "c", "d")


class Stage:
    """An engine without a thread, a pool that answers at once, a simulated table, and accounts that begin and end.

    Time passes when the loop pauses; `at` says what happens then.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 5_000_000.0
        self.table = Table()
        self.down: str | None = None
        self.unreadable: set[str] = set()
        """Accounts that can't be restored."""
        self.polled: set[str] = set()
        self.events: list[tuple[str, tuple[str, ...]]] = []
        self.prepared = 0
        self.hidden: dict[tuple[str, ...], float] = {}
        """Until when the replica may expose what it owns, as it believes when accounts are hidden."""
        self.statements = SimpleNamespace()
        self._spawned: list[Callable[[], Any]] = []
        self._at: list[tuple[float, Callable[[], object]]] = []
        self._until = 0.0
        self.replicas = self.make("one")

    def make(self, holder: str, accounts: Collection[str] = NAMES, config: str = "same") -> Replicas:
        configured = Configured(frozenset(accounts), config)
        return Replicas(
            self, self, self, configured, lambda: self.now, prepare=self.prepare, holder=holder, clock=lambda: self.wall
        )

    def prepare(self) -> None:
        if self.down:
            raise StateError(self.down)
        self.prepared += 1

    # The engine.

    def pause(self, seconds: float) -> None:
        self.settle()
        self.now += seconds
        for moment, function in [each for each in self._at if each[0] <= self.now]:
            self._at.remove((moment, function))
            function()
        self.settle()
        if self.now >= self._until:
            raise Stopping

    def result(self, future: "Future[Any]") -> Any:
        self.settle()
        return future.result(0)

    def spawn(self, owner: object, function: Callable[[], Any]) -> None:
        self._spawned.append(function)

    def settle(self) -> None:
        while self._spawned:
            self._spawned.pop(0)()

    # The pool.

    def submit(self, function: Callable[[Any], Any], seconds: float | None = None) -> "Future[Any]":
        future: Future[Any] = Future()
        if self.down:
            future.set_exception(StateError(self.down))
        else:
            future.set_result(function(self))
        return future

    # Accounts.

    def claimed(self, accounts: Collection[str]) -> None:
        self.events.append(("begin", tuple(sorted(accounts))))
        if self.unreadable & set(accounts):
            raise StateError("unreadable")
        self.polled |= set(accounts)

    def hide(self, accounts: Collection[str]) -> None:
        self.hidden[tuple(sorted(accounts))] = self.replicas.exposed_until

    def lost(self, accounts: Collection[str]) -> None:
        self.events.append(("end", tuple(sorted(accounts))))
        self.polled -= set(accounts)

    # What happens.

    def at(self, seconds: float, function: Callable[[], object]) -> None:
        self._at.append((self.now + seconds, function))

    def run(self, seconds: float) -> None:
        """Run the loop for so long."""
        self._until = self.now + seconds
        with contextlib.suppress(Stopping):
            self.replicas.run()

    def set_down(self, error: str | None) -> None:
        self.down = error

    def holders(self) -> Mapping[str, str | None]:
        return {account: lease.holder for account, lease in sorted(self.table.leases.items())}


def database_time(stage: Stage) -> float:
    return stage.now + DATABASE_AHEAD


def read(stage: Stage, holder: str, ttl: float, config: str, ticks: Callable[[], float]) -> Tick:
    assert ttl == TTL
    stage.table.heartbeat(holder, config, database_time(stage))
    tick = stage.table.read(holder, ticks(), database_time(stage))
    return Tick(tick.sent_at, tick.database_time, tick.live, tick.leases, tick.unowned, ticks())


def claim(stage: Stage, holder: str, free: Sequence[Unowned], count: int) -> dict[str, int]:
    now = database_time(stage)
    taken = stage.table.claim(holder, [each.account for each in free], count, stage.table.live(now), now)
    return {account: stage.table.leases[account].epoch for account in taken}


def heartbeat(stage: Stage, holder: str, ttl: float, config: str, *, leaving: bool) -> None:
    stage.events.append(("leaving", ()))
    stage.table.heartbeat(holder, config, database_time(stage), leaving=leaving)


def release(stage: Stage, holder: str, accounts: Sequence[str]) -> None:
    assert not stage.polled & set(accounts)
    stage.events.append(("release", tuple(sorted(accounts))))
    stage.table.release(holder, accounts, database_time(stage))


def leave(stage: Stage, holder: str) -> None:
    stage.events.append(("left", ()))
    stage.table.leave(holder, database_time(stage))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """One whose pool gives itself as connection, and whose statements change the simulated table."""
    simulated = SimpleNamespace(
        tick=read,
        claim=claim,
        heartbeat=heartbeat,
        release=release,
        leave=leave,
        forget=lambda stage, accounts, config, seconds: len([stage.table.leases.pop(each) for each in accounts]),
        add_accounts=lambda stage, accounts: stage.table.add(accounts, database_time(stage)),
    )
    monkeypatch.setattr(replica, "statements", simulated)
    made = Stage()
    made.statements = simulated
    return made


def alone(stage: Stage) -> Stage:
    """Let the replica own all accounts."""
    stage.run(5.0)
    assert stage.polled == set(NAMES)
    stage.events.clear()
    return stage


def beside(stage: Stage, holder: str, accounts: Collection[str] = NAMES) -> None:
    """Have another replica send a heartbeat."""
    stage.table.heartbeat(holder, "same", database_time(stage))


def test_it_claims_and_begins_all_accounts_when_it_is_alone(stage: Stage) -> None:
    stage.run(5.0)
    assert stage.events == [("begin", NAMES)]
    assert stage.replicas.owned() == dict.fromkeys(NAMES, 1)
    assert stage.replicas.fence("a") == ("one", 1)
    assert stage.replicas.fence("elsewhere") is None
    status = stage.replicas.status
    assert (status.leases_held, status.target, status.accounts_unowned) == (4, 4, 0)
    assert (status.phase, status.live, status.config_hashes) == (Phase.ACTIVE, ("one",), ("same",))
    assert status.not_ready is None
    assert status.lease_changes[Change.CLAIMED] == 4


def test_it_claims_nothing_in_its_first_two_seconds(stage: Stage) -> None:
    stage.run(1.0)
    assert stage.polled == set()
    assert stage.replicas.status.not_ready == "joining: it claims no accounts yet"


def test_it_makes_the_tables_before_its_first_tick_and_tries_until_the_database_answers(stage: Stage) -> None:
    stage.down = "nothing answers there"
    stage.run(30.0)
    assert stage.prepared == 0
    assert stage.replicas.status.not_ready == "joining: nothing answers there"
    assert not stage.replicas.status.database_up
    stage.down = None
    alone(stage)
    assert stage.prepared > 0
    assert stage.replicas.status.database_up


def test_without_the_database_it_exposes_for_fifteen_seconds_and_then_ends_all(stage: Stage) -> None:
    alone(stage)
    stage.down = "nothing answers there"
    stage.run(13.0)
    assert stage.polled == set(stage.replicas.owned()) == set(NAMES)
    assert stage.replicas.status.not_ready is None
    stage.run(4.0)
    assert stage.polled == set(stage.replicas.owned()) == set()
    assert stage.replicas.fence("a") is None
    assert stage.replicas.status.phase is Phase.SILENT
    assert stage.replicas.status.not_ready == "silent: its leases may have expired: nothing answers there"


def test_when_the_database_is_back_what_is_still_its_own_begins_anew(stage: Stage) -> None:
    alone(stage)
    stage.down = "nothing answers there"
    stage.run(3600.0)
    stage.down = None
    stage.run(1.0)
    assert stage.events == [("end", NAMES), ("begin", NAMES)]
    assert stage.replicas.owned() == dict.fromkeys(NAMES, 1)
    assert stage.replicas.status.lease_changes[Change.LOST] == 0


def test_an_account_that_another_replica_took_over_ends(stage: Stage) -> None:
    alone(stage)
    stage.table.claim("two", ["b"], 1, (), database_time(stage))
    beside(stage, "two")
    stage.run(1.0)
    assert stage.events == [("end", ("b",))]
    assert stage.replicas.status.lease_changes[Change.LOST] == 1
    assert stage.replicas.fence("b") is None


def test_what_another_one_took_over_meanwhile_is_hidden_before_anything_is_exposed_again(stage: Stage) -> None:
    """The process was stopped: its next tick finds that some leases are its own still."""
    alone(stage)
    stage.now += 60.0
    stage.table.claim("two", ["b"], 1, (), database_time(stage))
    beside(stage, "two")
    stage.run(1.0)
    assert stage.hidden[("b",)] < stage.now - 1.0
    assert stage.replicas.exposed_until > stage.now
    assert set(stage.replicas.owned()) >= {"a", "c"}


def test_accounts_of_a_dead_replica_are_taken_over(stage: Stage) -> None:
    stage.table.add(NAMES, database_time(stage))
    beside(stage, "two")
    stage.table.claim("two", ["b"], 1, (), database_time(stage))
    stage.run(TTL + 5.0)
    assert stage.replicas.owned()["b"] == 2
    assert stage.replicas.status.lease_changes[Change.TAKEN_OVER] == 1
    assert stage.replicas.status.lease_changes[Change.CLAIMED] == 3


def test_what_is_shed_is_ended_before_it_is_released(stage: Stage) -> None:
    alone(stage)
    for second in range(9):
        stage.at(second, lambda: beside(stage, "two"))
    stage.run(9.0)
    assert stage.events == [("end", ("a",)), ("release", ("a",))]
    assert stage.holders()["a"] is None
    assert stage.replicas.status.lease_changes[Change.SHED] == 1
    assert stage.replicas.status.accounts_unowned == 1
    assert stage.replicas.status.target == 2


def test_what_can_not_be_released_is_released_later_and_not_polled_meanwhile(stage: Stage) -> None:
    alone(stage)
    stage.replicas.configure(Configured(frozenset("bcd"), "other"))
    lost = stage.lost

    def cut(accounts: Collection[str]) -> None:
        lost(accounts)
        stage.down = "cut"

    stage.lost = cut  # type: ignore[method-assign]
    stage.at(2.5, lambda: stage.set_down(None))
    stage.run(2.0)
    assert stage.holders()["a"] == "one"
    stage.run(2.0)
    assert stage.events == [("end", ("a",)), ("release", ("a",))]
    assert stage.holders()["a"] is None


def test_an_account_whose_write_was_refused_ends_and_begins_anew(stage: Stage) -> None:
    alone(stage)
    stage.at(0.0, lambda: stage.replicas.refuse("a", commit=True))
    stage.run(2.5)
    assert stage.events == [("end", ("a",)), ("begin", ("a",))]
    assert stage.replicas.status.commits_refused == 1
    assert stage.replicas.status.lease_changes[Change.LOST] == 0


def test_an_account_whose_write_was_refused_is_exposed_no_longer_at_once(stage: Stage) -> None:
    alone(stage)
    stage.replicas.refuse("a", commit=True)
    assert "a" not in stage.replicas.owned()


def test_an_account_that_is_not_polled_counts_no_refused_commit(stage: Stage) -> None:
    alone(stage)
    stage.replicas.refuse("elsewhere", commit=True)
    assert stage.replicas.status.commits_refused == 0


def test_a_poll_that_may_not_even_begin_counts_no_refused_commit(stage: Stage) -> None:
    alone(stage)
    stage.replicas.refuse("a", commit=False)
    assert stage.replicas.status.commits_refused == 0
    assert "a" not in stage.replicas.owned()
    stage.replicas.refuse("b", commit=True)
    assert stage.replicas.status.commits_refused == 1


def test_accounts_that_can_not_be_restored_are_tried_at_each_tick(stage: Stage) -> None:
    stage.unreadable = {"a"}
    stage.run(4.0)
    assert stage.events[:2] == [("begin", NAMES), ("end", NAMES)]
    assert stage.replicas.owned() == {}
    assert stage.replicas.status.not_ready == "4 of 4 accounts are not restored yet"
    assert stage.holders() == dict.fromkeys(NAMES, "one")
    stage.unreadable = set()
    alone(stage)


def test_a_reload_adds_and_removes_accounts(stage: Stage) -> None:
    alone(stage)
    stage.replicas.configure(Configured(frozenset("bcde"), "other"))
    stage.run(3.0)
    assert sorted(stage.events) == [("begin", ("e",)), ("end", ("a",)), ("release", ("a",))]
    assert stage.polled == set("bcde")
    assert stage.replicas.status.lease_changes[Change.REMOVED] == 1
    assert stage.replicas.status.accounts_unowned == 0


def test_the_lease_of_a_removed_account_is_deleted_after_an_hour(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    alone(stage)
    stage.replicas.configure(Configured(frozenset("bcd"), "other"))
    stage.run(FORGET_SECONDS - 10.0)
    assert set(stage.holders()) == set(NAMES)
    stage.run(20.0)
    assert set(stage.holders()) == set("bcd")
    logged = [r for r in caplog.records if r.message == "leases of accounts that are no longer configured are deleted"]
    assert [(r.__dict__["accounts"], r.__dict__["names"]) for r in logged] == [(1, "a")]


def test_a_lease_that_somebody_has_deleted_is_made_again(stage: Stage) -> None:
    alone(stage)
    del stage.table.leases["a"]
    stage.run(replica.ADD_AGAIN_SECONDS + 10.0)
    assert stage.holders() == dict.fromkeys(NAMES, "one")
    assert stage.polled == set(NAMES)


def test_the_log_names_the_accounts_whose_leases_change(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    many = [f"account-{number}" for number in range(12)]
    stage.replicas = stage.make("one", many)
    stage.run(5.0)
    [line] = [record.__dict__ for record in caplog.records if record.message == "leases changed"]
    names = "account-0, account-1, account-10, account-11, account-2, …"
    assert (line["reason"], line["accounts"], line["names"]) == ("claimed", 12, names)
    caplog.clear()
    stage.table.claim("two", ["account-3"], 1, (), database_time(stage))
    beside(stage, "two")
    stage.run(1.0)
    [line] = [record.__dict__ for record in caplog.records if record.message == "leases changed"]
    assert (line["reason"], line["accounts"], line["names"]) == ("lost", 1, "account-3")


def test_it_says_that_it_leaves_ends_all_and_releases_then(stage: Stage) -> None:
    alone(stage)
    stage.replicas.leave()
    assert stage.events == [("leaving", ()), ("end", NAMES), ("left", ())]
    assert stage.holders() == dict.fromkeys(NAMES, None)
    assert stage.replicas.owned() == {}
    status = stage.replicas.status
    assert (status.phase, status.not_ready) == (Phase.LEAVING, "leaving: its accounts go to other replicas")
    assert status.lease_changes[Change.RELEASED] == 4
    stage.run(1.0)
    assert stage.table.rows == {}


def test_it_ends_all_when_it_leaves_without_the_database(stage: Stage) -> None:
    alone(stage)
    stage.down = "nothing answers there"
    stage.replicas.leave()
    assert stage.events == [("end", NAMES)]
    assert stage.holders() == dict.fromkeys(NAMES, "one")


def test_a_bug_in_a_tick_does_not_end_the_ticks(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(stage)
    working = stage.statements.tick
    monkeypatch.setattr(stage.statements, "tick", lambda *arguments: 1 / 0)
    stage.run(3.0)
    assert not stage.replicas.status.database_up
    monkeypatch.setattr(stage.statements, "tick", working)
    stage.run(1.0)
    assert stage.replicas.status.database_up


def test_time_is_that_of_the_database_whatever_happens_to_the_clock_of_this_machine(stage: Stage) -> None:
    assert stage.replicas.time() == stage.wall
    alone(stage)
    for leap in (0.0, 3600.0, -7200.0):
        stage.wall += leap
        stage.now += 0.5
        assert stage.replicas.time() == database_time(stage)
        assert stage.replicas.status.clock_offset == database_time(stage) - stage.wall


def test_the_configuration_that_counts_is_shown_first(stage: Stage) -> None:
    alone(stage)
    stage.table.heartbeat("two", "newer", database_time(stage))
    stage.run(1.0)
    assert stage.replicas.status.config_hashes == ("newer", "same")
    assert stage.replicas.status.live == ("one", "two")


def test_another_configuration_is_logged_once_and_again_when_it_counts(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    alone(stage)
    caplog.clear()
    for _ in range(3):
        stage.table.heartbeat("two", "newer", database_time(stage))
        stage.run(1.0)
    logged = [record.message for record in caplog.records if "configuration" in record.message]
    assert logged == ["another replica has a newer configuration: claiming no accounts"]
    stage.run(GENEROUS)
    logged = [record.message for record in caplog.records if "configuration" in record.message]
    assert logged[1:] == ["configuration is the newest again: claiming accounts"]


def test_the_holder_names_the_host_and_differs_at_each_start() -> None:
    first, second = holder_id(), holder_id()
    assert first != second
    assert first.startswith(f"{socket.gethostname()}-")


# On the engine, where tasks take turns.


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    made.start()
    yield made
    assert made.stop(GENEROUS)


def test_ticks_go_on_while_accounts_are_restored(stage: Stage, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "TICK_SECONDS", 0.01)
    restoring, go_on, ticked = threading.Event(), Future[None](), threading.Semaphore(0)

    class Slow:
        def claimed(self, accounts: Collection[str]) -> None:
            restoring.set()
            engine.result(go_on)

        def hide(self, accounts: Collection[str]) -> None:
            """Hide nothing."""

        def lost(self, accounts: Collection[str]) -> None:
            """End nothing."""

    def counted(*arguments: Any) -> Tick:
        ticked.release()
        return read(*arguments)

    monkeypatch.setattr(stage.statements, "tick", counted)
    clock = iter(range(10**9))
    slow = Replicas(engine, stage, Slow(), Configured(frozenset(NAMES), "same"), lambda: next(clock) / 10, holder="one")
    running = engine.submit("replicas", slow.run)
    assert restoring.wait(GENEROUS)
    while ticked.acquire(blocking=False):
        pass
    for _ in range(3):
        assert ticked.acquire(timeout=GENEROUS)
    assert slow.status.not_ready == "4 of 4 accounts are not restored yet"
    go_on.set_result(None)
    leaving = engine.submit("leaving", slow.leave)
    leaving.result(GENEROUS)
    running.result(GENEROUS)


def test_a_reload_while_an_account_is_restored_begins_it_anew_with_its_new_settings(
    stage: Stage, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "TICK_SECONDS", 0.01)
    restoring, go_on, ended = threading.Event(), Future[None](), threading.Event()
    settings, begun_with = ["old"], list[str]()
    begun_anew = threading.Event()

    class Slow:
        def claimed(self, accounts: Collection[str]) -> None:
            found = settings[0]
            restoring.set()
            engine.result(go_on)
            begun_with.append(found)
            if found == "new":
                begun_anew.set()

        def hide(self, accounts: Collection[str]) -> None:
            """Hide nothing."""

        def lost(self, accounts: Collection[str]) -> None:
            ended.set()

    clock = iter(range(10**9))
    slow = Replicas(engine, stage, Slow(), Configured(frozenset("a"), "same"), lambda: next(clock) / 10, holder="one")
    engine.submit("replicas", slow.run)
    assert restoring.wait(GENEROUS)

    def reload() -> None:
        settings[0] = "new"
        slow.begin_anew(["a", "elsewhere"])

    engine.submit("reload", reload).result(GENEROUS)
    go_on.set_result(None)
    assert begun_anew.wait(GENEROUS)
    assert ended.is_set()
    assert begun_with == ["old", "new"]


def test_a_claim_that_is_under_way_at_the_end_is_released_and_begins_nothing(
    stage: Stage, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "TICK_SECONDS", 0.01)
    claiming, go_on = threading.Event(), threading.Event()

    class Threads:
        """A pool that calls in threads."""

        def submit(self, function: Callable[[Any], Any], seconds: float | None = None) -> "Future[Any]":
            future: Future[Any] = Future()
            threading.Thread(target=lambda: future.set_result(function(stage)), daemon=True).start()
            return future

    def slow(*arguments: Any) -> dict[str, int]:
        claiming.set()
        assert go_on.wait(GENEROUS)
        return claim(*arguments)

    monkeypatch.setattr(stage.statements, "claim", slow)
    clock = iter(range(10**9))
    made = Replicas(
        engine, Threads(), stage, Configured(frozenset(NAMES), "same"), lambda: next(clock) / 10, holder="one"
    )
    engine.submit("replicas", made.run)
    assert claiming.wait(GENEROUS)
    leaving = engine.submit("leaving", made.leave)
    with pytest.raises(TimeoutError):
        leaving.result(0.2)
    go_on.set()
    leaving.result(GENEROUS)
    assert stage.holders() == dict.fromkeys(NAMES, None)
    assert stage.events == [("leaving", ()), ("left", ())]


class Hanging:
    """A database that does not answer any more once it is to hang, and accounts that are never restored then."""

    def __init__(self, stage: Stage, engine: Engine) -> None:
        self.hangs = False
        self.met = threading.Event()
        self.begun = threading.Event()
        self.hidden = threading.Event()
        self._stage = stage
        self._engine = engine
        self._never = Future[Any]()

    def submit(self, function: Callable[[Any], Any], seconds: float | None = None) -> "Future[Any]":
        if self.hangs:
            self.met.set()
            return self._never
        return self._stage.submit(function)

    def claimed(self, accounts: Collection[str]) -> None:
        self.begun.set()
        if "b" in accounts:
            self.met.set()
            self._engine.result(self._never)

    def hide(self, accounts: Collection[str]) -> None:
        assert set(accounts) == {"a"}
        self.hidden.set()

    def lost(self, accounts: Collection[str]) -> None:
        """End nothing."""


@pytest.mark.parametrize("hanging", ["tick", "restore"])
def test_what_may_have_expired_is_hidden_within_a_second_whatever_the_database_does(
    stage: Stage, engine: Engine, monkeypatch: pytest.MonkeyPatch, hanging: str
) -> None:
    monkeypatch.setattr(holdings, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(replica, "TICK_SECONDS", 0.01)
    now, world = itertools.count(1000), Hanging(stage, engine)
    clock = [1000.0]
    made = Replicas(engine, world, world, Configured(frozenset("a"), "same"), lambda: clock[0], holder="one")
    engine.submit("replicas", made.run)
    engine.submit("replicas", made.watch)
    while not world.begun.wait(0.02):
        clock[0] = stage.now = float(next(now))
    if hanging == "tick":
        world.hangs = True
    else:
        made.configure(Configured(frozenset("ab"), "same"))
    assert world.met.wait(GENEROUS)
    stage.down = "nothing answers there"
    clock[0] = made.exposed_until - 0.1
    assert not world.hidden.wait(0.1)
    clock[0] = made.exposed_until
    assert world.hidden.wait(30)
