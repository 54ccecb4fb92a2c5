"""A hidden account is ended and started again, whatever happens before that."""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.replicas.holdings import Holdings
from exporter.replicas.leases import Replica
from exporter.replicas.status import Tally
from exporter.replicas.values import Peer, Tick
from tests.support.properties import examples

NAMES = frozenset("abc")
TTL = 20.0


class Surroundings:
    """An engine whose tasks run when they are told to, and accounts that are polled, or muted before they end."""

    def __init__(self) -> None:
        self.now = 0.0
        self.polled: set[str] = set()
        self.muted: set[str] = set()
        self._spawned: list[Callable[[], Any]] = []
        self.held = Holdings(self, self, lambda: self.now, Replica("one", TTL, NAMES), self.released, Tally())

    # The engine.

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def result(self, future: "Future[Any]") -> Any:
        return future.result(0)

    def spawn(self, owner: object, function: Callable[[], Any]) -> None:
        self._spawned.append(function)

    def settle(self) -> None:
        while self._spawned:
            self._spawned.pop(0)()

    # Accounts.

    def claimed(self, accounts: Collection[str]) -> None:
        self.polled |= set(accounts)
        self.muted -= set(accounts)

    def hide(self, accounts: Collection[str]) -> None:
        self.muted |= set(accounts)

    def lost(self, accounts: Collection[str]) -> None:
        self.polled -= set(accounts)

    def released(self, accounts: Collection[str]) -> None:
        """Release nothing."""

    # What happens.

    def tick(self) -> None:
        """Let a heartbeat arrive at once, and find all leases."""
        leases = dict.fromkeys(NAMES, 1)
        tick = Tick(self.now, self.now, (Peer("one", "same", 0.0),), leases, (), self.now)
        self.held.become(self.held.replica.after(tick))
        self.held.apply()

    def watch(self) -> None:
        self.held.become(self.held.replica)
        self.held.apply()

    def refuse(self) -> None:
        self.held.refuse("a", commit=True)

    def reload(self) -> None:
        self.held.begin_anew(["b"])

    def late(self) -> None:
        self.now += TTL

    def soon(self) -> None:
        self.now += 1.0


def test_what_was_hidden_begins_anew_though_a_tick_comes_before_it_has_ended() -> None:
    there = Surroundings()
    there.tick()
    there.settle()
    assert there.polled == NAMES
    there.late()
    there.watch()
    assert there.muted == NAMES
    there.tick()
    there.settle()
    assert there.polled == NAMES
    assert not there.muted


@settings(max_examples=examples(300))
@given(st.lists(st.sampled_from(["tick", "watch", "refuse", "reload", "late", "soon", "settle"]), max_size=20))
def test_whatever_happens_all_that_is_owned_is_polled_after_the_next_ticks(steps: list[str]) -> None:
    there = Surroundings()
    for step in steps:
        getattr(there, step)()
    for _ in range(2):
        there.settle()
        there.soon()
        there.tick()
    there.settle()
    assert there.polled == NAMES
    assert not there.muted
    assert there.held.running == dict.fromkeys(NAMES, 1)
