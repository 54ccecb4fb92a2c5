"""A list whose order is unknown because its other end can't be read: no record of it may become a new event."""

from typing import cast

import pytest

from exporter.client import Client, Request
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.packagex.listing import PackagexReadings
from exporter.polling.collector.list_end import ACCEPTED_AFTER, BrokenOff, Depth
from exporter.polling.collector.paged_list import PagedList
from exporter.polling.collector.pagination import Walk
from exporter.polling.poller import Poller
from exporter.systems import sources
from exporter.systems.base import Options
from tests.support.doubles import MemoryApi
from tests.support.rig import DAY, HOUR, NOW, Rig

PAGE = 4
FAILED = ("packagex_batches_finished_total", "contact", "merge", "mixed", "api", "failed")
LIMITS = pytest.mark.parametrize("status", [None, 404, 422])
"""How the pages beyond the limit are answered: empty, or refused with a status."""
ORDERS = pytest.mark.parametrize("order", ["oldest_first", "newest_first"])
TIMES = {
    "older than the window": [*[40 * DAY] * PAGE, 20.0],
    "all of one time": [HOUR] * 9,
    "all of one minute": [HOUR + 5.0 * number for number in range(9)],
    "the old ones of one time": [*[3 * DAY] * PAGE, *[HOUR] * PAGE, 20.0],
    "the new ones of one time": [*[3 * DAY] * PAGE, *[HOUR] * PAGE],
}
"""Ages of the records. The first page has the same time in all rows."""


def served(rig: Rig, times: str, order: str) -> MemoryApi:
    rig.system = "packagex"
    ages = TIMES[times]
    rig.batches.extend([packagex_batch(f"b_{n}", NOW - age, status="failed") for n, age in enumerate(ages)])
    readings = PackagexReadings(order="oldest_first" if order == "oldest_first" else "newest_first")
    return MemoryApi(PackagexApi(rig.batches, "", readings))


def polled(rig: Rig, api: MemoryApi) -> Poller:
    return rig.poller("batches", asking=cast("Client", api), page_size=PAGE, allowance=30)


def settle(rig: Rig, polling: Poller) -> None:
    for _ in range(3):
        rig.clock.now += 60
        assert polling.poll()
    rig.reconcile(polling)


@LIMITS
@ORDERS
@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("polls", [1, 2, 3, 5])
def test_what_lay_beyond_a_limit_before_the_first_start_is_no_new_event(
    rig: Rig, times: str, order: str, status: int | None, polls: int
) -> None:
    api = served(rig, times, order)
    api.limit = 1, status
    polling = polled(rig, api)
    for _ in range(polls):
        polling.poll()
        rig.clock.now += 60
    api.limit = None
    settle(rig, polling)
    assert rig.exact("batches")
    assert not rig.events("batches")
    assert not rig.truncated("batches")


@LIMITS
@pytest.mark.parametrize("times", ["older than the window", "all of one time", "all of one minute"])
def test_the_poll_fails_until_the_limit_persists(rig: Rig, times: str, status: int | None) -> None:
    api = served(rig, times, "oldest_first")
    api.limit = 1, status
    polling = polled(rig, api)
    assert [polling.poll() for _ in range(4)] == [False, False, True, True]
    assert rig.truncated("batches")


@LIMITS
@ORDERS
@pytest.mark.parametrize("restarts", [False, True])
def test_a_limit_of_a_list_of_unknown_order_deletes_no_known_record(
    rig: Rig, order: str, status: int | None, restarts: bool
) -> None:
    api = served(rig, "all of one minute", order)
    polling = polled(rig, api)
    assert polling.poll()
    api.limit = 1, status
    for _ in range(6):
        if restarts:
            polling = polled(rig, api)
        rig.clock.now += HOUR
        polling.poll()
    assert rig.exact("batches")
    api.limit = None
    settle(rig, polling)
    assert rig.own(polling).vanished == 0
    assert not rig.events("batches")
    assert not rig.truncated("batches")


@LIMITS
def test_a_new_row_shows_the_order_and_is_a_new_event(rig: Rig, status: int | None) -> None:
    """The API still returns one page, which now has rows of the window: the limit is at the other end."""
    api = served(rig, "older than the window", "newest_first")
    rig.batches.remove(f"b_{PAGE}")
    rig.batches.add(packagex_batch("b_old", NOW - 50 * DAY))
    api.limit = 1, status
    polling = polled(rig, api)
    assert [polling.poll() for _ in range(3)] == [False, False, True]
    rig.clock.now += 60
    rig.batches.add(packagex_batch("b_new", rig.clock.now, status="failed"))
    assert [polling.poll() for _ in range(3)] == [False, False, True]
    assert rig.events("batches")[FAILED] == 1
    api.limit = None
    settle(rig, polling)
    assert rig.exact("batches")
    assert rig.events("batches")[FAILED] == 1
    assert not rig.truncated("batches")


def test_one_empty_page_fails_one_poll(rig: Rig) -> None:
    api = served(rig, "older than the window", "oldest_first")
    left = [200]

    def instead(_: int, request: Request) -> int | None:
        return left.pop() if left and request.params.get("page") == "2" else None

    api.instead = instead
    polling = polled(rig, api)
    assert [polling.poll(), polling.poll()] == [False, True]
    assert rig.exact("batches")
    assert not rig.events("batches")


@LIMITS
def test_a_scan_of_a_list_whose_order_is_unknown_says_nothing_of_what_it_does_not_show(
    rig: Rig, status: int | None
) -> None:
    api = served(rig, "all of one time", "oldest_first")
    api.limit = 1, status
    pages = PagedList(sources()["packagex"].listing("batches", Options()), PAGE)
    pages.depth = Depth(-2, ACCEPTED_AFTER)
    walk = Walk(cast("Client", api), pages)
    read = [record.id for page in walk.sweep(NOW - DAY) for record in page.records]
    assert (len(read), walk.ended, walk.cut) == (PAGE, True, True)


def test_a_scan_of_a_list_that_runs_oldest_first_shows_all_of_it_unless_its_first_page_has_no_rows(rig: Rig) -> None:
    api = served(rig, "the old ones of one time", "oldest_first")
    pages = PagedList(sources()["packagex"].listing("batches", Options()), PAGE)
    walk = Walk(cast("Client", api), pages)
    read = [record.id for page in walk.sweep(NOW - 7 * DAY) for record in page.records]
    assert (len(read), walk.ended, walk.cut) == (2 * PAGE + 1, True, False)
    api.instead = lambda _, request: 200 if request.params["page"] == "1" else None
    with pytest.raises(BrokenOff, match="page 3 is empty"):
        list(Walk(cast("Client", api), pages).sweep(NOW - 7 * DAY))
