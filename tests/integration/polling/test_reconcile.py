"""Reconciliation: what changed late and what was deleted is found, in slices that keep to what a poll may spend."""

import logging
from dataclasses import replace
from typing import Any, cast

import pytest

from exporter.client import Client, Request
from exporter.demo.faults import ListFaults
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import document_batch, generations, invocation
from exporter.polling.poller import Poller
from tests.support.doubles import MemoryApi
from tests.support.rig import DAY, HOUR, NOW, Rig

FAILED = {"inkit_storage": generations(1, failed=1)}
FAILURES = ("inkit_batch_generations_finished_total", "document", "inkit_storage", "failed")


def fill(rig: Rig, count: int, apart: float = 60.0) -> None:
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", NOW - n * apart) for n in range(count)])


def due(rig: Rig, **changed: Any) -> Poller:
    """Return a poller that has read the window and whose next poll begins a reconciliation."""
    poller = rig.poller("document_batches", **changed)
    assert poller.poll()
    rig.clock.now += HOUR
    return poller


def costs(rig: Rig, poller: Poller, most: int = 1000) -> list[int]:
    """Return how many requests each poll makes until the window has been reconciled."""
    before = poller.status.last_reconcile
    found = []
    while poller.status.last_reconcile == before:
        found.append(rig.cost(poller))
        rig.clock.now += 60
        assert len(found) < most
    return found


def test_a_reconciliation_is_due_when_its_interval_has_passed_and_not_before(rig: Rig) -> None:
    fill(rig, 300)
    poller = rig.poller("document_batches", page_size=25)
    assert poller.poll()
    rig.clock.now = NOW + HOUR - 1
    assert rig.cost(poller) == 1
    rig.clock.now = NOW + HOUR
    assert rig.cost(poller) > 10
    assert poller.status.last_reconcile == NOW + HOUR


def test_a_completed_record_that_fails_late_is_one_failure(rig: Rig) -> None:
    fill(rig, 1000)
    poller = due(rig)
    rig.world.update("document_batches", "rb_900", destinations=FAILED)
    assert poller.poll()
    assert rig.exact("document_batches")
    assert rig.events("document_batches") == {FAILURES: 1}
    rig.clock.now += HOUR
    assert poller.poll()
    assert rig.events("document_batches") == {FAILURES: 1}


def test_records_deleted_deep_in_the_list_leave_and_only_they_are_asked_for(rig: Rig) -> None:
    fill(rig, 1000)
    poller = due(rig)
    for number in (411, 412, 780):
        rig.world.remove("document_batches", f"rb_{number}")
    for _ in range(2):
        rig.mock_api.requests.clear()
        assert rig.own(poller).vanished == 0, "one answer that says so is not believed"
        assert poller.poll()
        assert sorted(request.path for request in rig.mock_api.requests if request.path != "/batch") == [
            "/batch/rb_411",
            "/batch/rb_412",
            "/batch/rb_780",
        ]
    assert rig.exact("document_batches")
    assert rig.own(poller).vanished == 3


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("allowance", [1, 2, 3, 10, 30])
def test_a_reconciliation_is_spread_over_polls_within_its_allowance(rig: Rig, allowance: int, restarts: bool) -> None:
    fill(rig, 1000)
    poller = due(rig, page_size=25, allowance=allowance)
    rig.world.update("document_batches", "rb_900", destinations=FAILED)
    rig.world.remove("document_batches", "rb_901")
    spent = []
    for _ in range(60):
        if restarts:
            poller = rig.poller("document_batches", page_size=25, allowance=allowance)
        spent.append(rig.cost(poller))
        if poller.status.last_reconcile == rig.clock.now:
            break
        rig.clock.now += 60
    assert max(spent) <= 1 + max(2, allowance) + 1, "and one for what was deleted"
    assert sum(spent) - len(spent) <= 40 + 2 * len(spent) + 1, "each page once, and those on which a slice ends twice"
    if restarts:
        rig.reconcile(poller)
    assert poller.poll()
    assert rig.exact("document_batches")
    assert rig.events("document_batches") == {FAILURES: 1}


@pytest.mark.parametrize("count", [10, 30, 200])
def test_rows_deleted_above_between_two_slices_leave_no_gap(rig: Rig, count: int) -> None:
    fill(rig, 1000)
    poller = due(rig, page_size=25, allowance=12)
    assert rig.cost(poller) == 13
    for number in range(count):
        rig.world.remove("document_batches", f"rb_{number}")
    rig.world.update("document_batches", "rb_301", destinations=FAILED)
    rig.world.update("document_batches", "rb_320", destinations=FAILED)
    # Just below where the slice ended, and now on a page above.
    rig.world.add("document_batches", document_batch("rb_late", NOW - 299 * 60 - 30, destinations=FAILED))
    rig.mock_api.requests.clear()
    costs(rig, poller)
    assert {request.path for request in rig.mock_api.requests} == {"/batch"}
    assert rig.events("document_batches")[FAILURES] == 3


def test_rows_inserted_above_between_two_slices_cost_pages_and_nothing_else(rig: Rig) -> None:
    fill(rig, 1000)
    poller = due(rig, page_size=25, allowance=12)
    poller.poll()
    rig.world.extend("document_batches", [document_batch(f"rb_new_{n}", NOW + HOUR + n / 100) for n in range(100)])
    rig.world.update("document_batches", "rb_301", destinations=FAILED)
    rig.mock_api.requests.clear()
    costs(rig, poller)
    assert {request.path for request in rig.mock_api.requests} == {"/batch"}
    assert rig.exact("document_batches")
    assert rig.events("document_batches")[FAILURES] == 1


def test_a_list_that_lost_most_of_its_records_is_not_asked_for_all_of_them_at_once(rig: Rig) -> None:
    fill(rig, 1000)
    poller = due(rig, page_size=25, allowance=10)
    for number in range(100, 350):
        rig.world.remove("document_batches", f"rb_{number}")
    spent = costs(rig, poller)
    for _ in range(30):
        spent.append(rig.cost(poller))
    assert max(spent) <= 13
    assert rig.exact("document_batches"), "all of it within one reconciliation"
    assert rig.own(poller).vanished == 250


@pytest.mark.parametrize("left", [0, 10])
def test_a_list_that_became_short_is_compared_at_each_poll_until_nothing_is_missing(rig: Rig, left: int) -> None:
    fill(rig, 1000)
    poller = due(rig, allowance=100)
    for number in range(left, 1000):
        rig.world.remove("document_batches", f"rb_{number}")
    for _ in range(11):
        assert rig.cost(poller) <= 101
        rig.clock.now += 60
    assert rig.exact("document_batches")
    assert rig.cost(poller) == 1


@pytest.mark.parametrize("allowance", [2, 4, 30])
def test_many_records_of_one_time_on_several_pages_need_no_more_requests(rig: Rig, allowance: int) -> None:
    fill(rig, 300)
    rig.world.extend("document_batches", [document_batch(f"rb_same_{n}", NOW - 9000) for n in range(120)])
    poller = due(rig, page_size=25, allowance=allowance)
    rig.world.update("document_batches", "rb_same_7", destinations=FAILED)
    rig.world.update("document_batches", "rb_same_110", destinations=FAILED)
    rig.world.remove("document_batches", "rb_same_60")
    rig.mock_api.requests.clear()
    costs(rig, poller)
    assert poller.poll()
    assert rig.exact("document_batches")
    assert rig.own(poller).vanished == 1
    assert rig.events("document_batches") == {FAILURES: 2}
    rig.clock.now += HOUR
    rig.mock_api.requests.clear()
    spent = costs(rig, poller)
    assert {request.path for request in rig.mock_api.requests} == {"/batch"}, "none is asked for that is there"
    assert sum(spent) < 17 + 3 * len(spent) + 10


def test_work_that_the_vendor_forgot_is_asked_for_within_the_allowance(rig: Rig) -> None:
    fill(rig, 500)
    for number in range(60):
        item = document_batch(f"rb_open_{number}", NOW - 6 * DAY + number, destinations={}, status="In Progress")
        rig.world.add("document_batches", item)
    poller = due(rig, allowance=10)
    rig.clock.now = NOW + 3 * DAY
    # So many finished after them that reading the window does not reach them.
    later = [document_batch(f"rb_later_{n}", NOW - 5 * DAY + n) for n in range(200)]
    rig.world.extend("document_batches", later)
    rig.world.update("document_batches", "rb_open_3", status="Completed", destinations=FAILED)
    spent = costs(rig, poller)
    assert max(spent) <= 12
    assert len(spent) > 5
    assert rig.events("document_batches")[FAILURES] == 1
    assert poller.status.in_flight == 59


def test_invocations_that_were_deleted_are_asked_for_fifty_at_once(rig: Rig) -> None:
    rig.world.extend("invocations", [invocation(f"rend_{n}", NOW - n) for n in range(1000)])
    poller = rig.poller("invocations")
    assert poller.poll()
    rig.clock.now += HOUR
    for number in range(400, 450):
        rig.world.remove("invocations", f"rend_{number}")
    rig.mock_api.requests.clear()
    assert poller.poll()
    assert len([value for value in rig.asked("data_id") if value]) <= 2
    assert poller.poll()
    assert rig.exact("invocations")
    assert len([value for value in rig.asked("data_id") if value]) <= 4


def test_filtered_batches_are_lost_only_if_the_pages_around_do_not_have_them(rig: Rig) -> None:
    fill(rig, 1000)
    poller = rig.poller("document_batches", filters={"search": "rb"}, page_size=25, allowance=100)
    assert poller.poll()
    rig.clock.now += HOUR
    rig.world.remove("document_batches", "rb_300")

    def delete(kind: str, page: int) -> None:
        if page == 20 and rig.world.get("document_batches", "rb_0"):
            rig.world.remove("document_batches", "rb_0")

    rig.mock_api.faults.list_faults = ListFaults(before_page=delete)
    assert poller.poll()
    assert rig.own(poller).vanished == 0, "a second reading must say so too"
    rig.clock.now += HOUR
    assert poller.poll()
    assert rig.own(poller).vanished == 1
    assert rig.gauges("document_batches")["inkit_batches", "document", "completed"] == 999
    rig.clock.now += HOUR
    costs(rig, poller)
    assert rig.exact("document_batches")


def test_a_reconciliation_is_exposed_by_its_time_and_deleted_records_are_logged(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    fill(rig, 300)
    poller = due(rig)
    assert poller.status.last_reconcile == NOW
    rig.world.remove("document_batches", "rb_250")
    with caplog.at_level(logging.INFO):
        assert poller.poll()
        assert poller.poll()
    assert poller.status.last_reconcile == NOW + HOUR
    assert "records deleted upstream" in caplog.text


def test_of_old_work_that_was_begun_at_one_moment_none_is_left_out_where_a_slice_ends_among_it(rig: Rig) -> None:
    fill(rig, 15, apart=DAY / 4)
    moment = NOW - 6 * DAY
    for number in range(3):
        rig.world.add("document_batches", document_batch(f"rb_open_{number}", moment, destinations={}))
    poller = rig.poller("document_batches", page_size=4, allowance=1)
    assert poller.poll()
    rig.clock.now = NOW + 2 * DAY
    rig.world.extend("document_batches", [document_batch(f"rb_new_{n}", NOW + 2 * DAY - n) for n in range(8)])
    for number in range(3):
        rig.world.update("document_batches", f"rb_open_{number}", destinations=FAILED)
    costs(rig, poller)
    assert rig.events("document_batches")[FAILURES] == 3


@pytest.mark.parametrize("allowance", [1, 3, 30])
def test_records_of_one_time_beyond_the_allowance_are_spread_over_polls_too(rig: Rig, allowance: int) -> None:
    """An import creates such records. No slice may read them all, or request all those that are gone."""
    fill(rig, 100)
    rig.world.extend("document_batches", [document_batch(f"rb_same_{n:04}", NOW - 9000) for n in range(1500)])
    poller = due(rig, page_size=25, allowance=allowance)
    rig.world.update("document_batches", "rb_same_1400", destinations=FAILED)
    for number in range(100, 160):
        rig.world.remove("document_batches", f"rb_same_{number:04}")
    spent = costs(rig, poller)
    for _ in range(2 + 70 // allowance * 2):
        spent.append(rig.cost(poller))
        rig.clock.now += 1
    assert max(spent) <= 2 + allowance + max(1, allowance // 2) + 3
    assert rig.events("document_batches") == {FAILURES: 1}
    assert rig.exact("document_batches")
    assert rig.own(poller).vanished == 60


@pytest.mark.parametrize("by_id", [False, True])
def test_records_of_one_time_beyond_the_allowance_hold_up_no_reconciliation_by_a_process_for_each_poll(
    rig: Rig, by_id: bool
) -> None:
    """One transaction of the API gives thousands of records the same time. By ID: they are older than the window."""
    fill(rig, 100)
    rig.world.extend("document_batches", [document_batch(f"rb_old_{n}", NOW - DAY - n) for n in range(100)])
    same = [document_batch(f"rb_same_{n:04}", NOW - 9000, destinations={} if by_id else FAILED) for n in range(60)]
    rig.world.extend("document_batches", same)
    due(rig, page_size=25, allowance=3)
    rig.clock.now += 6.95 * DAY if by_id else 0.0
    for item in ("rb_same_0000", "rb_same_0059") if by_id else ("rb_old_99",):
        rig.world.update("document_batches", item, destinations=FAILED)
    begun = rig.clock.now
    for _ in range(40):
        poller = rig.poller("document_batches", page_size=25, allowance=3)
        assert poller.poll()
        rig.clock.now += 60
        if (poller.status.last_reconcile or 0.0) >= begun:
            break
    else:
        pytest.fail("the reconciliation does not end")
    assert rig.events("document_batches")[FAILURES] == (2 if by_id else 1)


def test_the_first_reading_of_a_list_without_an_order_goes_on_where_it_was_interrupted(rig: Rig) -> None:
    fill(rig, 1000)
    rig.mock_api.faults.list_faults = ListFaults(order="shuffled")
    interrupted = ListFaults(order="shuffled")
    rig.fail_after(30)
    rig.mock_api.faults.list_faults = replace(rig.mock_api.faults.list_faults, order=interrupted.order)
    assert not rig.poller("document_batches", page_size=25).poll()
    rig.mock_api.faults.clear()
    rig.mock_api.faults.list_faults = interrupted
    rig.clock.now += 60
    rig.world.add("document_batches", document_batch("rb_new", rig.clock.now, destinations=FAILED))
    poller = rig.poller("document_batches", page_size=25)
    assert rig.cost(poller) < 20, "the first part is not read again"
    rig.clock.now += 60
    assert poller.poll()
    assert rig.exact("document_batches")
    assert rig.events("document_batches")[FAILURES] == 1, "what came while the list was read for the first time"


@pytest.mark.parametrize("page", range(1, 7))
def test_a_row_that_moves_up_while_the_first_reading_of_a_list_without_an_order_is_interrupted_is_read(
    rig: Rig, page: int
) -> None:
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", NOW - n * 60) for n in range(200)])
    rig.world.extend("document_batches", [document_batch(f"rb_old_{n}", NOW - 9 * DAY) for n in range(40)])
    api = MemoryApi(InkitApi(rig.world, ""))
    api.list_faults = ListFaults(order="shuffled")
    pages: list[int] = []
    seen: list[str] = []

    def fail(_: int, request: Request) -> int | None:
        pages.append(int(request.params["page"]))
        return 500 if pages[-1] == page + 1 else None

    def note(_: int, answer: Any) -> None:
        if pages[-1] <= page:
            seen.extend(item["id"] for item in answer["items"] if "_old_" in item["id"])

    api.instead, api.edit = fail, note
    assert not rig.poller("document_batches", page_size=25, asking=cast("Client", api)).poll()
    rig.world.remove("document_batches", seen[0])
    api.instead = None
    assert rig.poller("document_batches", page_size=25, asking=cast("Client", api)).poll()
    assert rig.exact("document_batches")


def test_old_work_on_the_last_page_that_was_read_is_not_asked_for_again(rig: Rig) -> None:
    for number in range(120):
        age = number * 60 if number < 110 else 8 * DAY + number
        rig.world.add(
            "document_batches", document_batch(f"rb_{number:03}", NOW - age, destinations={"box": generations(1)})
        )
    poller = rig.poller("document_batches", lookback=30 * DAY)
    assert poller.poll()
    shorter = rig.poller("document_batches", lookback=7 * DAY)
    assert shorter.poll()
    rig.clock.now += HOUR + 1
    rig.mock_api.requests.clear()
    assert shorter.poll()
    assert {request.path for request in rig.mock_api.requests} == {"/batch"}


@pytest.mark.parametrize("apart", [10.0, 60.0, 150.0, 300.0, 450.0])
def test_polls_between_two_intervals_have_their_share_of_the_allowance(rig: Rig, apart: float) -> None:
    """A webhook brings a poll forward. That must not finish a reconciliation sooner, at the account's cost."""
    fill(rig, 1500)
    poller = due(rig, page_size=25, allowance=20, interval=300.0)
    assert rig.cost(poller) <= 1 + 20 + 1
    rig.clock.now += apart
    share = max(2, int(20 * min(1.0, apart / 300)))
    assert share <= rig.cost(poller) <= 1 + share + 1
