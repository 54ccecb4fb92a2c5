"""The cost of polls of a list that has become quiet, from the first reading on."""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from exporter.client import Client
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import Item, Kind, document_batch, invocation, workflow_batch
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.packagex.listing import PackagexReadings
from exporter.demo.world import World
from exporter.exposition.status import CollectorStatus
from exporter.polling.collector import Collector, Limits
from exporter.polling.poller import Poller
from exporter.polling.publisher import Output, Pace
from exporter.state import prepared
from exporter.systems import sources
from exporter.systems.base import Listing, Options, Page
from tests.support.doubles import MemoryApi, MortalState
from tests.support.rig import DAY, HOUR, NOW, Clock, Rig, own_counters

RECONCILED_NEVER = 1e9
ITEMS: dict[str, Callable[..., Item]] = {
    "document_batches": document_batch,
    "workflow_batches": workflow_batch,
    "invocations": invocation,
    "batches": packagex_batch,
}
IN_FLIGHT: dict[str, Item] = {
    "document_batches": {"status": "In Progress"},
    "workflow_batches": {"status": "In Progress"},
    "invocations": {"status": "In Progress", "destinations": {"box": "In Progress"}},
    "batches": {"status": "processing"},
}


@dataclass
class Reading:
    """A listing that counts the answers it reads, and a poller of it. Nothing is over HTTP."""

    clock: Clock
    state: MortalState
    collector: str
    order: Literal["oldest_first", "newest_first"] = "newest_first"
    options: Options = field(default_factory=Options)
    pages: int = 0
    rows: int = 0
    """Rows of pages that were read."""
    statements: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        system = "packagex" if self.collector == "batches" else "inkit"
        source = sources()[system]
        self.world = World(random.Random(0), self.clock)
        self.batches = Batches(random.Random(0), self.clock)
        packagex = PackagexApi(self.batches, "", PackagexReadings(order=self.order))
        self.api = MemoryApi(packagex if system == "packagex" else InkitApi(self.world, ""))
        self.listing = source.listing(self.collector, self.options)
        self.state.trace = self.statements.append
        limits = Limits(7 * DAY, HOUR, 30 * DAY, page_size=25, allowance=30)
        self.poller = Poller(
            Collector(cast("Listing", self), source.families, limits),
            cast("Client", self.api),
            self.state,
            Output(lambda _: None, lambda: None),
            CollectorStatus("prod", system, self.collector),
            Pace(60.0, 600.0, HOUR),
            clock=self.clock,
            ticks=self.clock,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.listing, name)

    def read_page(self, answer: Any) -> Page:
        self.pages += 1
        page = self.listing.read_page(answer)
        self.rows += page.rows
        return page

    def read_by_id(self, answer: Any) -> Page:
        self.pages += 1
        return self.listing.read_by_id(answer)

    def add(self, name: str, age: float, **fields: Any) -> None:
        item = ITEMS[self.collector](name, self.clock.now - age, **fields)
        if self.collector == "batches":
            self.batches.add(item)
        else:
            self.world.add(cast("Kind", self.collector), item)

    def poll(self, after: float = 60.0) -> tuple[int, int, int]:
        """Poll. Return how many requests were made, answers read and pages of records looked up in the state."""
        self.clock.now += after
        self.api.asked = self.pages = self.rows = 0
        self.statements.clear()
        assert self.poller.poll()
        return self.api.asked, self.pages, sum("AND id IN (" in statement for statement in self.statements)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[MortalState]:
    with prepared(tmp_path / "state.db"), closing(MortalState(tmp_path / "state.db")) as made:
        yield made


@pytest.mark.parametrize("count", [20, 60])
@pytest.mark.parametrize(
    ("collector", "order"),
    [
        ("document_batches", "newest_first"),
        ("invocations", "newest_first"),
        ("batches", "newest_first"),
        ("batches", "oldest_first"),
    ],
)
def test_a_page_that_has_not_changed_is_neither_read_nor_looked_up(
    state: MortalState, collector: str, order: Literal["oldest_first", "newest_first"], count: int
) -> None:
    reading = Reading(Clock(), state, collector, order)
    for number in range(count):
        reading.add(f"x_{number}", HOUR + number * 60)
    reading.poll()
    reading.poll()
    for _ in range(3):
        assert reading.poll() == (1, 0, 0)
    reading.add("x_new", 0.0)
    assert reading.poll()[1:] != (0, 0)
    assert reading.poll() == (1, 1, 1)
    assert reading.poll() == (1, 0, 0)


@pytest.mark.parametrize(
    ("collector", "order"),
    [
        ("document_batches", "newest_first"),
        ("invocations", "newest_first"),
        ("batches", "newest_first"),
        ("batches", "oldest_first"),
    ],
)
def test_beside_a_record_that_is_new_or_has_changed_no_other_is_read_or_looked_up(
    state: MortalState, collector: str, order: Literal["oldest_first", "newest_first"]
) -> None:
    reading = Reading(Clock(), state, collector, order)
    for number in range(20):
        reading.add(f"x_{number}", HOUR + number * 60)
    reading.poll()
    reading.poll()
    for number in range(4):
        reading.add(f"x_new_{number}", 0.0)
        reading.poll()
        looked_up = names(reading.statements)
        # The one that was new in the poll before is read again: it is left if nothing changes it.
        expected = {f"x_new_{number}", *([f"x_new_{number - 1}"] if number else [])}
        assert reading.rows == len(expected)
        assert looked_up == expected
    reading.add("x_7", HOUR + 7 * 60, **IN_FLIGHT[collector])
    reading.poll()
    assert reading.rows == 2


def names(statements: Iterable[str]) -> set[str]:
    """Return the IDs that these statements look up."""
    return {
        name for statement in statements for name in re.findall(r"'(x_\w+)'", statement.partition("AND id IN (")[2])
    }


def test_only_records_in_flight_that_are_not_on_the_page_are_asked_for(state: MortalState) -> None:
    reading = Reading(Clock(), state, "invocations")
    for number in range(60):
        status = "In Progress" if number in (3, 55) else "Completed"
        reading.add(f"x_{number}", HOUR + number * 60, status=status, destinations={"box": status})
    reading.poll()
    for _ in range(3):
        assert reading.poll() == (2, 0, 0)
    reading.add("x_3", HOUR + 4 * 60)
    assert reading.poll() == (3, 2, 2)
    assert reading.poll() == (2, 1, 1)
    assert reading.poll() == (2, 0, 0)
    reading.add("x_55", HOUR + 56 * 60)
    assert reading.poll() == (2, 1, 1)
    assert reading.poll() == (1, 0, 0)


@pytest.mark.parametrize(
    ("collector", "order", "requests"),
    [
        ("document_batches", "newest_first", 3),
        ("workflow_batches", "newest_first", 3),
        ("invocations", "newest_first", 2),
        ("batches", "newest_first", 3),
        ("batches", "oldest_first", 4),
    ],
)
def test_records_in_flight_whose_answers_have_not_changed_are_neither_read_nor_looked_up(
    state: MortalState, collector: str, order: Literal["oldest_first", "newest_first"], requests: int
) -> None:
    """They stand on the first page, on the second one and far down."""
    reading = Reading(Clock(), state, collector, order)
    for number in range(200):
        flying = number in (3, 28, 29, 30, 180)
        reading.add(f"x_{number}", HOUR + number * 60, **(IN_FLIGHT[collector] if flying else {}))
    reading.poll()
    reading.poll()
    for _ in range(3):
        assert reading.poll() == (requests, 0, 0)
    reading.add("x_29", HOUR + 29 * 60)
    assert reading.poll()[1:] != (0, 0)
    for _ in range(2):
        reading.poll()
    assert reading.poll() == (requests, 0, 0)


def test_lists_of_records_in_flight_that_have_not_changed_are_not_read(state: MortalState) -> None:
    reading = Reading(Clock(), state, "batches")
    for number in range(200):
        reading.add(
            f"x_{number}", HOUR + number * 60, status="completed" if number % 20 or number < 60 else "processing"
        )
    reading.poll()
    reading.poll()
    for _ in range(3):
        assert reading.poll() == (4, 0, 0)
    reading.add("x_100", HOUR + 100 * 60)
    assert reading.poll() == (5, 2, 2)


def test_records_of_an_account_without_the_list_are_read_if_they_have_changed_or_are_reconciled(
    state: MortalState,
) -> None:
    """One look-up is for the names that the configuration has."""
    names = ("x_0", "x_1", "x_2")
    reading = Reading(Clock(), state, "workflow_batches", options=Options(workflow_batch_ids=names))
    reading.api.limit = 0, 404
    for name in names:
        reading.add(name, HOUR, status="In Progress")
    reading.poll()
    reading.poll()
    for _ in range(3):
        assert reading.poll() == (3, 0, 1)
    reading.add("x_1", HOUR, status="In Progress", total=7)
    assert reading.poll() == (3, 1, 2)
    assert reading.poll(HOUR)[:2] == (3, 3)


def test_a_reconciliation_reads_everything(state: MortalState) -> None:
    reading = Reading(Clock(), state, "document_batches")
    for number in range(20):
        reading.add(f"x_{number}", HOUR + number * 60)
    reading.poll()
    reading.poll()
    assert reading.poll() == (1, 0, 0)
    assert reading.poll(HOUR) == (1, 1, 1)
    assert reading.poll() == (1, 1, 1)
    assert reading.poll() == (1, 0, 0)


def test_a_page_is_read_after_a_poll_that_failed(state: MortalState) -> None:
    reading = Reading(Clock(), state, "document_batches")
    reading.add("x_1", HOUR)
    reading.poll()
    reading.poll()
    reading.api.instead = lambda *_: 500
    assert not reading.poller.poll()
    reading.api.instead = None
    assert reading.poll() == (1, 1, 1)
    assert reading.poll() == (1, 0, 0)


def test_records_that_can_not_be_read_are_counted_at_each_poll(state: MortalState) -> None:
    """They count as on a page that changes: the rate must show that the errors go on."""
    reading = Reading(Clock(), state, "document_batches")
    reading.add("x_1", HOUR)
    reading.world.add("document_batches", {**document_batch("x_2", reading.clock.now - HOUR), "status": 5})
    for _ in range(5):
        reading.poll()
    counted = own_counters(state, "prod", "document_batches").rejected
    assert counted == {"status": 5}


@pytest.mark.parametrize("age", [0.0, HOUR])
@pytest.mark.parametrize("system", ["inkit", "packagex"])
def test_a_dense_list_costs_one_page_a_poll_soon_after_the_first_reading(rig: Rig, system: str, age: float) -> None:
    """Discovery looks five minutes back from when the newest record was known. That must move on with time."""
    rig.system = system
    times = [NOW - age - n for n in range(1005)]
    if system == "inkit":
        rig.world.extend("document_batches", [document_batch(f"rb_{n}", time) for n, time in enumerate(times)])
    else:
        rig.batches.extend([packagex_batch(f"b_{n}", time) for n, time in enumerate(times)])
    name: Literal["document_batches", "batches"] = "document_batches" if system == "inkit" else "batches"
    poller = rig.poller(name, page_size=25, reconcile_interval=RECONCILED_NEVER)
    assert poller.poll()
    costs = []
    for _ in range(8):
        rig.clock.now += 60
        costs.append(rig.cost(poller))
    assert costs[-2:] == [1, 1]
    assert costs == sorted(costs, reverse=True)
    assert rig.exact(name)
    assert not rig.events(name)


def test_a_longer_window_does_not_take_the_newest_record_for_one_known_before(rig: Rig) -> None:
    """What appears late below the newest page is found, as far as the clocks of the API's hosts may differ."""
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", NOW - n) for n in range(40)])
    assert rig.poller("document_batches", page_size=25).poll()
    for _ in range(10):
        rig.clock.now += 60
        assert rig.poller("document_batches", page_size=25).poll()
    newest = rig.clock.now - 500
    rig.world.extend("document_batches", [document_batch(f"rb_new_{n}", newest - n / 100) for n in range(40)])
    longer = rig.poller("document_batches", page_size=25, lookback=14 * 24 * HOUR)
    assert longer.poll()
    rig.world.add("document_batches", document_batch("rb_late", newest - 100))
    rig.clock.now += 60
    assert longer.poll()
    assert rig.exact("document_batches")
