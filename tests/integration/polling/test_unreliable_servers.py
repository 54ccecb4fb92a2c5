"""An unreliable server: whatever it does, the gauges are exact, at latest after a reconciliation."""

import itertools
import json
import logging
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from exporter.demo.faults import ListFaults
from exporter.demo.items import Item, Kind, document_batch, generations, invocation
from exporter.demo.listing import Readings
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.server import MockApi
from exporter.demo.simulation import Simulation
from exporter.model.record import Key, Reason
from exporter.polling.collector import Collector, Limits, PollResult
from exporter.systems import sources
from exporter.systems.base import Options
from tests.support import counting, faults
from tests.support.rig import DAY, HOUR, NOW, TOKEN, Rig, client

FAILED = {"inkit_storage": generations(1, failed=1)}
FAILURES = ("inkit_batch_generations_finished_total", "document", "inkit_storage", "failed")


def fill(rig: Rig, count: int, apart: float = 60.0, first: float = NOW) -> None:
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", first - n * apart) for n in range(count)])


def inserting(rig: Rig) -> ListFaults:
    numbers = iter(range(10**6))

    def insert(kind: Kind, page: int) -> None:
        if page > 1:
            rig.world.add("document_batches", document_batch(f"rb_between_{next(numbers)}", rig.clock.now))

    return ListFaults(before_page=insert)


def deleting(rig: Rig) -> ListFaults:
    rng = random.Random(5)

    def delete(kind: Kind, page: int) -> None:
        items = rig.world.items("document_batches")
        if page > 1 and len(items) > 150:
            rig.world.remove("document_batches", rng.choice(items)["id"])

    return ListFaults(before_page=delete)


@pytest.mark.parametrize(
    "list_faults",
    [
        pytest.param(lambda rig: ListFaults(order="ascending"), id="sort-ignored"),
        pytest.param(lambda rig: ListFaults(order="shuffled"), id="no-order"),
        pytest.param(lambda rig: ListFaults(ignore_page_size=True), id="page-size-clamped"),
        pytest.param(lambda rig: ListFaults(total_count=7), id="total-too-small"),
        pytest.param(lambda rig: ListFaults(page_count=1), id="pages-too-few"),
        pytest.param(lambda rig: ListFaults(page_count=300), id="pages-too-many"),
        pytest.param(lambda rig: ListFaults(repeat_ids=True), id="ids-repeated"),
        pytest.param(inserting, id="rows-inserted-between-pages"),
        pytest.param(deleting, id="rows-deleted-between-pages"),
    ],
)
def test_whatever_the_server_says_the_gauges_are_exact_and_each_event_is_counted_once(
    rig: Rig, list_faults: Callable[[Rig], ListFaults]
) -> None:
    simulation = Simulation(rig.world, random.Random(11))
    simulation.history(NOW, days=5, records=700)
    old = {item["id"]: counting.finished("document_batches", item) for item in rig.world.items("document_batches")}
    rig.mock_api.faults.list_faults = list_faults(rig)
    poller = rig.poller("document_batches", page_size=25, allowance=30)
    assert poller.poll()
    seen: dict[str, Item] = {}
    for _ in range(10):
        rig.clock.now += 60
        simulation.step(rig.clock.now)
        assert poller.poll()
        seen.update({item["id"]: item for item in rig.world.items("document_batches")})
    rig.mock_api.faults.list_faults = ListFaults(
        order=rig.mock_api.faults.list_faults.order, repeat_ids=rig.mock_api.faults.list_faults.repeat_ids
    )
    rig.reconcile(poller)
    rig.clock.now += 60
    assert poller.poll()
    assert rig.exact("document_batches")
    expected: Counter[Key] = Counter()
    for name, item in seen.items():
        last = rig.world.get("document_batches", name) or item
        expected.update(counting.finished("document_batches", last))
        expected.subtract(old.get(name, Counter()))
    assert rig.events("document_batches") == +expected


@pytest.mark.parametrize("alone", [False, True], ids=["one-process", "a-process-for-each-poll"])
@pytest.mark.parametrize("filters", [{}, {"search": "rb"}], ids=["all", "filtered"])
def test_without_an_order_the_window_is_read_at_each_poll_which_is_said_once(
    rig: Rig, filters: dict[str, str], alone: bool, caplog: pytest.LogCaptureFixture
) -> None:
    fill(rig, 500)
    poller = rig.poller("document_batches", filters=filters)
    assert poller.poll()
    assert poller.status.incremental is True
    rig.mock_api.faults.list_faults = ListFaults(order="shuffled")
    with caplog.at_level(logging.WARNING):
        for number in range(4):
            rig.clock.now += 60
            rig.world.add("document_batches", document_batch(f"rb_new_{number}", rig.clock.now))
            rig.world.remove("document_batches", f"rb_{number * 100}")
            for _ in range(2):
                poller = rig.poller("document_batches", filters=filters) if alone else poller
                assert poller.poll(), "what has gone is believed to be gone at the second one"
            assert rig.exact("document_batches")
            assert poller.status.incremental is False
    assert caplog.text.count("not sorted by creation time") == 1
    assert rig.cost(poller) == 6 + 1, "each page once, and the last one to see which way the list runs"
    rig.mock_api.faults.clear()
    assert poller.poll()
    assert rig.cost(poller) == 1, "it has an order again"


@pytest.mark.parametrize("filters", [{}, {"search": "rb"}], ids=["all", "filtered"])
def test_a_list_that_runs_oldest_first_costs_no_more_than_one_that_runs_newest_first(
    rig: Rig, filters: dict[str, str]
) -> None:
    fill(rig, 540)
    rig.mock_api.faults.list_faults = ListFaults(order="ascending")
    poller = rig.poller("document_batches", filters=filters)
    assert poller.poll()
    for number in range(4):
        rig.clock.now += 60
        batch = document_batch(f"rb_new_{number}", rig.clock.now, destinations=FAILED)
        rig.world.add("document_batches", batch)
        assert rig.cost(poller) == 2, "the page with the new one, and one that says nothing new"
        assert rig.cost(poller) == 1
        assert rig.exact("document_batches")
        assert poller.status.incremental is True
    assert rig.events("document_batches")[FAILURES] == 4
    rig.world.remove("document_batches", "rb_200")
    rig.world.update("document_batches", "rb_300", destinations=FAILED)
    for _ in range(2):
        rig.reconcile(poller)
    assert rig.exact("document_batches")
    assert rig.events("document_batches")[FAILURES] == 5


def test_a_list_that_turns_round_is_found_out_at_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    fill(rig, 540)
    poller = rig.poller("document_batches")
    assert poller.poll()
    caplog.set_level(logging.INFO)
    for number, order in enumerate(("ascending", None, "ascending")):
        rig.mock_api.faults.list_faults = ListFaults(order="ascending" if order else None)
        rig.clock.now += 60
        rig.world.add("document_batches", document_batch(f"rb_{order}_{number}", rig.clock.now, destinations=FAILED))
        assert poller.poll()
        assert rig.exact("document_batches")
        assert rig.events("document_batches")[FAILURES] == number + 1
        assert caplog.text.count("order has reversed") == min(number + 1, 2), "from its end, and from its beginning"
    assert rig.cost(poller) == 1


def test_a_first_page_whose_rows_are_all_of_one_moment_is_compared_with_the_last_one(rig: Rig) -> None:
    fill(rig, 300)
    rig.world.extend("document_batches", [document_batch(f"rb_old_{n}", NOW - HOUR * 9 + n / 100) for n in range(200)])
    rig.mock_api.faults.list_faults = ListFaults(order="ascending")
    poller = rig.poller("document_batches")
    for number in range(3):
        assert poller.poll()
        assert poller.status.incremental is True
        assert rig.exact("document_batches")
        rig.clock.now += 60
        rig.world.add("document_batches", document_batch(f"rb_new_{number}", rig.clock.now))


@pytest.mark.parametrize("filters", [{}, {"search": "rb"}], ids=["all", "filtered"])
def test_a_list_that_turns_round_where_the_top_does_not_show_it_is_found_out_by_the_newest_record(
    rig: Rig, filters: dict[str, str]
) -> None:
    fill(rig, 300)
    rig.world.extend("document_batches", [document_batch(f"rb_old_{n}", NOW - HOUR * 9 + n / 100) for n in range(200)])
    poller = rig.poller("document_batches", filters=filters)
    assert poller.poll()
    rig.mock_api.faults.list_faults = ListFaults(order="ascending")
    rig.clock.now += 60
    rig.world.add("document_batches", document_batch("rb_new", rig.clock.now, destinations=FAILED))
    assert poller.poll()
    assert poller.status.incremental is True
    assert rig.exact("document_batches")
    assert rig.events("document_batches") == {FAILURES: 1, ("inkit_batches_finished_total", "document", "completed"): 1}


def test_a_page_size_that_is_refused_is_done_without(rig: Rig) -> None:
    fill(rig, 500)
    refusing = MockApi(rig.world, TOKEN, readings=Readings(max_page_size=50, large_page_size="refuse"))
    rig.mock_api, served = refusing, rig.mock_api
    with refusing:
        poller = rig.poller("document_batches")
        assert poller.poll()
        assert rig.exact("document_batches")
        rig.world.update("document_batches", "rb_400", destinations=FAILED)
        rig.reconcile(poller)
        assert rig.events("document_batches") == {FAILURES: 1}
        assert rig.cost(poller) == 1
    rig.mock_api = served


@pytest.mark.parametrize("hours", [-30, -5, 5, 30])
def test_a_vendor_whose_clock_is_wrong_by_hours_costs_nothing_and_loses_nothing(rig: Rig, hours: float) -> None:
    fill(rig, 1000, first=NOW + hours * HOUR)
    poller = rig.poller("document_batches")
    assert poller.poll()
    for number in range(5):
        rig.clock.now += 60
        created = rig.clock.now + hours * HOUR
        rig.world.add("document_batches", document_batch(f"rb_new_{number}", created, destinations=FAILED))
        assert poller.poll()
        assert rig.exact("document_batches")
        assert rig.events("document_batches")[FAILURES] == number + 1
    rig.clock.now += 60
    assert rig.cost(poller) == 1
    rig.reconcile(poller)
    assert rig.exact("document_batches")


@pytest.mark.parametrize("age", [10.0, 20 * 60.0, 500 * 60.0])
def test_a_record_that_appears_late_is_found_and_counted_once(rig: Rig, age: float) -> None:
    fill(rig, 1000)
    poller = rig.poller("document_batches")
    assert poller.poll()
    rig.clock.now += 60
    assert poller.poll()
    rig.world.add("document_batches", document_batch("rb_late", NOW - age - 1, destinations=FAILED))
    rig.clock.now += 60
    assert poller.poll()
    assert rig.exact("document_batches") is (age < HOUR), "what is on page 1 is found at once"
    rig.reconcile(poller)
    assert rig.exact("document_batches")
    assert rig.events("document_batches")[FAILURES] == 1


def test_a_record_from_the_far_future_hides_nothing(rig: Rig) -> None:
    fill(rig, 500)
    rig.world.add("document_batches", document_batch("rb_2099", NOW + 2e9))
    poller = rig.poller("document_batches")
    for number in range(3):
        assert poller.poll()
        assert rig.exact("document_batches")
        rig.clock.now += 60
        new = [document_batch(f"rb_new_{number}_{n}", rig.clock.now - n) for n in range(150)]
        rig.world.extend("document_batches", new)


def test_ids_asked_for_and_answered_with_the_list_prove_nothing(rig: Rig) -> None:
    items = [invocation(f"rend_{n}", NOW - n * 10) for n in range(500)]
    rig.world.extend("invocations", items)
    rig.world.add("invocations", invocation("rend_open", NOW - HOUR, destinations={"box": "In Progress"}))
    poller = rig.poller("invocations")
    assert poller.poll()
    rig.world.update("invocations", "rend_open", **finished_box("rend_open"))
    page = {"items": items[:50], "metadata": {"pagination": {"next_page": 2, "page_count": 11, "page_size": 50}}}

    def ignore_ids(kind: Kind, number: int) -> None:
        rig.mock_api.faults.add(faults.raw(json.dumps(page).encode()), times=1)

    rig.mock_api.faults.list_faults = ListFaults(before_page=ignore_ids)
    rig.clock.now += 60
    assert rig.cost(poller) == 1 + 1 + 3, "the newest page, the IDs, and the list down to the open record"
    assert rig.own(poller).vanished == 0
    rig.mock_api.faults.clear()
    rig.reconcile(poller)
    assert rig.exact("invocations")
    assert rig.events("invocations")["inkit_invocation_generations_finished_total", "box", "failed"] == 1


def finished_box(name: str) -> Item:
    item = invocation(name, NOW - HOUR, destinations={"box": "Failed"})
    return {key: item[key] for key in ("destinations", "destination_status")}


@pytest.mark.parametrize(
    ("skew", "count", "quiet"),
    [
        *itertools.product([-240.0, -120.0, -20.0, 20.0, 120.0, 280.0, 600.0], [250], [0, 30]),
        *itertools.product([-240.0, -20.0, 20.0, 600.0], [10], [30]),
        *itertools.product([-240.0, 120.0, 600.0], [1000], [0]),
    ],
)
def test_a_host_whose_clock_is_off_by_minutes_hides_no_record_of_another(
    rig: Rig, skew: float, count: int, quiet: int
) -> None:
    """A busy host is ahead of another one, or behind it. The other one's record is below pages of its rows."""
    fill(rig, 300)
    poller = rig.poller("document_batches")
    assert poller.poll()
    for number in range(3):
        for _ in range(quiet if number == 1 else 0):
            rig.clock.now += 60
            assert poller.poll()
        rig.clock.now += 60
        now = rig.clock.now
        busy, other = (skew, 0.0) if skew > 0 else (0.0, skew)
        rows = [document_batch(f"rb_busy_{number}_{n}", now + busy - n * 60 / count) for n in range(count)]
        rig.world.extend("document_batches", rows)
        assert poller.poll()
        rig.clock.now += 2
        failed = document_batch(f"rb_other_{number}", rig.clock.now + other, destinations=FAILED)
        rig.world.add("document_batches", failed)
        for _ in range(2):
            rig.clock.now += 2
            assert poller.poll()
        assert rig.events("document_batches")[FAILURES] == number + 1
        assert rig.exact("document_batches")


@pytest.mark.parametrize("ahead", [0.0, 120.0, 5 * HOUR])
def test_it_is_logged_by_how_much_rows_are_dated_ahead(rig: Rig, ahead: float) -> None:
    fill(rig, 300, first=NOW + ahead)
    source = sources()["inkit"]
    limits = Limits(7 * DAY, HOUR, 30 * DAY, page_size=100, allowance=30)
    collector = Collector(source.listing("document_batches", Options()), source.families, limits)
    for _ in range(2):
        result = PollResult()
        with rig.state.records("prod", "document_batches", collector.rules) as records:
            collector.poll(client(rig.mock_api.url), records, NOW, result)
        assert result.dated_ahead == ahead


ODD: list[Any] = [
    10**400,
    -(10**400),
    1e308,
    -1.5,
    0,
    True,
    None,
    "",
    "soon",
    "9999-12-31T23:59:59.999999Z",
    [],
    {},
    [[[]]],
    "\ud800",
]


@pytest.mark.parametrize("field", ["id", "created_at", "status", "total", "destinations", "name"])
@pytest.mark.parametrize("system", ["inkit", "packagex"])
def test_whatever_a_record_holds_it_costs_at_most_itself(rig: Rig, system: str, field: str) -> None:
    good = document_batch("rb_1", NOW) if system == "inkit" else packagex_batch("b_1", NOW)
    items = [good, *({**good, "id": f"x_{n}", field: value} for n, value in enumerate(ODD)), *ODD]
    body = {"items": items, "data": items, "metadata": {"pagination": {"next_page": None, "page_size": 100}}}
    body["pagination"] = {"limit": 100, "page": 1, "has_more": False}
    rig.system = system
    rig.mock_api.faults.add(faults.raw(json.dumps(body).encode()))
    poller = rig.poller("document_batches" if system == "inkit" else "batches")
    assert poller.poll()
    assert poller.status.finished >= 1
    assert sum(rig.own(poller).rejected.values()) >= len(ODD)


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("system", ["inkit", "packagex"])
def test_whatever_a_list_says_of_its_pages_is_no_internal_error(rig: Rig, system: str, value: object) -> None:
    item = document_batch("rb_1", NOW) if system == "inkit" else packagex_batch("b_1", NOW)
    names = ("next_page", "page_count", "current_page", "page_size", "total_count", "page", "limit", "has_more")
    rig.system = system
    poller = rig.poller("document_batches" if system == "inkit" else "batches")
    for pagination in (value, *({name: value} for name in names), dict.fromkeys(names, value)):
        body = {"items": [item], "data": [item], "metadata": {"pagination": pagination}, "pagination": pagination}
        rig.mock_api.faults.clear()
        rig.mock_api.faults.add(faults.raw(json.dumps(body).encode()))
        poller.poll()
        assert Reason.INTERNAL not in rig.own(poller).poll_errors
