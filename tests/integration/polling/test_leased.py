"""Accounts begin and end with the leases of this replica. Replicas as processes: tests/e2e/test_replicas.py."""

import contextlib
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from exporter.client import Stopping
from exporter.config.token import Token
from exporter.demo.items import document_batch, generations
from exporter.model.accounting import Rules
from exporter.model.record import Refused, StateError
from exporter.polling.leased import LeasedState, LeasedSupervisor
from exporter.polling.schedule import first_polls
from exporter.polling.scheduler import FIRST_POLL_SECONDS_EACH
from exporter.replicas.replica import Replicas
from exporter.replicas.surroundings import Accounts
from exporter.replicas.values import Configured
from exporter.state import Records, Sizes, SqliteState
from tests.support import faults
from tests.support.at_work import Program
from tests.support.patience import GENEROUS, eventually
from tests.support.rig import NOW, Rig

BATCHES = "collectors: [document_batches]"


class Leases:
    """Replaces the keeper of leases: records its calls, and has the epochs that a test sets."""

    def __init__(self, accounts: Accounts, configured: Configured) -> None:
        self.accounts = accounts
        self.configured = configured
        self.anew: list[str] = []
        self.left = False
        self.epochs: dict[str, int] = {}

    def fence(self, account: str) -> tuple[str, int]:
        return "one", self.epochs.get(account, 1)

    def configure(self, configured: Configured) -> None:
        self.configured = configured

    def begin_anew(self, accounts: Collection[str]) -> None:
        self.anew += accounts

    def run(self) -> None: ...

    def watch(self) -> None: ...

    def leave(self) -> None:
        self.left = True


@pytest.fixture
def program(rig: Rig, tmp_path: Path) -> Iterator[Program]:
    made = Program(rig, tmp_path)
    yield made
    made.end()


@pytest.fixture
def leased(program: Program) -> LeasedSupervisor:
    made = LeasedSupervisor(
        program.scheduler.engine,
        program.live,
        lambda accounts, configured: cast("Replicas", Leases(accounts, configured)),
    )
    made.use(program.running)
    return made


def leases(leased: LeasedSupervisor) -> Leases:
    return cast("Leases", leased.replicas)


def do(program: Program, leased: LeasedSupervisor, what: str, *accounts: str) -> None:
    """Have the keeper of leases say that accounts were claimed or lost."""
    program.scheduler.engine.submit("test", lambda: getattr(leased, what)(accounts)).result(GENEROUS)


def exposed(program: Program) -> set[str]:
    return {collector.account for collector in program.rig.store.snapshot.collectors}


def metered(program: Program) -> set[str]:
    """Return the accounts in the metrics that are no collector's."""
    samples = (sample for metric in program.live.registry.collect() for sample in metric.samples)
    return {sample.labels["account"] for sample in samples if "account" in sample.labels}


def test_only_what_was_claimed_is_polled_and_exposed_until_it_is_lost(
    program: Program, leased: LeasedSupervisor
) -> None:
    leased.start(program.accounts(a=BATCHES, b=BATCHES))
    assert leases(leased).configured.accounts == {"a", "b"}
    assert exposed(program) == set()
    do(program, leased, "claimed", "a")
    program.wait_for_polls("a")
    assert exposed(program) == {"a"}
    do(program, leased, "claimed", "b")
    program.wait_for_polls("a", "b")
    do(program, leased, "lost", "a", "never begun")
    assert exposed(program) == {"b"}
    assert leased.healthy()
    assert metered(program) == {"b"}, "requests of an account that is another's are not exposed"


def test_when_an_account_is_lost_no_poll_of_it_is_under_way_any_more(
    program: Program, leased: LeasedSupervisor
) -> None:
    program.rig.mock_api.faults.add(faults.hang())
    leased.start(program.accounts(a=BATCHES))
    do(program, leased, "claimed", "a")
    [pipeline], engine = program.pipelines, program.scheduler.engine
    eventually(lambda: engine.submit("test", lambda: bool(engine.tasks_of(pipeline.over))).result())
    do(program, leased, "lost", "a")
    assert engine.submit("test", lambda: not engine.tasks_of(pipeline.over)).result()


def test_all_that_begins_together_is_read_together_and_polled_soon(
    program: Program, leased: LeasedSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[list[tuple[str, str]]] = []
    due: list[float] = []

    def noted(now: float, intervals: Sequence[float], seconds_each: float, phase: float) -> list[float]:
        times = first_polls(now, intervals, seconds_each, phase)
        due.extend(at - now for at in times)
        return times

    monkeypatch.setattr("exporter.polling.scheduler.first_polls", noted)

    @contextlib.contextmanager
    def ahead(collectors: Sequence[tuple[str, str]]) -> Iterator[None]:
        together.append(list(collectors))
        yield
        together.append([])

    leased.use(program.running, ahead)
    names = [f"account-{number}" for number in range(40)]
    leased.start(program.accounts(**dict.fromkeys(names, BATCHES)))
    do(program, leased, "claimed", *names, "removed")
    assert together == [[(name, "document_batches") for name in names], []]
    program.wait_for_polls(*names)
    assert max(due) < 20 * FIRST_POLL_SECONDS_EACH


def test_what_is_hidden_requests_nothing_more_before_it_is_lost(program: Program, leased: LeasedSupervisor) -> None:
    program.rig.mock_api.faults.add(faults.hang())
    leased.start(program.accounts(a=f"{BATCHES}, poll_interval: 50ms"))
    do(program, leased, "claimed", "a")
    [pipeline], engine = program.pipelines, program.scheduler.engine
    eventually(lambda: bool(program.rig.mock_api.requests))
    do(program, leased, "hide", "a")
    do(program, leased, "hide", "a")
    eventually(lambda: engine.submit("test", lambda: not engine.tasks_of(pipeline.over)).result())
    program.rig.mock_api.faults.clear()
    program.rig.mock_api.requests.clear()
    time.sleep(0.2)
    assert not program.rig.mock_api.requests


def test_accounts_of_which_one_can_not_be_restored_do_not_begin_and_may_be_tried_again(
    program: Program, leased: LeasedSupervisor
) -> None:
    class Broken:
        """A state that can't be read."""

        @contextlib.contextmanager
        def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
            if account == "b":
                raise StateError("it is down", passing=True)
            with program.rig.state.records(account, collector, rules) as records:
                yield records

        def sizes(self) -> Sizes | None: ...

    well = program.shared
    program.shared = replace(well, state=Broken())
    leased.start(program.accounts(a=BATCHES, b=BATCHES))
    with pytest.raises(StateError, match="it is down"):
        do(program, leased, "claimed", "a", "b")
    assert exposed(program) == set()
    assert metered(program) == set()
    do(program, leased, "lost", "a", "b")
    program.shared = well
    do(program, leased, "claimed", "a", "b")
    program.wait_for_polls("a", "b")


class OneFails:
    """A state in which one account can't be opened."""

    def __init__(self, program: Program, error: Exception) -> None:
        self._program = program
        self._error = error

    @contextlib.contextmanager
    def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
        if account == "b":
            raise self._error
        with self._program.rig.state.records(account, collector, rules) as records:
            yield records

    def sizes(self) -> Sizes | None: ...


@pytest.mark.parametrize("error", [StateError("its content can't be read"), RuntimeError("a bug")])
def test_an_account_whose_state_is_damaged_keeps_no_other_from_beginning(
    program: Program, leased: LeasedSupervisor, error: Exception
) -> None:
    program.shared = replace(program.shared, state=OneFails(program, error))
    leased.start(program.accounts(a=BATCHES, b=BATCHES, c=BATCHES))
    do(program, leased, "claimed", "a", "b", "c")
    program.wait_for_polls("a", "c")
    eventually(lambda: program.snapshots_of("b")[0].status.up is False)


def test_nothing_is_left_of_accounts_whose_beginning_was_refused(program: Program, leased: LeasedSupervisor) -> None:
    refused: list[tuple[str, bool]] = []
    state = LeasedState(OneFails(program, Refused("b")), lambda account, *, commit: refused.append((account, commit)))
    program.shared = replace(program.shared, state=state)
    leased.start(program.accounts(a=BATCHES, b=BATCHES, c=BATCHES))
    do(program, leased, "claimed", "c")
    with pytest.raises(Stopping):
        do(program, leased, "claimed", "a", "b")
    assert exposed(program) == metered(program) == {"c"}
    assert refused == [("b", False)], "nothing was to be written"


def test_an_account_that_was_lost_while_others_were_restored_does_not_begin(
    program: Program, leased: LeasedSupervisor
) -> None:
    class Moving:
        """A state during whose reading the first account has got another owner."""

        @contextlib.contextmanager
        def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
            if account == "b":
                leases(leased).epochs["a"] = 2
            with program.rig.state.records(account, collector, rules) as records:
                yield records

        def sizes(self) -> Sizes | None: ...

    program.shared = replace(program.shared, state=Moving())
    leased.start(program.accounts(a=BATCHES, b=BATCHES))
    do(program, leased, "claimed", "a", "b")
    program.wait_for_polls("b")
    assert exposed(program) == metered(program) == {"b"}
    assert program.pipelines[0].over.is_set()


def test_requests_are_exposed_of_an_account_that_was_restored_while_another_was_lost(
    program: Program, leased: LeasedSupervisor
) -> None:
    class Waiting:
        """A state that others are lost during the restoring of."""

        @contextlib.contextmanager
        def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
            leased.hide(["a"])
            with program.rig.state.records(account, collector, rules) as records:
                yield records

        def sizes(self) -> Sizes | None: ...

    well = program.shared
    leased.start(program.accounts(a=BATCHES, b=BATCHES))
    do(program, leased, "claimed", "a")
    program.shared = replace(well, state=Waiting())
    do(program, leased, "claimed", "b")
    program.wait_for_polls("b")
    assert metered(program) == {"b"}


def test_a_reload_begins_changed_accounts_anew_with_their_new_settings(
    program: Program, leased: LeasedSupervisor
) -> None:
    leased.start(program.accounts(a=BATCHES, b=BATCHES, c=BATCHES))
    do(program, leased, "claimed", "a", "b")
    found = leased.change(program.accounts(a=BATCHES, b=f"{BATCHES}, page_size: 7", d=BATCHES))
    assert found.counts() == {"added": 1, "changed": 1, "removed": 1, "kept": 1}
    assert leases(leased).anew == ["b", "c"], "what was removed ends at once, too, also while the database is down"
    assert leases(leased).configured.accounts == {"a", "b", "d"}
    do(program, leased, "lost", "b")
    do(program, leased, "claimed", "b")
    assert program.pipelines[-1].account.page_size == 7


def test_nothing_is_kept_of_accounts_that_were_lost_and_removed(program: Program, leased: LeasedSupervisor) -> None:
    leased.start(program.accounts(a=BATCHES, b=BATCHES))
    do(program, leased, "claimed", "a", "b")
    do(program, leased, "lost", "a", "b")
    lost, removed = program.accounts(b=BATCHES), program.accounts(a=BATCHES)
    assert program.continues(lost[0]), "what is lost may come back while its API wants no requests"
    leased.change(lost)
    assert program.continues(lost[0])
    assert not program.continues(removed[0])


def test_at_the_end_leases_are_left_once_and_changes_have_no_effect(program: Program, leased: LeasedSupervisor) -> None:
    leased.start(program.accounts(a=BATCHES))
    leased.stop()
    leased.stop()
    assert leases(leased).left
    assert leased.stopping
    assert leased.change(program.accounts(b=BATCHES)).counts()["added"] == 0


def test_configurations_are_the_same_if_their_accounts_differ_in_order_or_secrets_alone(
    program: Program, leased: LeasedSupervisor
) -> None:
    def config(*accounts: object) -> str:
        leased.change(accounts)  # type: ignore[arg-type]
        return leases(leased).configured.config

    leased.start(())
    a, b = program.accounts(a=BATCHES, b=BATCHES)
    same = config(a, b)
    assert config(b, replace(a, token=Token("another-secret-token"))) == same
    assert config(a, b) == same
    assert len({same, config(a), config(a, replace(b, page_size=7)), config(a, replace(b, filters={"x": "y"}))}) == 4
    own = [
        program.accounts(a=f"{BATCHES}, per_collector: {{document_batches: {{lookback: {days}d}}}}") for days in (7, 8)
    ]
    assert len({config(a), *(config(*accounts) for accounts in own)}) == 3


def test_a_poll_whose_write_is_refused_ends_without_a_trace_in_metrics(rig: Rig) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW, destinations={"email": generations(1, failed=1)}))
    refused: list[tuple[str, bool]] = []

    class Refusing:
        """A state whose account has become another's."""

        @contextlib.contextmanager
        def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
            with kept.records(account, collector, rules) as records:
                yield records
                raise Refused(account)

        def sizes(self) -> Sizes | None: ...

    def refuse(account: str, *, commit: bool) -> None:
        refused.append((account, commit))

    kept, rig.state = rig.state, cast("SqliteState", LeasedState(Refusing(), refuse))
    poller = rig.poller("document_batches")
    for step in (poller.rise, poller.poll):
        with pytest.raises(Stopping):
            step()
    assert refused == [("prod", True), ("prod", True)]
    assert (poller.status.up, poller.status.error) == (None, None)
    assert [collector.counters for collector in rig.store.snapshot.collectors] == [{}], "nothing has risen"
