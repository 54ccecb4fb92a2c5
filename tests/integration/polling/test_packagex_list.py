"""PackageX's list, which runs one way or the other: exact gauges and counters, at the cost of what changed."""

import contextlib
import functools
import json
import logging
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from exporter.client import Client, Request
from exporter.demo.faults import ListFaults
from exporter.demo.items import Item
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.packagex.listing import PackagexReadings
from exporter.demo.packagex.simulation import PackagexPace, PackagexSimulation
from exporter.exposition.samples import Shape
from exporter.model.record import FetchError, Key, Reason
from exporter.polling import publisher
from tests.support import counting, faults
from tests.support.doubles import MemoryApi
from tests.support.rig import DAY, HOUR, NOW, Rig

MADE = ("contact", "merge", "mixed", "api")
FAILED = ("packagex_batches_finished_total", *MADE, "failed")
CAP, NAMES = 200, 220
"""The most series of a family, and how many the API makes up."""
ORDERS = pytest.mark.parametrize("order", ["oldest_first", "newest_first"])


@pytest.fixture
def packagex(rig: Rig) -> Rig:
    rig.system = "packagex"
    return rig


def runs(rig: Rig, order: str) -> None:
    rig.packagex.readings = PackagexReadings(order="newest_first" if order == "newest_first" else "oldest_first")


def fill(rig: Rig, count: int, apart: float = 60.0) -> None:
    rig.batches.extend([packagex_batch(f"b_{n}", NOW - n * apart) for n in range(count)])


class Unfiltered(MemoryApi):
    """A server that refuses to be asked by status."""

    def get(self, request: Request) -> Any:
        if "status" in request.params:
            raise FetchError(Reason.CLIENT_ERROR, "GET /batches answered 422", 422)
        return super().get(request)


def turning(rig: Rig) -> ListFaults:
    pages = iter(range(10**6))

    def turn(kind: str, page: int) -> None:
        # Between two pages, and often.
        if next(pages) % 7 == 6:
            runs(rig, "newest_first" if rig.packagex.readings.order == "oldest_first" else "oldest_first")

    return ListFaults(before_page=turn)


@ORDERS
@pytest.mark.parametrize(
    "list_faults",
    [
        pytest.param(lambda rig: ListFaults(), id="none"),
        pytest.param(lambda rig: ListFaults(order="shuffled"), id="no-order"),
        pytest.param(lambda rig: ListFaults(ignore_page_size=True), id="limit-clamped"),
        pytest.param(lambda rig: ListFaults(ignore_filters=True), id="filters-ignored"),
        pytest.param(lambda rig: ListFaults(total_count=7), id="total-too-small"),
        pytest.param(lambda rig: ListFaults(total_count="missing"), id="no-total"),
        pytest.param(lambda rig: ListFaults(has_more=True), id="always-more"),
        pytest.param(lambda rig: ListFaults(has_more=False), id="never-more"),
        pytest.param(lambda rig: ListFaults(has_more=True, total_count=7), id="more-and-total-too-small"),
        pytest.param(lambda rig: ListFaults(repeat_ids=True), id="ids-repeated"),
    ],
)
def test_whatever_the_server_says_the_gauges_are_exact_and_each_event_is_counted_once(
    packagex: Rig, order: str, list_faults: Callable[[Rig], ListFaults]
) -> None:
    rig = packagex
    runs(rig, order)
    simulation = PackagexSimulation(rig.batches, random.Random(11), PackagexPace(batches=1 / 10))
    simulation.history(NOW, days=5, batches=250)
    old = {item["id"]: counting.finished("batches", item) for item in rig.batches.items()}
    rig.mock_api.faults.list_faults = list_faults(rig)
    poller = rig.poller("batches", page_size=25, allowance=12)
    assert poller.poll()
    for _ in range(10):
        rig.clock.now += 60
        simulation.step(rig.clock.now)
        assert poller.poll()
    rig.mock_api.faults.list_faults = ListFaults(
        order=rig.mock_api.faults.list_faults.order, repeat_ids=rig.mock_api.faults.list_faults.repeat_ids
    )
    rig.reconcile(poller)
    rig.clock.now += 60
    assert poller.poll()
    assert rig.exact("batches")
    expected: Counter[Key] = Counter()
    for item in rig.batches.items():
        expected.update(counting.finished("batches", item))
        expected.subtract(old.get(item["id"], Counter()))
    assert rig.events("batches") == +expected
    assert (poller.status.incremental is True) is (rig.mock_api.faults.list_faults.order is None)


@ORDERS
def test_a_list_that_turns_round_all_the_time_makes_no_new_event_of_what_is_old(packagex: Rig, order: str) -> None:
    rig = packagex
    runs(rig, order)
    rig.batches.extend([packagex_batch(f"b_{n}", NOW - n * 600, status="failed") for n in range(700)])
    rig.mock_api.faults.list_faults = turning(rig)
    poller = rig.poller("batches", page_size=25)
    poller.poll()
    for number in range(10):
        rig.clock.now += 60
        rig.batches.add(packagex_batch(f"b_new_{number}", rig.clock.now, status="failed"))
        poller.poll()
    rig.mock_api.faults.list_faults = ListFaults()
    rig.reconcile(poller)
    assert rig.exact("batches")
    assert rig.events("batches")[FAILED] == 10


@ORDERS
@pytest.mark.parametrize(("in_flight", "most"), [(0, 2), (2, 4), (60, 5)])
def test_a_quiet_poll_of_2600_batches_costs_a_handful_of_requests(
    packagex: Rig, order: str, in_flight: int, most: int
) -> None:
    rig = packagex
    runs(rig, order)
    fill(rig, 2600)
    for number in range(in_flight):
        status = ("requested", "queued", "processing")[number % 3]
        rig.batches.add(packagex_batch(f"b_open_{number}", NOW - number * HOUR - 1, status=status))
    poller = rig.poller("batches")
    assert poller.poll()
    for _ in range(5):
        rig.clock.now += 60
        assert rig.cost(poller) <= most
    assert rig.exact("batches")


@ORDERS
def test_many_in_flight_are_brought_up_to_date_by_their_status_and_what_has_left_by_its_id(
    packagex: Rig, order: str
) -> None:
    rig = packagex
    runs(rig, order)
    fill(rig, 1000)
    for number in range(40):
        rig.batches.add(packagex_batch(f"b_open_{number}", NOW - number * HOUR - 5 * HOUR, status="processing"))
    poller = rig.poller("batches")
    assert poller.poll()
    rig.clock.now += 60
    rig.batches.update("b_open_7", status="failed", reason="The file could not be parsed")
    rig.batches.update("b_open_8", status="queued")
    assert rig.cost(poller) <= 2 + 3 + 1
    assert rig.mock_api.requests[-1].path == "/batches/b_open_7"
    assert rig.exact("batches")
    assert rig.events("batches") == {FAILED: 1}


def test_filters_that_are_not_kept_to_are_asked_for_once(packagex: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig = packagex
    fill(rig, 1000)
    for number in range(8):
        rig.batches.add(packagex_batch(f"b_open_{number}", NOW - number * HOUR - 5 * HOUR, status="processing"))
    rig.mock_api.faults.list_faults = ListFaults(ignore_filters=True)
    poller = rig.poller("batches")
    assert poller.poll()
    for _ in range(3):
        rig.clock.now += 60
        assert poller.poll()
    assert rig.asked("status").count("requested") == 1
    assert caplog.text.count("API ignores the status filter") == 1
    assert rig.exact("batches")


def test_filters_are_tried_again_once_a_reconciliation_is_due(packagex: Rig) -> None:
    """A server may be restarted with another version, and fetching each batch by its ID costs many requests."""
    rig = packagex
    fill(rig, 1000)
    for number in range(8):
        rig.batches.add(packagex_batch(f"b_open_{number}", NOW - number * HOUR - 5 * HOUR, status="processing"))
    rig.mock_api.faults.list_faults = ListFaults(ignore_filters=True)
    poller = rig.poller("batches")
    assert poller.poll()
    for _ in range(2):
        rig.clock.now += 60
        assert poller.poll()
    rig.mock_api.faults.list_faults = ListFaults()
    asked = rig.asked("status").count("processing")
    rig.clock.now += HOUR
    rig.reconcile(poller)
    rig.clock.now += 60
    assert poller.poll()
    assert rig.asked("status").count("processing") > asked
    assert rig.cost(poller) <= 2 + 3


class Lagging(MemoryApi):
    """An API whose filters are looked up in an index that lags behind: some batches have finished meanwhile."""

    def __init__(self, api: PackagexApi, stale: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(api)
        self.stale = stale
        self.endpoints: list[str] = []

    def get(self, request: Request) -> Any:
        self.endpoints.append(request.endpoint)
        answer = super().get(request)
        if request.params.get("status") == "processing":
            answer = {**answer, "data": [*self.stale, *answer["data"]]}
        return answer


@pytest.mark.parametrize("stale", [1, 3])
def test_a_few_records_that_have_finished_are_no_proof_that_a_filter_is_ignored(packagex: Rig, stale: int) -> None:
    rig = packagex
    fill(rig, 1000)
    for number in range(8):
        rig.batches.add(packagex_batch(f"b_open_{number}", NOW - number * HOUR - 5 * HOUR, status="processing"))
    finished = [packagex_batch(f"b_done_{number}", NOW - 5 * HOUR, status="completed") for number in range(stale)]
    for item in finished:
        rig.batches.add(item)
    api = Lagging(PackagexApi(rig.batches, ""), finished)
    poller = rig.poller("batches", asking=cast("Client", api))
    assert poller.poll()
    for _ in range(3):
        rig.clock.now += 60
        api.endpoints.clear()
        assert poller.poll()
        assert "/batches/{id}" not in api.endpoints
    assert rig.exact("batches")


def test_filters_that_are_refused_are_no_failed_poll(packagex: Rig) -> None:
    rig = packagex
    fill(rig, 1000)
    for number in range(8):
        rig.batches.add(packagex_batch(f"b_open_{number}", NOW - number * HOUR - 5 * HOUR, status="processing"))
    poller = rig.poller("batches", asking=cast("Client", Unfiltered(PackagexApi(rig.batches, ""))))
    assert poller.poll()
    rig.clock.now += 60
    rig.batches.update("b_open_3", status="failed")
    assert poller.poll()
    assert rig.exact("batches")
    assert rig.events("batches") == {FAILED: 1}


def test_of_a_filtered_list_no_page_is_asked_for_after_one_that_is_refused(packagex: Rig) -> None:
    rig = packagex
    fill(rig, 1000)
    for number in range(80):
        rig.batches.add(packagex_batch(f"b_open_{number}", NOW - number * HOUR - 5 * HOUR, status="processing"))
    api = MemoryApi(PackagexApi(rig.batches, ""))
    asked: list[str] = []

    def refuse_further(_: int, request: Request) -> int | None:
        if "status" not in request.params:
            return None
        asked.append(f"{request.params['status']} {request.params['page']}")
        return 404 if request.params["page"] != "1" else None

    poller = rig.poller("batches", asking=cast("Client", api), page_size=25)
    assert poller.poll()
    rig.clock.now += 60
    api.instead = refuse_further
    assert poller.poll()
    assert [value for value in asked if value.startswith("processing")] == ["processing 1", "processing 2"]
    assert rig.exact("batches")


def test_a_list_that_turns_round_between_two_polls_is_noticed(packagex: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig = packagex
    fill(rig, 1030)
    poller = rig.poller("batches")
    assert poller.poll()
    caplog.set_level(logging.INFO)
    for number, order in enumerate(("newest_first", "oldest_first", "newest_first")):
        runs(rig, order)
        rig.clock.now += 60
        rig.batches.add(packagex_batch(f"b_new_{number}", rig.clock.now, status="failed"))
        assert poller.poll()
        assert rig.exact("batches")
        assert rig.events("batches")[FAILED] == number + 1
    assert caplog.text.count("order has reversed") == 2, "from its beginning, and from its end"
    assert poller.status.incremental is True


def test_an_account_without_a_batch_is_well_and_its_first_failure_counts(packagex: Rig) -> None:
    rig = packagex
    poller = rig.poller("batches")
    assert poller.poll()
    assert (poller.status.up, poller.status.finished) == (True, 0)
    assert rig.cost(poller) == 1
    rig.batches.add(packagex_batch("b_1", NOW + 5, status="failed"))
    rig.clock.now += 60
    assert poller.poll()
    assert rig.series(poller, "packagex_batches_finished_total")[*MADE, "failed"] == 0
    rig.clock.now += 60
    assert poller.poll()
    assert rig.series(poller, "packagex_batches_finished_total")[*MADE, "failed"] == 1


def test_the_known_statuses_of_each_combination_that_was_seen_stand_at_zero(packagex: Rig) -> None:
    rig = packagex
    fill(rig, 1)
    rig.batches.add(packagex_batch("b_new", NOW, status="frozen", resource="pallet"))
    poller = rig.poller("batches")
    assert poller.poll()
    shown = rig.series(poller, "packagex_batches")
    statuses = ("requested", "queued", "processing", "completed", "failed", "timed_out", "expired")
    assert {key[-1] for key in shown if key[0] == "contact"} == set(statuses)
    assert {key[-1] for key in shown if key[0] == "pallet"} == {*statuses, "frozen"}
    assert shown[*MADE, "completed"] == 1
    assert rig.own(poller).unknown_values == {"resource": 1, "status": 1}


def test_two_batches_with_one_id_on_a_page_are_one(packagex: Rig) -> None:
    rig = packagex
    item = packagex_batch("b_1", NOW, status="processing")
    pagination = {"limit": 100, "page": 1, "has_more": False, "total_count": 2}
    body = {"data": [item, {**item, "status": "failed"}], "status": 200, "pagination": pagination}
    rig.mock_api.faults.add(faults.raw(json.dumps(body).encode()), times=1)
    poller = rig.poller("batches")
    assert poller.poll()
    assert sum(rig.series(poller, "packagex_batches").values()) == 1


def test_a_duration_runs_to_the_last_update_and_not_to_the_poll(packagex: Rig) -> None:
    rig = packagex
    rig.batches.add(packagex_batch("b_1", NOW, status="processing"))
    poller = rig.poller("batches")
    assert poller.poll()
    rig.clock.now += 600
    rig.batches.update("b_1", status="completed", updated_at=int(NOW) + 42)
    assert poller.poll()
    lines = rig.lines(poller, "packagex_batch_duration_seconds")
    assert any(line.startswith("packagex_batch_duration_seconds_sum") and line.endswith(" 42.0") for line in lines)


@pytest.mark.parametrize("times", ["milliseconds", "digits", "iso"])
def test_times_in_any_form_are_understood(packagex: Rig, times: str) -> None:
    rig = packagex
    fill(rig, 300)
    forms = {"milliseconds": "milliseconds", "digits": "digits", "iso": "iso"}
    rig.packagex.readings = PackagexReadings(times=forms[times])  # type: ignore[arg-type]
    poller = rig.poller("batches")
    assert poller.poll()
    assert rig.exact("batches")
    assert rig.cost(poller) == 2, "the last page is full: the one beyond it shows that it is the last"


def test_batches_without_a_time_are_rejected_and_said_to_be(packagex: Rig) -> None:
    rig = packagex
    fill(rig, 3)
    rig.packagex.readings = PackagexReadings(times="missing")
    poller = rig.poller("batches")
    assert poller.poll()
    assert rig.own(poller).rejected["created_at"] >= 3


@pytest.mark.parametrize(
    ("envelope", "reason", "words"),
    [
        ({"status": 403, "code": "auth.scope", "message": "The key has no access", "data": None}, "auth", "auth.scope"),
        ({"status": 500, "code": "internal", "message": "Oops"}, "server_error", "Oops"),
        ({"status": 200, "data": None, "errors": [{"email": "CANARY"}], "message": "No"}, "server_error", "No"),
    ],
)
def test_an_error_in_an_envelope_of_200_fails_the_poll_with_its_words(
    packagex: Rig, caplog: pytest.LogCaptureFixture, envelope: Item, reason: str, words: str
) -> None:
    rig = packagex
    rig.mock_api.faults.add(faults.raw(json.dumps(envelope).encode()))
    poller = rig.poller("batches")
    assert not poller.poll()
    assert rig.own(poller).poll_errors == {reason: 1}
    assert words in caplog.records[-1].getMessage() + str(caplog.records[-1].__dict__)
    assert "CANARY" not in caplog.text


@ORDERS
def test_a_backfill_that_is_interrupted_goes_on_where_it_was(packagex: Rig, order: str) -> None:
    rig = packagex
    runs(rig, order)
    fill(rig, 1010)
    asked = 30

    def fail(kind: str, page: int) -> None:
        if len(rig.mock_api.requests) == asked:
            rig.mock_api.faults.add(faults.status(500))

    rig.mock_api.faults.list_faults = ListFaults(before_page=fail)
    assert not rig.poller("batches", page_size=25).poll()
    rig.mock_api.faults.clear()
    rig.mock_api.requests.clear()
    poller = rig.poller("batches", page_size=25)
    assert poller.poll()
    assert rig.exact("batches")
    assert not rig.events("batches")
    assert len(rig.mock_api.requests) < 25, "the first part is not read again"


@ORDERS
def test_a_window_that_is_shorter_than_the_list_is_not_read_beyond_its_beginning(packagex: Rig, order: str) -> None:
    rig = packagex
    runs(rig, order)
    fill(rig, 3000, apart=DAY / 100)
    poller = rig.poller("batches")
    assert rig.cost(poller) <= 9 + 7, "the window's pages, and those read ahead"
    assert rig.exact("batches")


@ORDERS
def test_where_both_ends_have_the_newest_moment_the_rows_between_show_the_order(packagex: Rig, order: str) -> None:
    rig = packagex
    runs(rig, order)
    rig.batches.extend([packagex_batch(f"b_{n}", NOW - (2 if n < 3 else 1) * DAY) for n in range(5)])
    poller = rig.poller("batches", page_size=4)
    assert poller.poll()
    assert poller.status.incremental is True
    rig.batches.add(packagex_batch("b_late", NOW - DAY + 10, status="failed"))
    rig.reconcile(poller)
    assert rig.events("batches")[FAILED] == 1


def test_series_of_names_that_the_api_made_up_are_bounded_in_scrapes_and_leave_the_state_with_their_records(
    packagex: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = packagex
    monkeypatch.setattr(publisher, "Shape", functools.partial(Shape, cap=CAP))
    poller = rig.poller("batches")
    assert poller.poll()

    def made_up(turn: int) -> None:
        for number in range(NAMES):
            rig.batches.add(
                packagex_batch(
                    f"b_{turn}_{number}", rig.clock.now - number / 100, resource=f"r{turn}x{number}", status="failed"
                )
            )
        for _ in range(3):
            rig.store.scraped(rig.clock.now + 1)
            rig.clock.now += 60
            assert poller.poll()

    def rows() -> int:
        with contextlib.closing(sqlite3.connect(rig.state.path)) as database:
            return int(database.execute("SELECT count(*) FROM series").fetchone()[0])

    def failed() -> float:
        series = rig.series(poller, "packagex_batches_finished_total")
        return sum(value for key, value in series.items() if key[-1] == "failed")

    def observations() -> float:
        lines = rig.lines(poller, "packagex_batch_duration_seconds")
        return sum(float(line.rpartition(" ")[2]) for line in lines if "_count{" in line)

    made_up(1)
    assert (failed(), observations()) == (NAMES, NAMES)
    [shown] = rig.store.snapshot.collectors
    for family, block in {**shown.gauges, **shown.counters}.items():
        assert len(block.text.splitlines()) <= CAP + 100, family
    sizes = []
    for turn in (2, 3):
        rig.clock.now += 8 * DAY
        made_up(turn)
        rig.reconcile(poller)
        sizes.append(rows())
    assert failed() == 3 * NAMES, "none falls"
    assert observations() == 3 * NAMES
    assert sizes[1] <= sizes[0], "beside those of the records in the window there is a counter for each of the cap"


@pytest.mark.parametrize(("in_flight", "most"), [(74, 4), (75, 5), (76, 5), (99, 5), (100, 6)])
def test_a_filtered_list_that_always_has_more_is_read_one_page_beyond_what_can_be_in_flight(
    packagex: Rig, in_flight: int, most: int
) -> None:
    rig = packagex
    fill(rig, 1000)
    for number in range(in_flight):
        rig.batches.add(packagex_batch(f"b_open_{number}", NOW - number * HOUR - 5 * HOUR, status="processing"))
    api = MemoryApi(PackagexApi(rig.batches, ""))
    api.list_faults, api.beyond = ListFaults(has_more=True), "last"
    asked: list[str] = []

    def note(_: int, request: Request) -> None:
        if "status" in request.params:
            asked.append(f"{request.params['status']} {request.params['page']}")

    poller = rig.poller("batches", asking=cast("Client", api), page_size=25)
    assert poller.poll()
    rig.clock.now += 60
    api.instead = note
    assert poller.poll()
    assert asked == ["requested 1", "queued 1", *(f"processing {number + 1}" for number in range(most))]
    assert rig.exact("batches")


@pytest.mark.parametrize("field", ["resource", "action", "mode", "via"])
def test_batches_that_the_api_describes_otherwise_for_a_while_do_not_fail_again(packagex: Rig, field: str) -> None:
    poller = packagex.poller("batches")
    assert poller.poll()
    items = [packagex_batch(f"b_{n}", NOW + n, status="failed") for n in range(3)]
    packagex.batches.extend(items)
    wrong: list[Any] = [None, 7, {}]
    for value in wrong:
        packagex.clock.now += 60
        assert poller.poll()
        for item in items:
            packagex.batches.update(item["id"], **{field: value})
    packagex.clock.now += 60
    assert poller.poll()
    failed = {key: count for key, count in packagex.events("batches").items() if key[0] == FAILED[0]}
    assert failed == {FAILED: 3}
