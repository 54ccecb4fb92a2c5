"""Whatever happens to records, requests and the program itself, gauges and counters are those of a model."""

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Literal, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from exporter.client import Client, Request
from exporter.demo.faults import ListFaults
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import Item, Kind, document_batch, generations, invocation
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import packagex_batch, phase
from exporter.demo.packagex.listing import PackagexReadings
from exporter.demo.world import World
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.accounting import Rules
from exporter.model.record import FetchError, Key, Reason
from exporter.polling.collector import Collector, Limits
from exporter.polling.collector.list_end import ACCEPTED_AFTER
from exporter.polling.poller import Poller
from exporter.polling.publisher import Output, Pace
from exporter.state import Records, prepared
from exporter.systems import sources
from exporter.systems.base import Options
from tests.support import counting
from tests.support.doubles import Killed, MemoryApi, MortalState
from tests.support.model import Model, Tracked
from tests.support.properties import examples
from tests.support.rig import DAY, HOUR, Clock

RECONCILE = 100.0
MAX_AGE = 4.5 * DAY
# Windows end at noon, records are created around midnight: none leaves while something else is going on.
LOOKBACKS = (1.5 * DAY, 2.5 * DAY, 3.5 * DAY)
AGES = st.sampled_from([0.0, 0.5, 20.0, 20.0, 600.0])
REFUSALS = (400, 404, 410, 422)
LIST_FAULTS = st.sampled_from(
    [
        ListFaults(),
        ListFaults(total_count=3),
        ListFaults(total_count=4),
        ListFaults(total_count=8),
        ListFaults(total_count=100),
        ListFaults(total_count="missing"),
        ListFaults(page_count=1),
        ListFaults(page_count=40),
        ListFaults(total_count="missing", page_count=40),
        ListFaults(has_more=True),
        ListFaults(has_more=False),
        ListFaults(has_more=True, total_count="missing"),
        ListFaults(has_more=False, total_count="missing"),
        ListFaults(repeat_ids=True),
    ]
)
LEAPS = st.sampled_from([-40 * DAY, -DAY, -3 * HOUR, 3 * HOUR, DAY, 8 * DAY, 400 * DAY])


LABELED = {
    family.name: len(family.labels) - 1
    for source in sources().values()
    for family in source.families
    if family.optional
}
"""By family, how long its keys are without the label that only some accounts have."""


def bare(key: Key) -> Key:
    """Return a series without that label."""
    return key[: LABELED.get(key[0])]


class Machine(RuleBasedStateMachine):
    """A world, an exporter that polls it, and the model of what the exporter must say."""

    kind: Kind | counting.Batches = "document_batches"
    system = "inkit"
    everything = ("search", "x_")
    """A filter that lets all records through."""
    last_good = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        self.resources.enter_context(prepared(folder / "state.db"))
        self.clock = Clock()
        self.api = self.served()
        self.state = self.resources.enter_context(closing(MortalState(folder / "state.db")))
        self.model = Model(self.kind, self.clock, LOOKBACKS[1], MAX_AGE)
        self.published: dict[str, float] = {}
        self.leapt = 0.0
        """By how much the exporter's clock is wrong."""
        self.alone = False
        """Whether each poll is made by a program of its own, as with `once`."""
        self.filtered = False
        self.labeled = False
        self.start()

    def teardown(self) -> None:
        self.resources.close()

    # Where records are

    def served(self) -> MemoryApi:
        self.world = World(random.Random(0), self.clock)
        return MemoryApi(InkitApi(self.world, ""))

    def keep(self, item: Item) -> None:
        assert self.kind != "batches"
        self.world.add(self.kind, item)

    def remove(self, name: str) -> None:
        assert self.kind != "batches"
        self.world.remove(self.kind, name)

    # What is done to the exporter

    def start(self) -> None:
        """Begin a new program on the same state file."""
        source = sources()[self.system]
        limits = Limits(self.model.lookback, RECONCILE, MAX_AGE, page_size=4, allowance=3)
        filters = dict([self.everything]) if self.filtered else {}
        labeled = self.labeled and self.kind == "invocations"
        listing = source.listing(self.kind, Options(filters, workflow_label=labeled))
        self.store = SnapshotStore()
        self.status = CollectorStatus("prod", self.system, self.kind)
        self.poller = Poller(
            Collector(listing, source.families, limits, str(filters), labels="workflow" if labeled else ""),
            cast("Client", self.api),
            self.state,
            Output(self.store.publish, lambda: self.store.last_scrape),
            self.status,
            Pace(60.0, 600.0, 3600.0),
            labeled,
            clock=lambda: self.clock.now + self.leapt,
            ticks=self.clock,
        )

    def poll(self, after: float = 1.0) -> bool:
        self.clock.now += after
        self.api.asked = 0
        if self.alone:
            self.start()
        try:
            good = self.poller.poll()
        except Killed:
            self.start()
            good = False
        finally:
            self.state.statements = None
            self.api.before = self.api.instead = None
        self.model.polled(good)
        if self.truncated():
            self.model.no_new_event_before(self.clock.now + 0.5)
        if good:
            self.last_good = self.clock.now
        self.look()
        return good

    def look(self) -> None:
        """Check a scrape: counters never fall, and nothing is shown before a successful poll."""
        if not self.store.snapshot.collectors:
            return
        shown = self.store.snapshot.collectors[0]
        if self.status.last_success is None:
            assert not shown.gauges
        elif self.status.finished + self.status.in_flight:
            assert shown.gauges
        for family in shown.counters:
            if not family.endswith("_total"):
                continue
            for line in shown.counters[family].text.decode().splitlines():
                series, _, value = line.rpartition(" ")
                assert float(value) >= self.published.get(series, 0.0)
                self.published[series] = float(value)

    def settle(self) -> None:
        """Let all of the window be read again, from its beginning, and compare everything."""
        # The first reading may have begun earlier. Without requests by ID, two must show that a record is gone.
        for _ in range(3 if self.filtered else 2):
            self.poll(RECONCILE)
            begun = self.clock.now
            for _ in range(40):
                if (self.status.last_reconcile or 0.0) >= begun and self.status.up:
                    break
                assert self.poll()
            else:
                pytest.fail("the reconciliation does not end")
        # A record that was absent at the last poll is taken for deleted at the next one.
        for _ in range(3):
            assert self.poll()
        self.model.account_for_everything()
        with self.records() as records:
            sums = records.sums()
        shown: Counter[Key] = Counter()
        counted: Counter[Key] = Counter()
        for key, total in sums.gauges.items():
            if key[0].startswith(f"{self.system}_"):
                assert key[0] not in LABELED or len(key) == LABELED[key[0]] + self.labeled
                shown[bare(key)] += total
        for key, count in sums.counters.items():
            if key[0].startswith(f"{self.system}_"):
                counted[bare(key)] += count.counted
        assert shown == self.model.gauges()
        assert not self.truncated()
        certain = self.model.certain
        assert certain - counted == {}, "an event was lost"
        assert counted - (certain + self.model.possible + self.model.pending()) == {}, "an event was counted twice"

    def records(self) -> AbstractContextManager[Records]:
        return self.state.records("prod", self.kind, Rules.of(sources()[self.system].families))

    def truncated(self) -> bool:
        """Return whether the exporter finds that it does not get the whole window."""
        with self.state.records("prod", self.kind, Rules()) as records:
            return records.checkpoint.broken_polls >= ACCEPTED_AFTER

    # What happens

    def put(self, item: Item) -> None:
        self.keep(item)
        self.model.put(item)

    def add(self, age: float, days: int, done: int, failed: int) -> None:
        created = self.clock.now - age - days * DAY
        name = f"x_{len(self.model.records)}"
        if self.kind == "invocations":
            statuses = {0: "In Progress", 1: "Completed", 2: "Failed"}
            destinations = {"box": statuses[min(2, done)], "sepire": statuses[min(2, failed)]}
            self.put(invocation(name, created, destinations=destinations))
        else:
            work = {"sepire": generations(4, completed=done, failed=failed)} if done + failed else {}
            self.put(document_batch(name, created, destinations=work, total=4))

    def some(self, place: int, fits: Callable[[Tracked], bool]) -> Tracked | None:
        fitting = [tracked for tracked in self.model.records.values() if fits(tracked)]
        return fitting[place % len(fitting)] if fitting else None

    def is_open(self, tracked: Tracked) -> bool:
        return tracked.there and counting.in_flight(self.kind, tracked.item)

    def change(self, tracked: Tracked, before: str, after: str) -> None:
        """Let one piece of work of a record go from one status to another."""
        item = tracked.item
        if self.kind == "invocations":
            statuses = {name: state["status"] for name, state in item["destinations"].items()}
            names = [name for name, status in statuses.items() if counting.word(status) == before]
            if names:
                statuses[names[0]] = {"in_progress": "In Progress"}.get(after, after.capitalize())
                self.put(invocation(item["id"], tracked.created, destinations=statuses))
            return
        counts = dict(item["destinations"].get("sepire") or generations(4))
        if counts[before]:
            counts[before] -= 1
            counts[after] += 1
            work = {"sepire": generations(4, completed=counts["completed"], failed=counts["failed"])}
            self.put(document_batch(item["id"], tracked.created, destinations=work, total=4))

    @initialize(sizes=st.lists(st.tuples(AGES, st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), max_size=14))
    def some_are_there_before(self, sizes: list[tuple[float, int, int, int]]) -> None:
        for size in sizes:
            self.add(*size)

    @initialize(alone=st.booleans())
    def how_it_runs(self, alone: bool) -> None:
        self.alone = alone

    @rule(after=st.sampled_from([1.0, 60.0, RECONCILE]))
    def poll_well(self, after: float) -> None:
        assert self.poll(after)

    @rule(number=st.integers(1, 8))
    def poll_with_a_fault(self, number: int) -> None:
        def fail(asked: int) -> None:
            if asked == number:
                raise FetchError(Reason.SERVER_ERROR, "fault")

        self.api.before = fail
        self.poll(60.0)

    @rule(
        number=st.integers(1, 12),
        status=st.sampled_from([*REFUSALS, 500, 200]),
        by_id=st.booleans(),
        after=st.sampled_from([1.0, RECONCILE]),
    )
    def a_request_is_refused_or_answered_with_nothing(
        self, number: int, status: int, by_id: bool, after: float
    ) -> None:
        """Refuse or empty one answer: that to any request, or to the first one that asks for a record by its ID."""
        left = [1]

        def instead(asked: int, request: Request) -> int | None:
            hit = ("data_id" in request.params or "page" not in request.params) if by_id else asked == number
            if not hit or not left or (by_id and status == 200):
                return None
            left.clear()
            return status

        self.api.instead = instead
        self.poll(after)

    @rule(status=st.sampled_from(REFUSALS), polls=st.integers(1, 4))
    def no_record_is_found_by_its_id(self, status: int, polls: int) -> None:
        for _ in range(polls):
            self.api.instead = lambda _, request: None if "page" in request.params else status
            self.poll()

    @rule(
        list_faults=LIST_FAULTS,
        beyond=st.sampled_from(["empty", "refused", "last", "first"]),
        polls=st.integers(1, 4),
        after=st.sampled_from([1.0, RECONCILE]),
    )
    def the_list_is_wrong_about_its_end(
        self, list_faults: ListFaults, beyond: Literal["empty", "refused", "last", "first"], polls: int, after: float
    ) -> None:
        self.api.list_faults, self.api.beyond = list_faults, beyond
        for _ in range(polls):
            self.poll(after)
        self.api.list_faults = ListFaults()

    @rule(
        pages=st.integers(1, 4),
        status=st.sampled_from([None, *REFUSALS]),
        polls=st.integers(1, 5),
        after=st.sampled_from([1.0, RECONCILE]),
    )
    def the_list_can_not_be_read_beyond_some_page(
        self, pages: int, status: int | None, polls: int, after: float
    ) -> None:
        self.api.limit = pages, status
        for _ in range(polls):
            self.poll(after)
        self.api.limit = None

    @rule(seconds=LEAPS, polls=st.integers(1, 5), restarts=st.booleans(), failed=st.integers(0, 2))
    def the_clock_leaps_and_comes_back(self, seconds: float, polls: int, restarts: bool, failed: int) -> None:
        if not self.last_good:
            assert self.poll()
        self.leapt = seconds
        for _ in range(polls):
            if restarts:
                self.start()
            if self.model.begun:
                self.add(0.0, 0, 0, failed)
            self.poll(60.0)
        self.leapt = 0.0

    @rule(
        switches=st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 6)), min_size=1, max_size=5),
        place=st.integers(0, 20),
    )
    def other_filters_and_labels_are_configured(self, switches: list[tuple[bool, bool, int]], place: int) -> None:
        """Switch filters and labels while things happen. Before and after that, all records are requested."""
        self.settle()
        for filtered, labeled, fault in switches:
            if filtered != self.filtered:
                self.model.no_new_event_before(self.last_good + 0.1)
                if filtered and self.kind == "document_batches":
                    self.model.asked_for_something_else()
            self.filtered, self.labeled = filtered, labeled and self.kind == "invocations"
            self.start()
            self.clock.now += 1.0
            if self.model.begun:
                self.add(0.0, 0, 1, 2)
                tracked = self.some(
                    place, lambda tracked: self.is_open(tracked) and tracked.known and self.model.inside(tracked)
                )
                if tracked is not None:
                    self.change(tracked, "in_progress", "failed")
            self.api.instead = lambda asked, _, fault=fault: 500 if asked == fault else None
            if self.poll():
                self.model.account_for_everything()
        self.settle()

    @rule(statements=st.integers(0, 120), after=st.sampled_from([1.0, RECONCILE]))
    def die_between_two_statements(self, statements: int, after: float) -> None:
        self.state.statements = statements
        self.poll(after)

    @rule()
    def restart(self) -> None:
        self.start()

    @rule()
    def compare(self) -> None:
        self.settle()

    @precondition(lambda self: self.model.begun)
    @rule(age=AGES, days=st.integers(0, 3), done=st.integers(0, 2), failed=st.integers(0, 2), times=st.integers(1, 6))
    def records_appear(self, age: float, days: int, done: int, failed: int, times: int) -> None:
        for _ in range(times):
            self.add(age, days, done, failed)

    @precondition(lambda self: self.model.begun)
    @rule(place=st.integers(0, 20), after=st.sampled_from(["completed", "failed"]), times=st.integers(1, 3))
    def work_ends(self, place: int, after: str, times: int) -> None:
        tracked = self.some(place, self.is_open)
        if tracked is not None:
            if not self.model.inside(tracked):
                times = 1
            for _ in range(times):
                self.change(tracked, "in_progress", after)

    @precondition(lambda self: self.model.begun)
    @rule(place=st.integers(0, 20), ways=st.sampled_from([("failed", "in_progress"), ("completed", "failed")]))
    def work_is_taken_back(self, place: int, ways: tuple[str, str]) -> None:
        """Let a retry or a late failure lower a count, which must be seen to have risen and to have fallen."""
        tracked = self.some(place, lambda tracked: tracked.there and self.model.inside(tracked))
        if tracked is not None:
            self.settle()
            self.change(tracked, *ways)
            self.settle()

    @precondition(lambda self: self.model.begun)
    @rule(place=st.integers(0, 20), number=st.integers(0, 4))
    def a_record_goes_away(self, place: int, number: int) -> None:
        """Remove a record, also in the middle of a poll, before one of its requests."""
        tracked = self.some(place, lambda tracked: tracked.there and self.model.inside(tracked))
        if tracked is None:
            return

        def remove(asked: int = 0) -> None:
            if asked == number and tracked.there:
                self.remove(tracked.item["id"])
                tracked.there = False

        self.api.before = remove
        remove()
        self.poll()

    @precondition(lambda self: self.model.begun)
    @rule(place=st.integers(0, 20))
    def a_record_comes_back(self, place: int) -> None:
        tracked = self.some(place, lambda tracked: not tracked.there)
        if tracked is not None:
            self.put(tracked.item)

    @precondition(lambda self: self.model.begun)
    @rule(number=st.integers(1, 6), days=st.integers(0, 1))
    def a_record_appears_while_the_list_is_read(self, number: int, days: int) -> None:
        def insert(asked: int) -> None:
            if asked == number:
                self.add(0.0, days, 0, 1)

        self.api.before = insert
        self.poll()

    @precondition(lambda self: self.model.begun)
    @rule()
    def a_day_passes(self) -> None:
        self.settle()
        self.clock.now += DAY
        self.settle()

    @precondition(lambda self: self.model.begun)
    @rule(lookbacks=st.lists(st.tuples(st.sampled_from(LOOKBACKS), st.integers(0, 80)), min_size=1, max_size=3))
    def the_window_is_changed(self, lookbacks: list[tuple[float, int]]) -> None:
        """Change the lookback, and change it again before the first change has ended.

        The model never looks back further than the last lookback, so that it is known which records were met.
        """
        self.settle()
        for lookback, statements in lookbacks:
            self.model.lookback = min(lookback, lookbacks[-1][0])
            self.start()
            self.state.statements = statements
            self.poll()
        self.start()
        self.settle()


PROFILE = settings(
    max_examples=examples(20), stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


class Invocations(Machine):
    kind: Kind | counting.Batches = "invocations"


class PackagexBatches(Machine):
    kind: Kind | counting.Batches = "batches"
    system = "packagex"
    everything = ("resource", "contact")
    order: Literal["oldest_first", "newest_first"] = "oldest_first"

    def served(self) -> MemoryApi:
        self.batches = Batches(random.Random(0), self.clock)
        return MemoryApi(PackagexApi(self.batches, "", PackagexReadings(order=self.order)))

    def keep(self, item: Item) -> None:
        self.batches.add(item)

    def remove(self, name: str) -> None:
        self.batches.remove(name)

    def add(self, age: float, days: int, done: int, failed: int) -> None:
        created = self.clock.now - age - days * DAY
        self.put(self.batch(f"x_{len(self.model.records)}", created, {"success": done, "error": failed}))

    def batch(self, name: str, created: float, counts: Mapping[str, int]) -> Item:
        done = sum(counts[outcome] for outcome in ("success", "error"))
        ended = "failed" if counts["error"] > 1 else "completed"
        status = "requested" if not done else "processing" if done < 4 else ended
        phases = [phase("processing", 4, counts["success"], counts["error"])] if done else []
        return packagex_batch(name, created, status=status, phases=phases, stats={"created": counts["success"]})

    def change(self, tracked: Tracked, before: str, after: str) -> None:
        names = {"completed": "success", "failed": "error", "in_progress": "open"}
        phases = tracked.item["phases"] or [phase("processing", 4)]
        counts = {"success": phases[0]["success"], "error": phases[0]["error"]}
        counts["open"] = 4 - counts["success"] - counts["error"]
        if counts[names[before]]:
            counts[names[before]] -= 1
            counts[names[after]] += 1
            self.put(self.batch(tracked.item["id"], tracked.created, counts))


class PackagexNewestFirst(PackagexBatches):
    order: Literal["oldest_first", "newest_first"] = "newest_first"


@pytest.mark.parametrize("machine", [Machine, Invocations, PackagexBatches, PackagexNewestFirst])
def test_whatever_happens_nothing_is_lost_and_nothing_counted_twice(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=PROFILE)
