"""A newest page whose bytes are those of the last poll is not decoded, and nothing else follows from that."""

import random
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from exporter.client import Client
from exporter.demo.faults import Lies
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import Item, document_batch, generations, invocation
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.packagex.listing import PackagexReadings
from exporter.demo.world import World
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.polling.collector import Collector, Limits
from exporter.polling.poller import Poller
from exporter.polling.publisher import Output, Pace
from exporter.state import State, prepared
from exporter.systems import sources
from exporter.systems.base import Options
from tests.support import counting
from tests.support.doubles import MemoryApi, MortalState
from tests.support.properties import examples
from tests.support.replay import Recorder, Replay, contents
from tests.support.rig import DAY, HOUR, Clock

LOOKBACK = HOUR
RECONCILE = 20 * 60.0
AGES = st.sampled_from([-1000.0, -5.0, 0.0, 0.5, 20.0, 400.0, 3000.0, 3590.0, 3650.0, 5000.0, 2 * DAY])
PAUSES = st.sampled_from([1.0, 1.0, 60.0, 60.0, 400.0, RECONCILE])
UNREADABLE = "Unreadable"
STATUSES = st.sampled_from(["Completed", "Failed", "In Progress", "In Progress", "Odd", UNREADABLE])
LIES = st.sampled_from(
    [
        Lies(),
        Lies(order="ascending"),
        Lies(order="shuffled"),
        Lies(total_count=3),
        Lies(total_count="missing"),
        Lies(page_count=1),
        Lies(has_more=True),
        Lies(has_more=False),
        Lies(ignore_page_size=True),
        Lies(ignore_filters=True),
        Lies(repeat_ids=True),
    ]
)


class Twins(RuleBasedStateMachine):
    """A world, an exporter that polls it, and one that never takes a page for known and hears the same answers."""

    system = "inkit"
    kind: Literal["document_batches", "invocations", "batches"] = "document_batches"
    unchanged = 0
    """How often a page was known."""

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        self.clock, self.ticks = Clock(), Clock()
        self.api = self.served()
        self.recorder = Recorder(self.api)
        folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        self.states = [MortalState(folder / name) for name in ("state.db", "twin.db")]
        for state in self.states:
            self.resources.enter_context(prepared(state.path))
        self.lookback, self.page_size = LOOKBACK, 4
        self.names = 0
        self.start()

    def teardown(self) -> None:
        self.resources.close()

    def served(self) -> MemoryApi:
        self.world: Any = World(random.Random(0), self.clock)
        return MemoryApi(InkitApi(self.world, ""))

    def item(self, name: str, created: float, status: str) -> Item:
        if self.kind == "invocations":
            return invocation(name, created, status=status, destinations={"box": status})
        done = status in ("Completed", "Failed")
        work = generations(2, completed=int(done), failed=int(status == "Failed"))
        return document_batch(name, created, status=status, destinations={"sepire": work} if done else {}, total=2)

    def add(self, item: Item) -> None:
        self.world.add(self.kind, item)

    def items(self) -> list[Item]:
        return sorted(self.world.items(self.kind), key=lambda item: str(item["id"]))

    def remove(self, name: str) -> None:
        self.world.remove(self.kind, name)

    def put(self, name: str, created: float, status: str) -> None:
        item = self.item(name, created, status)
        self.add({**item, "status": 5} if status == UNREADABLE else item)

    def start(self) -> None:
        """Begin a new program on each state file."""
        clients = (self.recorder, Replay(self.recorder))
        self.boards = [SnapshotStore(), SnapshotStore()]
        self.facts = [CollectorStatus("prod", self.system, self.kind) for _ in clients]
        source = sources()[self.system]
        limits = Limits(self.lookback, RECONCILE, DAY, page_size=self.page_size, allowance=3)
        self.pollers = [
            Poller(
                Collector(source.listing(self.kind, Options()), source.families, limits),
                cast("Client", client),
                cast("State", state),
                Output(board.publish, lambda board=board: board.last_scrape),  # type: ignore[misc]
                facts,
                Pace(60.0, 600.0, 3600.0),
                clock=self.clock,
                ticks=self.ticks,
            )
            for client, state, board, facts in zip(clients, self.states, self.boards, self.facts, strict=True)
        ]

    def poll(self, after: float) -> None:
        self.clock.now += after
        self.ticks.now += after
        self.api.asked = 0
        self.recorder.unchanged = 0
        good = self.pollers[0].poll()
        self.api.before = self.api.instead = None
        assert self.pollers[1].poll() is good
        assert not self.recorder.heard
        type(self).unchanged += self.recorder.unchanged
        assert contents(self.states[0].path) == contents(self.states[1].path)
        assert self.facts[0] == self.facts[1]
        assert self.boards[0].snapshot.collectors == self.boards[1].snapshot.collectors

    @initialize(
        ages=st.lists(st.tuples(AGES, STATUSES), max_size=14),
        page_size=st.sampled_from([3, 4, 100]),
        even=st.booleans(),
    )
    def some_are_there_before(self, ages: list[tuple[float, str]], page_size: int, even: bool) -> None:
        self.page_size = page_size
        self.start()
        for place, (age, status) in enumerate(ages):
            self.records_appear(place * 300.0 if even else age, status, 1)

    @rule(pauses=st.lists(PAUSES, min_size=1, max_size=6))
    def quiet_polls(self, pauses: list[float]) -> None:
        for pause in pauses:
            self.poll(pause)

    @rule(age=AGES, status=STATUSES, times=st.integers(1, 5))
    def records_appear(self, age: float, status: str, times: int) -> None:
        for _ in range(times):
            self.names += 1
            self.put(f"x_{self.names}", self.clock.now - age, status)

    @rule(place=st.integers(0, 30), age=AGES, status=STATUSES, moves=st.booleans())
    def a_record_changes(self, place: int, age: float, status: str, moves: bool) -> None:
        """Perhaps it is also created at another time."""
        if items := self.items():
            item = items[place % len(items)]
            created = self.clock.now - age if moves else counting.created_at(item)
            self.put(item["id"], created, status)

    @rule(place=st.integers(0, 30))
    def a_record_goes_away(self, place: int) -> None:
        if items := self.items():
            self.remove(items[place % len(items)]["id"])

    @rule(place=st.integers(0, 30), status=STATUSES, number=st.integers(1, 6), after=PAUSES)
    def something_happens_while_the_list_is_read(self, place: int, status: str, number: int, after: float) -> None:
        def happen(asked: int) -> None:
            if asked == number:
                self.records_appear(0.0, status, 1)
                self.a_record_changes(place, 0.0, status, moves=False)

        self.api.before = happen
        self.poll(after)

    @rule(number=st.integers(1, 6), status=st.sampled_from([400, 404, 422, 500, 200]), after=PAUSES)
    def a_request_fails(self, number: int, status: int, after: float) -> None:
        self.api.instead = lambda asked, _: status if asked == number else None
        self.poll(after)
        self.poll(1.0)

    @rule(after=PAUSES)
    def records_asked_for_by_id_are_ahead_of_the_list(self, after: float) -> None:
        """The list is from a cache: what is fetched by ID is newer than what the list says next."""
        cached = self.items()

        def happen(asked: int) -> None:
            for item in cached if asked > 1 else ():
                if asked == 2:
                    self.put(item["id"], counting.created_at(item), "Completed")
                else:
                    self.add(item)

        self.api.before = happen
        self.poll(after)
        self.poll(1.0)

    @rule(lies=LIES, beyond=st.sampled_from(["empty", "refused", "last", "first"]), pauses=st.lists(PAUSES, max_size=4))
    def the_list_lies(self, lies: Lies, beyond: Any, pauses: list[float]) -> None:
        self.api.lies, self.api.beyond = lies, beyond
        self.quiet_polls(pauses)

    @rule(pages=st.integers(1, 4), status=st.sampled_from([None, 400, 404]), pauses=st.lists(PAUSES, max_size=4))
    def the_list_can_not_be_read_to_its_end(self, pages: int, status: int | None, pauses: list[float]) -> None:
        self.api.limit = pages, status
        self.quiet_polls(pauses)
        self.api.limit = None

    @rule(
        seconds=st.sampled_from([-200.0, -290.0, 200.0, 290.0, -HOUR, -DAY, HOUR, DAY]),
        pauses=st.lists(PAUSES, max_size=4),
    )
    def the_clock_is_set(self, seconds: float, pauses: list[float]) -> None:
        self.clock.now += seconds
        self.quiet_polls(pauses)

    @rule(lookback=st.sampled_from([LOOKBACK / 2, LOOKBACK, 3 * LOOKBACK]))
    def the_program_starts_again(self, lookback: float) -> None:
        self.lookback = lookback
        self.start()

    @rule()
    def the_state_is_written_by_another_program(self) -> None:
        """What is known of a page is not: all records were read by the program that wrote the state."""
        for state in self.states:
            with closing(sqlite3.connect(state.path)) as connection:
                connection.execute("DELETE FROM records WHERE id LIKE '%1'")
                connection.execute("UPDATE collectors SET marks = json_set(marks, '$.polled_at', 1.0)")
                connection.commit()


class Invocations(Twins):
    kind: Literal["document_batches", "invocations", "batches"] = "invocations"
    unchanged = 0


class Packagex(Twins):
    system = "packagex"
    kind: Literal["document_batches", "invocations", "batches"] = "batches"
    unchanged = 0
    order: Literal["oldest_first", "newest_first"] = "oldest_first"

    def served(self) -> MemoryApi:
        self.world = Batches(random.Random(0), self.clock)
        return MemoryApi(PackagexApi(self.world, "", PackagexReadings(order=self.order)))

    def item(self, name: str, created: float, status: str) -> Item:
        words = {"Completed": "completed", "Failed": "failed", "In Progress": "processing"}
        return packagex_batch(name, created, status=words.get(status, status))

    def add(self, item: Item) -> None:
        self.world.add(item)

    def items(self) -> list[Item]:
        return sorted(self.world.items(), key=lambda item: str(item["id"]))

    def remove(self, name: str) -> None:
        self.world.remove(name)


class PackagexNewestFirst(Packagex):
    unchanged = 0
    order: Literal["oldest_first", "newest_first"] = "newest_first"


PROFILE = settings(
    max_examples=examples(25), stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("twins", [Twins, Invocations, Packagex, PackagexNewestFirst])
def test_whatever_happens_a_known_page_means_what_it_meant_when_it_was_decoded(twins: type[Twins]) -> None:
    run_state_machine_as_test(twins, settings=PROFILE)
    assert twins.unchanged
