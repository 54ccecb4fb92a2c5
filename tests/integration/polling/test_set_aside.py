"""A record that the API fails to return by ID costs itself: whichever fail, however, and for however many polls."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.client import Client, Request
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import Item, document_batch, generations, invocation, workflow_batch
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.items import packagex_batch
from exporter.model.accounting import Rules
from exporter.model.record import FetchError, Key, Reason
from exporter.polling.collector.set_aside import LONGEST_PAUSE_SECONDS
from exporter.polling.poller import Poller
from exporter.state import SqliteState, prepared
from tests.support import counting
from tests.support.doubles import MemoryApi, MortalState
from tests.support.properties import examples
from tests.support.rig import HOUR, NOW, Rig

Kind = Literal["document_batches", "invocations", "batches", "workflow_batches"]
KINDS: tuple[Kind, ...] = ("document_batches", "invocations", "batches", "workflow_batches")
"""The last one is an account without the list."""
FAULTS: Mapping[str, tuple[Reason, int | None]] = {
    "hangs": (Reason.TIMEOUT, None),
    "breaks": (Reason.CONNECTION, None),
    "is endless": (Reason.TOO_LARGE, None),
    "500": (Reason.SERVER_ERROR, 500),
    "400": (Reason.CLIENT_ERROR, 400),
    "403": (Reason.AUTH, 403),
    "no JSON": (Reason.MALFORMED, 200),
}
TIMEOUTS = 3
"""Requests by ID of a poll that may end without an answer, but for those that find out whether the API returns any."""
ALL = "*"
"""Stands for each record, those on the list too."""


@dataclass
class Scene:
    """An account whose newest records have finished, with some in flight far below them, and an exporter."""

    rig: Rig
    kind: Kind
    count: int
    done: int = 36
    faults: dict[str, str] = field(default_factory=dict)
    """What happens to requests by ID, by the ID of a record that they name."""
    tried: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)
    """The requests by ID of the last poll, and whether each was answered."""
    silent: int = 0
    """How many of them ended without an answer."""

    def __post_init__(self) -> None:
        self.rig.system = "packagex" if self.kind == "batches" else "inkit"
        for n in range(self.done):
            self.put(f"done_{n:02}", NOW - 60 * n, done=True)
        self.open = [f"open_{n}" for n in range(self.count)]
        for n, name in enumerate(self.open):
            self.put(name, NOW - 5 * HOUR - HOUR * n, done=False)
        of_packagex = self.kind == "batches"
        self.api = MemoryApi(PackagexApi(self.rig.batches, "") if of_packagex else InkitApi(self.rig.world, ""))
        self.api.instead = self.answer
        self.poller = self.start()

    def start(self) -> Poller:
        names = tuple(item["id"] for item in self.items()) if self.kind == "workflow_batches" else ()
        api = cast("Client", self.api)
        self.poller = self.rig.poller(self.kind, asking=api, page_size=4, workflow_batch_ids=names)
        return self.poller

    def put(self, name: str, created: float, *, done: bool) -> None:
        work = {"box": generations(2, completed=1, failed=int(done))}
        if self.kind == "batches":
            self.rig.batches.add(packagex_batch(name, created, status="failed" if done else "processing"))
        elif self.kind == "invocations":
            statuses = {"box": "Failed" if done else "In Progress"}
            self.rig.world.add(self.kind, invocation(name, created, destinations=statuses))
        elif self.kind == "workflow_batches":
            self.rig.world.add(self.kind, workflow_batch(name, created, destinations=work))
        else:
            self.rig.world.add(self.kind, document_batch(name, created, destinations=work))

    def items(self) -> list[Item]:
        return self.rig.batches.items() if self.kind == "batches" else self.rig.world.items(self.kind)

    def end(self, name: str) -> None:
        """Let the work of a record end: it fails."""
        created = next(counting.created_at(item) for item in self.items() if item["id"] == name)
        self.put(name, created, done=True)

    def answer(self, _: int, request: Request) -> int | None:
        if request.path == "/invoke/batch":
            return 404
        ids = ids_of(request)
        fault = next((self.faults[name] for name in (*ids, ALL) if name in self.faults), None) if ids else None
        if ids:
            self.tried.append((ids, fault is None))
        if fault is None:
            return None
        reason, status = FAULTS[fault]
        self.silent += status is None
        raise FetchError(reason, fault, status)

    def poll(self, after: float = 60.0) -> bool:
        self.rig.clock.now += after
        self.tried.clear()
        self.silent = 0
        return self.poller.poll()

    def is_exact(self) -> bool:
        return self.rig.gauges(self.kind) == counting.gauges(self.kind, self.items())

    def known_to_be_open(self) -> set[str]:
        with self.rig.state.records(self.rig.account, self.kind, Rules()) as records:
            return {record_id for record_id, _ in records.in_flight(0.0)}

    def events(self) -> Counter[Key]:
        """What all records stand for in the counters."""
        return sum((counting.finished(self.kind, item) for item in self.items()), Counter[Key]())


def ids_of(request: Request) -> tuple[str, ...]:
    """The records that a request names."""
    if "data_id" in request.params:
        return tuple(request.params["data_id"].split(","))
    return () if "page" in request.params else (request.path.rpartition("/")[2],)


@contextmanager
def scene(kind: Kind, count: int, done: int = 36, *, begun: bool = True) -> Iterator[Scene]:
    """A scene whose exporter has polled once, if it has `begun`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        with prepared(path):
            pass
        with closing(MortalState(path)) as state:
            rig = Rig(cast("SqliteState", state))
            with rig.mock_api:
                made = Scene(rig, kind, count, done)
                assert not begun or made.poll()
                yield made


def heal(made: Scene) -> None:
    """End all faults. Within five minutes everything is true again."""
    made.faults.clear()
    assert made.poll(LONGEST_PAUSE_SECONDS + 1)
    assert made.is_exact()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_record_that_always_fails_costs_itself(kind: Kind, fault: str) -> None:
    """Requests for it become rare, the others are up to date at each poll, and metrics and log say what is missing."""
    with scene(kind, 3) as made:
        before = made.events()
        broken = made.open[0]
        made.faults[broken] = fault
        asked = []
        for number in range(20):
            if number == 10:
                for name in made.open:
                    made.end(name)
            assert made.poll(), made.poller.status.error
            assert made.known_to_be_open() == (set(made.open) if number < 10 else {broken})
            asked.append(sum(broken in ids for ids, _ in made.tried))
        assert sum(map(bool, asked)) <= 7, "after one, two, four, and then five minutes"
        assert any(asked[10:])
        assert made.rig.own(made.poller).rejected["not_answered"] == sum(map(bool, asked))
        heal(made)
        assert made.rig.events(kind) == made.events() - before


@pytest.mark.parametrize("fault", ["hangs", "500", "403"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 6])
def test_if_no_record_is_returned_each_poll_fails_and_costs_few_requests(kind: Kind, count: int, fault: str) -> None:
    with scene(kind, count) as made:
        made.faults[ALL] = fault
        if kind == "batches" and count == 6:
            # Lists by status have them.
            assert made.poll()
            return
        for number in range(6):
            assert not made.poll()
            assert made.poller.status.reason is FAULTS[fault][0]
            assert len(made.tried) <= (4 if number == 0 else 1)
        heal(made)


@pytest.mark.parametrize("kind", ["document_batches", "workflow_batches"])
def test_a_record_that_is_set_aside_does_not_hide_that_no_other_is_returned_any_more(kind: Kind) -> None:
    """Nothing else is in flight: a record that has finished shows whether the API still returns any."""
    with scene(kind, 1) as made:
        made.faults[made.open[0]] = "hangs"
        for _ in range(6):
            assert made.poll()
        made.faults[ALL] = "hangs"
        for number in range(8):
            assert not made.poll()
            assert made.silent <= (2 if number == 0 else 1)
        heal(made)


@pytest.mark.parametrize("kind", ["document_batches", "workflow_batches"])
def test_an_api_that_ends_in_the_middle_of_a_poll_is_not_asked_for_each_record_and_fails_the_poll(kind: Kind) -> None:
    with scene(kind, 14, done=90) as made:

        def end(_: int, request: Request) -> int | None:
            if len(made.tried) >= 4:
                made.faults[ALL] = "500"
            return made.answer(_, request)

        made.api.instead = end
        assert not made.poll()
        assert made.poller.status.reason is Reason.SERVER_ERROR
        assert len(made.tried) <= 4 + 3 + 2
        made.api.instead = made.answer
        heal(made)
        assert not made.rig.own(made.poller).rejected


@pytest.mark.parametrize("kind", KINDS)
def test_records_that_hang_cost_few_timeouts_also_where_they_would_show_whether_others_are_returned(kind: Kind) -> None:
    with scene(kind, 1) as made:
        made.faults.update(dict.fromkeys([*made.open, *(f"done_{n:02}" for n in range(3))], "hangs"))
        polls, silent = [], 0
        for _ in range(20):
            polls.append(made.poll())
            silent += made.silent
        assert all(polls[2:]), "another one each time"
        assert silent <= 7 + 3, "those of the record itself, and one of each other"
        heal(made)


@pytest.mark.parametrize("kind", ["document_batches", "workflow_batches"])
def test_many_records_that_hang_take_a_few_timeouts_a_poll_and_then_hide_no_other(kind: Kind) -> None:
    with scene(kind, 14, done=90) as made:
        slow = made.open[:9]
        made.faults.update(dict.fromkeys(slow, "hangs"))
        for _ in range(3):
            assert made.poll()
            assert made.silent <= TIMEOUTS
        for name in made.open:
            made.end(name)
        for _ in range(20):
            assert made.poll()
            assert made.silent <= TIMEOUTS
            assert made.known_to_be_open() == set(slow)
        heal(made)


def test_the_first_reading_of_an_account_without_a_list_ends_when_each_record_was_requested() -> None:
    with scene("workflow_batches", 14, begun=False) as made:
        slow = made.open[:7]
        made.faults.update(dict.fromkeys(slow, "hangs"))
        polls = [made.poll() for _ in range(4)]
        assert polls == [False, False, True, True]
        assert made.known_to_be_open() == set(made.open) - set(slow)
        before = made.events()
        for name in made.open:
            made.end(name)
        heal(made)
        late = sum(
            (counting.finished("workflow_batches", item) for item in made.items() if item["id"] in slow), Counter()
        )
        assert made.rig.events("workflow_batches") == made.events() - before - late, "those are no new events"


def test_of_many_records_in_one_request_the_one_that_breaks_it_is_found() -> None:
    with scene("invocations", 60) as made:
        made.faults[made.open[20]] = "hangs"
        for name in made.open:
            made.end(name)
        for _ in range(6):
            assert made.poll()
            assert made.silent <= TIMEOUTS
        assert made.known_to_be_open() == {made.open[20]}
        heal(made)


Step = tuple[dict[int, str], bool, int, str]
"""Which records fail and how, whether all do, the record that ends, and what else happens."""
STEPS: st.SearchStrategy[Step] = st.tuples(
    st.dictionaries(st.integers(0, 5), st.sampled_from(sorted(FAULTS)), max_size=6),
    st.integers(0, 4).map(lambda number: number == 0),
    st.integers(0, 8),
    st.sampled_from(["", "", "restart", "reconcile", "later"]),
)


@settings(max_examples=examples(25))
@given(kind=st.sampled_from(KINDS), count=st.integers(1, 6), steps=st.lists(STEPS, min_size=1, max_size=6))
def test_whichever_records_fail_others_are_up_to_date_and_truth_returns(
    kind: Kind, count: int, steps: list[Step]
) -> None:
    with scene(kind, count) as made:
        before, failed = made.events(), set[str]()
        for failing, everything, ending, more in steps:
            made.faults = {f"open_{n}": fault for n, fault in failing.items() if n < count}
            failed |= made.faults.keys()
            if everything:
                made.faults[ALL] = "hangs"
            if ending < count:
                made.end(f"open_{ending}")
            if more == "restart":
                made.start()
            good = made.poll(HOUR if more == "reconcile" else 300.0 if more == "later" else 60.0)
            assert made.silent <= TIMEOUTS + 2
            if not everything:
                assert good, made.poller.status.error
            elif good:
                assert made.is_exact() or not made.tried, "nothing old is shown as fresh"
            if good and made.silent < TIMEOUTS:
                true = {item["id"] for item in made.items() if counting.in_flight(kind, item)}
                assert made.known_to_be_open() - true <= failed, "the others are up to date"
        heal(made)
        assert made.rig.events(kind) == made.events() - before, "each event is counted once"
