"""Reading a list as far back as the window reaches, from an unreliable server."""

import itertools
import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import pytest

from exporter.client import Client, Request
from exporter.demo.faults import ListFaults
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import document_batch
from exporter.demo.listing import Readings
from exporter.demo.server import MockApi
from exporter.model.record import FetchError, Reason, Record
from exporter.polling.collector.list_end import End
from exporter.polling.collector.paged_list import PagedList
from exporter.polling.collector.pagination import MOST_UNREADABLE, Order, Walk
from exporter.systems import sources
from exporter.systems.base import Options, Page
from tests.support import faults
from tests.support.doubles import MemoryApi
from tests.support.rig import DAY, HOUR, NOW, TOKEN, Rig, client

LISTING = sources()["inkit"].listing("document_batches", Options())


def ids(rig: Rig, size: int = 10, days: float = 7) -> list[str]:
    """Return the IDs that the sweep meets, in its order."""
    found = Walk(client(rig.mock_api.url), PagedList(LISTING, size)).sweep(NOW - days * DAY)
    return [record.id for page in found for record in page.records]


def fill(rig: Rig, count: int, apart: float = 60.0) -> list[str]:
    """Add so many batches, `apart` seconds from each other. Returns their IDs, newest first."""
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", NOW - n * apart) for n in range(count)])
    return [f"rb_{n}" for n in range(count)]


class Watching(MemoryApi):
    """Notes how many others refer to a row of an answer when the next answer is wanted."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(InkitApi(rig.world, ""))
        self.holders: list[int] = []

    def get_each(self, requests: Iterable[Request], read: Callable[[Any], Any]) -> Iterator[Any]:
        for request in requests:
            answer = self.get(request)
            yield read(answer)
            rows = next(value for value in answer.values() if isinstance(value, list))
            # The list, the variable and the argument of the call.
            self.holders += (sys.getrefcount(row) - 3 for row in rows)


def test_no_row_of_an_answer_is_held_while_the_next_answer_is_waited_for(rig: Rig) -> None:
    expected = fill(rig, 95)
    api = Watching(rig)
    pages = Walk(cast("Client", api), PagedList(LISTING, 10)).sweep(NOW - 7 * DAY)
    assert [record.id for page in pages for record in page.records] == expected
    assert len(api.holders) >= 80
    assert not any(api.holders)


class Unreadable(MemoryApi):
    """Has a page for every number, and says that more follow. Only the first one can be understood."""

    def get(self, request: Request) -> Any:
        self.asked += 1
        if self.asked > 2 * MOST_UNREADABLE:
            raise FetchError(Reason.TIMEOUT, "asked for ever")
        rows = [document_batch(f"rb_{age}", NOW - age) for age in (0.0, HOUR)]
        unreadable = [{**row, "status": 5} for row in rows]
        return {
            "items": rows if request.params["page"] == "1" else unreadable,
            "metadata": {"pagination": {"next_page": 2}},
        }


def test_a_list_without_end_that_can_not_be_understood_is_not_read_for_ever(rig: Rig) -> None:
    api = Unreadable(InkitApi(rig.world, ""))
    walk = Walk(cast("Client", api), PagedList(LISTING, 10))
    with pytest.raises(FetchError, match="no end"):
        deque(map(walk.page, itertools.count(1)), maxlen=0)
    assert MOST_UNREADABLE < api.asked < 2 * MOST_UNREADABLE


def test_a_list_of_one_page_costs_one_request(rig: Rig) -> None:
    expected = fill(rig, 9)
    assert ids(rig) == expected
    assert len(rig.mock_api.requests) == 1


def test_an_empty_list_costs_one_request(rig: Rig) -> None:
    assert ids(rig) == []
    assert len(rig.mock_api.requests) == 1


def test_a_list_of_many_pages_is_read_newest_first(rig: Rig) -> None:
    expected = fill(rig, 95)
    assert ids(rig) == expected
    assert len(rig.mock_api.requests) == 10


def test_a_full_page_that_is_said_to_be_the_last_is_not_believed(rig: Rig) -> None:
    expected = fill(rig, 10)
    assert ids(rig) == expected
    assert len(rig.mock_api.requests) == 2


def test_a_list_with_one_row_on_a_page_ends_at_the_first_page_beyond_its_count(rig: Rig) -> None:
    expected = fill(rig, 3)
    assert ids(rig, size=1) == expected
    assert max(request.params["page"] for request in rig.mock_api.requests) == "4"


def test_where_no_page_had_more_than_one_row_the_count_of_rows_is_that_of_pages() -> None:
    pages = PagedList(LISTING, 1)
    assert pages.judge(Page((), total=3), 4) is End.PROVED
    assert pages.judge(Page((), total=4), 4) is End.BROKEN


def test_a_page_that_can_not_exist_is_empty_and_costs_no_request(rig: Rig) -> None:
    fill(rig, 12)
    pages, api = PagedList(LISTING, 10), client(rig.mock_api.url)
    assert pages.page(api, 1).rows == 10
    assert [pages.page(api, number) for number in (0, -1)] == [Page(()), Page(())]
    assert len(rig.mock_api.requests) == 1


def test_what_lies_before_the_window_is_not_read(rig: Rig) -> None:
    fill(rig, 1000, apart=DAY / 10)
    assert set(ids(rig, days=3)) > {f"rb_{n}" for n in range(30)}
    assert len(rig.mock_api.requests) < 12


def test_a_list_without_an_order_is_read_to_its_end(rig: Rig) -> None:
    expected = fill(rig, 95, apart=DAY)
    rig.mock_api.faults.list_faults = ListFaults(order="shuffled")
    assert sorted(ids(rig)) == sorted(expected)


def test_a_list_that_runs_oldest_first_is_read_from_its_end(rig: Rig) -> None:
    expected = fill(rig, 1005, apart=DAY / 10)
    rig.mock_api.faults.list_faults = ListFaults(order="ascending")
    found = ids(rig, days=3)
    assert found == expected[: len(found)]
    assert len(found) > 30
    pages = [int(request.params["page"]) for request in rig.mock_api.requests]
    assert pages[:2] == [1, 101]
    assert min(pages[1:]) > 88
    assert len(rig.mock_api.requests) < 14


def test_rows_a_little_out_of_order_are_still_newest_first(rig: Rig) -> None:
    fill(rig, 100, apart=DAY / 10)
    rig.world.add("document_batches", document_batch("rb_late", NOW - DAY + 30))
    ids(rig, days=3)
    assert len(rig.mock_api.requests) < 12


def test_a_page_size_that_is_clamped_is_no_matter(rig: Rig) -> None:
    expected = fill(rig, 95)
    rig.mock_api.faults.list_faults = ListFaults(ignore_page_size=True)
    assert ids(rig, size=100) == expected


@pytest.mark.parametrize("count", [1, 40])
def test_a_count_that_is_too_low_does_not_end_the_reading_early(rig: Rig, count: int) -> None:
    expected = fill(rig, 95)
    rig.mock_api.faults.list_faults = ListFaults(total_count=count, page_count=count)
    assert sorted(set(ids(rig))) == sorted(expected)


def test_records_pushed_to_the_next_page_are_met_twice_and_none_is_missed(rig: Rig) -> None:
    expected = fill(rig, 50)
    inserted = iter(range(1, 100))

    def insert(kind: str, page: int) -> None:
        number = next(inserted)
        rig.world.add("document_batches", document_batch(f"rb_new_{number}", NOW + number))

    rig.mock_api.faults.list_faults = ListFaults(before_page=insert)
    assert set(ids(rig)) >= set(expected)


def test_the_third_page_in_a_row_that_repeats_those_before_is_one_too_many() -> None:
    order, page = Order(), Page((Record("rb_1", NOW, False, {}),), rows=1)
    gave_up = []
    for _ in range(3):
        order.add(page)
        gave_up.append(order.gives_up)
    assert gave_up == [False, False, True]


def test_a_page_whose_rows_can_not_be_read_repeats_no_other() -> None:
    order, page = Order(), Page((Record("rb_1", NOW, False, {}),), rows=1)
    for added in (page, Page((), {"id": 1}, rows=1), Page((), {"id": 1}, rows=1), page):
        order.add(added)
    assert not order.gives_up


@pytest.mark.parametrize(("before", "reached"), [(0.0, False), (60.0, False), (60.5, True)])
def test_a_page_that_lies_before_the_window_by_more_than_rows_may_be_out_of_order_ends_the_reading(
    before: float, reached: bool
) -> None:
    order = Order()
    times = [NOW - before, NOW - before - 30]
    order.add(Page(tuple(Record(f"rb_{at}", at, False, {}) for at in times), rows=2))
    assert order.reaches(NOW) is reached


@pytest.mark.parametrize(("later", "newest_first"), [(-30.0, True), (0.0, True), (60.0, True), (60.5, False)])
def test_rows_are_newest_first_if_none_is_much_newer_than_the_oldest_before_it(
    later: float, newest_first: bool
) -> None:
    order = Order()
    for number, at in enumerate((NOW, NOW + later)):
        order.add(Page((Record(f"rb_{number}", at, False, {}),), rows=1))
    assert (order.newest_first, order.oldest) == (newest_first, min(NOW, NOW + later))


def test_pages_that_repeat_themselves_for_ever_are_given_up(rig: Rig) -> None:
    fill(rig, 10)
    body = client(rig.mock_api.url).get(LISTING.page(1, 10))
    body["metadata"]["pagination"] |= {"next_page": 2, "page_count": 1000, "total_count": 10_000}
    rig.mock_api.faults.add(faults.raw(json.dumps(body).encode()))
    with pytest.raises(FetchError, match="repeats earlier pages") as caught:
        ids(rig)
    assert caught.value.reason is Reason.MALFORMED
    assert len(rig.mock_api.requests) < 20


def test_a_refused_page_size_falls_back_to_the_vendors_default_and_says_so(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    readings = Readings(max_page_size=50, large_page_size="refuse")
    expected = fill(rig, 60)
    pages = PagedList(LISTING, 100)
    with MockApi(rig.world, TOKEN, readings=readings) as strict:
        read = list(Walk(client(strict.url), pages).sweep(NOW - DAY))
        assert [record.id for page in read for record in page.records] == expected
        assert pages.rows == 25
        assert "pages of 100 rows" in caplog.text
        list(Walk(client(strict.url), pages).sweep(NOW - DAY))
        assert [request.status for request in strict.requests].count(422) == 2, "asked twice, and then never again"


def test_a_refusal_that_the_page_size_is_not_the_cause_of_is_no_fallback(rig: Rig) -> None:
    rig.mock_api.faults.add(faults.status(422))
    pages = PagedList(LISTING, 100)
    with pytest.raises(FetchError) as caught:
        list(Walk(client(rig.mock_api.url), pages).sweep(NOW - DAY))
    assert caught.value.status == 422
    assert pages.rows == 100


def test_a_first_page_that_is_not_found_is_not_asked_for_again(rig: Rig) -> None:
    rig.mock_api.faults.add(faults.status(404))
    with pytest.raises(FetchError) as caught:
        ids(rig)
    assert (caught.value.status, len(rig.mock_api.requests)) == (404, 1)


def test_a_refused_sort_is_done_without(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    expected = fill(rig, 60)
    with MockApi(rig.world, TOKEN, readings=Readings(sort_keys=frozenset({"name"}))) as strict:
        pages = list(Walk(client(strict.url), PagedList(LISTING, 50)).sweep(NOW - DAY))
        assert [record.id for page in pages for record in page.records] == expected
    assert "refuses sort" in caplog.text


def test_what_was_refused_for_a_moment_is_requested_again_after_a_reconcile_interval(rig: Rig) -> None:
    fill(rig, 60)
    poller = rig.poller("document_batches", page_size=100)
    assert poller.poll()
    # The request, the same again, one with fewer rows; the one without sorting is answered.
    rig.mock_api.faults.add(faults.status(422), "/batch", times=3)
    assert poller.poll()
    assert rig.asked("sort")[-1] == ""
    rig.clock.now += 60
    assert poller.poll()
    assert rig.asked("sort")[-1] == ""
    rig.clock.now += HOUR
    assert poller.poll()
    assert rig.asked("sort")[-1] != ""
    assert rig.asked("page_size")[-1] == "100"


def test_an_api_that_refuses_for_ever_is_asked_in_vain_twice_each_reconcile_interval(rig: Rig) -> None:
    fill(rig, 60)
    with MockApi(rig.world, TOKEN, readings=Readings(max_page_size=50, large_page_size="refuse")) as strict:
        poller = rig.poller("document_batches", page_size=100, asking=client(strict.url))
        for _ in range(3 * 12):
            assert poller.poll()
            rig.clock.now += HOUR / 12
        assert [request.status for request in strict.requests].count(422) == 3 * 2


def test_a_list_that_runs_oldest_first_loses_no_poll_when_it_is_asked_again_for_what_it_refuses(rig: Rig) -> None:
    fill(rig, 600)
    with MockApi(rig.world, TOKEN, readings=Readings(max_page_size=50, large_page_size="refuse")) as strict:
        strict.faults.list_faults = ListFaults(order="ascending")
        poller = rig.poller("document_batches", page_size=100, asking=client(strict.url))
        for _ in range(3 * 12):
            assert poller.poll(), poller.status.error
            assert rig.exact("document_batches")
            rig.clock.now += HOUR / 12
        assert [request.status for request in strict.requests].count(422) == 3 * 2
