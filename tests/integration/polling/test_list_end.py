"""Where a list ends: only what is proved completes a reading or lets a record be gone."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast, get_args

import pytest

from exporter.client import Client, Request
from exporter.demo.faults import ListFaults
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import document_batch, generations, invocation
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.packagex.listing import PackagexReadings
from exporter.model.record import Reason
from exporter.polling.collector.list_end import End, judge
from exporter.polling.poller import Poller
from exporter.systems.base import Page
from tests.support.doubles import MemoryApi
from tests.support.rig import HOUR, NOW, Rig

FAILED = {"inkit_storage": generations(1, failed=1)}
FAILURES = ("inkit_batch_generations_finished_total", "document", "inkit_storage", "failed")
PACKAGEX_FAILURES = ("packagex_batches_finished_total", "contact", "merge", "mixed", "api", "failed")
REFUSALS = pytest.mark.parametrize("status", [200, 400, 404, 410, 422])
"""200 is a page without rows."""
BEYOND = pytest.mark.parametrize("beyond", ["empty", "refused", "last", "first"])
Beyond = Literal["empty", "refused", "last", "first"]


def served(rig: Rig, count: int, system: str = "inkit", order: str = "newest_first") -> MemoryApi:
    """Return an API in memory with so many failed records, a minute apart."""
    rig.system = system
    if system == "packagex":
        rig.batches.extend([packagex_batch(f"b_{n}", NOW - n * 60, status="failed") for n in range(count)])
        readings = PackagexReadings(order="oldest_first" if order == "oldest_first" else "newest_first")
        return MemoryApi(PackagexApi(rig.batches, "", readings))
    items = [document_batch(f"rb_{n}", NOW - n * 60, destinations=FAILED) for n in range(count)]
    rig.world.extend("document_batches", items)
    return MemoryApi(InkitApi(rig.world, ""))


def poller(rig: Rig, api: MemoryApi, allowance: int = 100) -> Poller:
    name = "batches" if rig.system == "packagex" else "document_batches"
    return rig.poller(name, asking=cast("Client", api), page_size=25, allowance=allowance)


def failing(api: MemoryApi, page: int, status: int, times: int = 1000) -> None:
    """Refuse a page of the list, or answer it without rows, so many times."""
    left = [None] * times

    def instead(_: int, request: Request) -> int | None:
        if request.params.get("page") == str(page) and left:
            left.pop()
            return status
        return None

    api.instead = instead


@REFUSALS
@pytest.mark.parametrize("page", [2, 4, 40])
def test_a_page_that_is_refused_or_empty_in_mid_list_does_not_complete_the_first_reading(
    rig: Rig, page: int, status: int
) -> None:
    api = served(rig, 1000)
    failing(api, page, status, times=3)
    polling = poller(rig, api)
    assert not polling.poll()
    assert rig.own(polling).poll_errors == {Reason.MALFORMED if status == 200 else Reason.CLIENT_ERROR: 1}
    assert polling.status.backfilling
    api.instead = None
    rig.clock.now += 60
    assert polling.poll()
    assert rig.exact("document_batches")
    rig.reconcile(polling)
    assert not rig.events("document_batches"), "nothing that is old became a new event"


@REFUSALS
def test_a_reconciliation_that_breaks_off_deletes_nothing(rig: Rig, status: int) -> None:
    api = served(rig, 1000)
    polling = poller(rig, api)
    assert polling.poll()
    rig.clock.now += HOUR
    failing(api, 20, status, times=1)
    assert not polling.poll()
    for _ in range(3):
        rig.clock.now += 60
        assert polling.poll()
    assert rig.own(polling).vanished == 0
    assert rig.exact("document_batches")


@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_one_refusal_among_pages_read_ahead_is_no_internal_error(rig: Rig, status: int) -> None:
    api = served(rig, 1000)
    for page in (3, 5, 6):
        failing(api, page, status)
        polling = poller(rig, api)
        assert not polling.poll()
        assert Reason.INTERNAL not in rig.own(polling).poll_errors


@pytest.mark.parametrize("status", [None, 400, 404])
def test_a_limit_that_persists_is_accepted_said_once_and_makes_no_event_of_what_lies_beyond(
    rig: Rig, status: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    api = served(rig, 1000)
    api.limit = 12, status
    polling = poller(rig, api)
    assert [polling.poll() for _ in range(3)] == [False, False, True]
    assert rig.truncated("document_batches")
    assert rig.gauges("document_batches")["inkit_batches", "document", "completed"] == 300
    with caplog.at_level(logging.WARNING):
        for number in range(4):
            rig.clock.now += 60
            item = document_batch(f"rb_new_{number}", rig.clock.now, destinations=FAILED)
            rig.world.add("document_batches", item)
            assert polling.poll()
        rig.reconcile(polling)
    assert caplog.text.count("does not return the whole list") == 1, "while it was being accepted"
    assert rig.events("document_batches")[FAILURES] == 4
    assert rig.own(polling).vanished == 0


@pytest.mark.parametrize("status", [None, 400, 404])
def test_a_limit_that_is_lifted_is_noticed_and_what_then_appears_is_no_event(rig: Rig, status: int | None) -> None:
    api = served(rig, 1000)
    api.limit = 12, status
    polling = poller(rig, api)
    for _ in range(3):
        polling.poll()
    api.limit = None
    rig.clock.now += 60
    rig.reconcile(polling)
    assert not rig.truncated("document_batches")
    assert rig.exact("document_batches")
    assert not rig.events("document_batches")


@pytest.mark.parametrize("status", [None, 404])
def test_a_limit_that_comes_when_all_is_known_takes_nothing_away(rig: Rig, status: int | None) -> None:
    api = served(rig, 1000)
    polling = poller(rig, api)
    assert polling.poll()
    api.limit = 12, status
    rig.clock.now += HOUR
    assert [polling.poll() for _ in range(3)] == [False, False, True]
    for _ in range(3):
        rig.reconcile(polling)
    assert rig.exact("document_batches")
    assert rig.own(polling).vanished == 0
    assert rig.truncated("document_batches")


@pytest.mark.parametrize("status", [None, 404])
def test_a_list_whose_newest_end_can_not_be_had_is_accepted_and_makes_no_storm_when_it_can(
    rig: Rig, status: int | None
) -> None:
    api = served(rig, 1000, "packagex", "oldest_first")
    api.limit = 12, status
    polling = poller(rig, api)
    assert [polling.poll() for _ in range(3)] == [False, False, True]
    assert rig.truncated("batches")
    assert sum(rig.series(polling, "packagex_batches").values()) == 300
    api.limit = None
    rig.clock.now += 60
    for _ in range(2):
        rig.reconcile(polling)
    assert rig.exact("batches")
    assert not rig.events("batches")
    assert not rig.truncated("batches")


def test_a_limit_that_moves_is_none(rig: Rig) -> None:
    api = served(rig, 1000)
    polling = poller(rig, api)
    for pages in (12, 20, 12, 20, 12, 20):
        api.limit = pages, 404
        assert not polling.poll()


@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_a_first_page_that_is_refused_is_no_limit(rig: Rig, status: int) -> None:
    api = served(rig, 1000)
    polling = poller(rig, api)
    assert polling.poll()
    failing(api, 1, status)
    for _ in range(6):
        rig.clock.now += 60
        assert not polling.poll()
    assert rig.own(polling).vanished == 0


def test_a_first_page_without_rows_of_a_list_that_counts_some_is_no_empty_list(rig: Rig) -> None:
    api = served(rig, 1000)
    polling = poller(rig, api)
    assert polling.poll()
    failing(api, 1, 200)
    for _ in range(6):
        rig.clock.now += 60
        assert not polling.poll()
    assert rig.own(polling).poll_errors == {Reason.MALFORMED: 6}
    api.instead = None
    assert polling.poll()
    assert rig.exact("document_batches")


def test_a_list_that_counts_none_is_empty(rig: Rig) -> None:
    api = served(rig, 1000)
    polling = poller(rig, api, allowance=300)
    assert polling.poll()
    for number in range(1000):
        rig.world.remove("document_batches", f"rb_{number}")
    for _ in range(10):
        rig.clock.now += 60
        assert polling.poll()
    assert not rig.gauges("document_batches")
    assert rig.own(polling).vanished == 1000


LIST_FAULTS = {
    "none": ListFaults(),
    "total-too-small": ListFaults(total_count=7),
    "total-of-one-page": ListFaults(total_count=25),
    "no-total": ListFaults(total_count="missing"),
    "one-page": ListFaults(page_count=1),
    "too-many-pages": ListFaults(page_count=300),
    "always-more": ListFaults(has_more=True),
    "never-more": ListFaults(has_more=False),
    "never-more-and-no-total": ListFaults(has_more=False, total_count="missing"),
    "clamped": ListFaults(ignore_page_size=True),
}
COUNTS = (1, 24, 25, 26, 100, 101, 700)
SYSTEMS = ("inkit", "packagex oldest_first", "packagex newest_first")


def list_ends() -> Iterator[tuple[str, str, Beyond, int]]:
    """Yield each system with each fault of a list and each answer beyond the end, and two of the seven counts in turn.

    So each system meets each count with every fault, and with every answer beyond the end.
    """
    for number, case in enumerate(itertools.product(SYSTEMS, LIST_FAULTS, get_args(Beyond))):
        for turn in (0, 3):
            yield *case, COUNTS[(number + turn) % len(COUNTS)]


@pytest.mark.parametrize(("system", "list_fault", "beyond", "count"), list(list_ends()))
def test_a_list_is_read_to_its_end_however_the_answer_marks_it(
    rig: Rig, system: str, list_fault: str, beyond: Beyond, count: int
) -> None:
    list_faults = LIST_FAULTS[list_fault]
    if (
        list_faults.total_count in (7, 25)
        and isinstance(list_faults.total_count, int)
        and count < list_faults.total_count
    ):
        list_faults = ListFaults()
    name, _, order = system.partition(" ")
    api = served(rig, count, name, order)
    api.list_faults, api.beyond = list_faults, beyond
    polling = poller(rig, api)
    for _ in range(4):
        if polling.poll():
            break
        rig.clock.now += 60
    kind = polling.status.collector
    assert rig.exact("batches" if kind == "batches" else "document_batches")
    if list_faults.page_count is None and list_faults.total_count is None and list_faults.has_more is None:
        assert not rig.own(polling).poll_errors
        assert not rig.truncated(kind)


PAGINATION = ("next_page", "page_count", "total_count", "page_size")
LEFT_OUT = [names for count in range(5) for names in itertools.combinations(PAGINATION, count)]


@BEYOND
def test_no_poll_fails_for_what_a_pagination_leaves_out_also_not_by_id_where_a_record_was_deleted(
    rig: Rig, beyond: Beyond
) -> None:
    """A list that does not count its pages and refuses those beyond its end has none that is proved: there only answers
    by ID lack fields."""
    left_out: Sequence[str] = ()

    def edit(_: int, answer: Any) -> None:
        pagination, by_id = answer["metadata"]["pagination"], len(answer["items"]) < 4
        is_counted = "page_count" not in left_out or not {"total_count", "page_size"}.intersection(left_out)
        for name in left_out if by_id or "next_page" not in left_out or is_counted else ():
            pagination.pop(name)

    opened = [invocation(f"rend_open_{n}", NOW - HOUR - n, destinations={"box": "In Progress"}) for n in range(3)]
    rig.world.extend("invocations", [invocation(f"rend_{n}", NOW - n * 60) for n in range(63)] + opened)
    api = MemoryApi(InkitApi(rig.world, ""))
    api.beyond, api.edit = beyond, edit
    for left_out in LEFT_OUT:
        rig.account, rig.clock.now = "without " + " ".join(left_out), NOW
        rig.world.add("invocations", opened[1])
        polling = rig.poller("invocations", asking=cast("Client", api), page_size=10, allowance=100)
        assert polling.poll(), rig.account
        rig.world.remove("invocations", "rend_open_1")
        for _ in range(3):
            rig.clock.now += 60
            assert polling.poll(), rig.account
        rig.reconcile(polling)
        assert rig.exact("invocations"), rig.account
        assert rig.own(polling).vanished == 1
        assert not rig.truncated("invocations")


@BEYOND
@pytest.mark.parametrize("order", ["oldest_first", "newest_first"])
@pytest.mark.parametrize("counted", [True, False])
def test_a_list_without_pagination_on_its_last_page_has_all_and_what_is_added_is_a_new_event(
    rig: Rig, beyond: Beyond, order: str, counted: bool
) -> None:
    """The reference of PackageX: "The pagination object if there is more data not included in this response"."""

    def edit(_: int, answer: Any) -> None:
        if answer["pagination"] and not answer["pagination"]["has_more"]:
            answer["pagination"] = None

    for count in (0, 1, 25, 60):
        for item in rig.batches.items():
            rig.batches.remove(item["id"])
        rig.account = f"prod_{count}"
        api = served(rig, count, "packagex", order)
        api.edit, api.beyond = edit, beyond
        api.list_faults = ListFaults(total_count=None if counted else "missing")
        polling = poller(rig, api)
        for number in range(4):
            assert polling.poll()
            rig.clock.now += 60
            rig.batches.add(packagex_batch(f"b_new_{number}", rig.clock.now, status="failed"))
        rig.reconcile(polling)
        assert rig.exact("batches")
        assert rig.events("batches")[PACKAGEX_FAILURES] == 4
        assert not rig.truncated("batches")


@pytest.mark.parametrize("total", ["not on the last page", "another on each page"])
def test_every_page_of_a_list_without_an_order_is_read_whatever_total_it_states(rig: Rig, total: str) -> None:
    """A page that is read again is the same page, though the newest one may be at either end."""

    def edit(_: int, answer: Any) -> None:
        pagination = answer["pagination"]
        if total == "another on each page" and pagination:
            pagination["total_count"] -= pagination["page"] % 2
        elif pagination and not pagination["has_more"]:
            answer["pagination"] = None

    for count in (60, 75, 130):
        for item in rig.batches.items():
            rig.batches.remove(item["id"])
        rig.account = f"prod_{count}"
        api = served(rig, count, "packagex")
        api.edit, api.list_faults = edit, ListFaults(order="shuffled")
        polling = poller(rig, api)
        for _ in range(3):
            rig.clock.now += 60
            assert polling.poll()
        rig.batches.extend([packagex_batch(f"b_new_{n}", rig.clock.now, status="failed") for n in range(25)])
        for _ in range(2):
            rig.clock.now += 60
            assert polling.poll()
        assert rig.exact("batches")


@BEYOND
def test_a_count_that_is_too_high_is_accepted_like_a_limit_and_loses_nothing(rig: Rig, beyond: Beyond) -> None:
    api = served(rig, 700)
    api.list_faults, api.beyond = ListFaults(total_count=100_000), beyond
    polling = poller(rig, api)
    assert not any(polling.poll() for _ in range(2))
    assert any(polling.poll() for _ in range(2))
    assert rig.exact("document_batches")
    rig.clock.now += 60
    rig.world.add("document_batches", document_batch("rb_new", rig.clock.now, destinations=FAILED))
    assert polling.poll()
    rig.reconcile(polling)
    assert rig.events("document_batches")[FAILURES] == 1
    api.list_faults = ListFaults()
    rig.reconcile(polling)
    assert not rig.truncated("document_batches")


@pytest.mark.parametrize("pages", [2, 3, 5])
def test_a_list_that_becomes_shorter_while_it_is_read_ends_all_the_same(rig: Rig, pages: int) -> None:
    """The page that was the last one is refused. The one before it now states that it is the last."""
    api = served(rig, (pages - 1) * 25 + 1)
    api.beyond = "refused"
    polling = poller(rig, api)
    assert polling.poll()
    rig.clock.now += HOUR

    def remove(asked: int) -> None:
        # Before the last page, and after those before it: the first one is read twice.
        if asked == pages + 1:
            rig.world.remove("document_batches", "rb_0")

    api.before, api.asked = remove, 0
    assert polling.poll()
    assert not rig.own(polling).poll_errors


def test_a_list_that_becomes_shorter_while_it_is_first_read_ends_all_the_same(rig: Rig) -> None:
    api = served(rig, 101)
    api.beyond = "refused"

    def remove(asked: int) -> None:
        if asked == 5:
            rig.world.remove("document_batches", "rb_0")

    api.before = remove
    polling = poller(rig, api)
    assert polling.poll()
    assert not rig.own(polling).poll_errors


@BEYOND
def test_a_reconciliation_whose_page_no_longer_exists_goes_back_to_one_that_does(rig: Rig, beyond: Beyond) -> None:
    api = served(rig, 250)
    api.beyond = beyond
    polling = poller(rig, api, allowance=3)
    assert polling.poll()
    rig.clock.now += HOUR
    assert polling.poll()
    assert polling.poll()
    for number in range(30, 250):
        rig.world.remove("document_batches", f"rb_{number}")
    for _ in range(400):
        rig.clock.now += 60
        assert polling.poll()
    assert rig.exact("document_batches")


def test_a_refusal_where_the_list_is_said_to_end_is_asked_for_once_more_and_proves_the_end(rig: Rig) -> None:
    api = served(rig, 100)
    api.beyond = "refused"
    pages: list[str] = []
    api.instead = lambda _, request: pages.append(request.params["page"])
    assert poller(rig, api).poll()
    assert pages == ["1", "2", "3", "4", "5", "5", "1"]


@pytest.mark.parametrize(
    ("number", "pages", "end"),
    [(1, 1, End.PROVED), (1, 2, End.BROKEN), (2, 2, End.BROKEN), (3, 2, End.PROVED), (1, 0, End.PROVED)],
)
def test_without_a_total_an_empty_page_proves_the_end_beyond_the_number_of_pages(
    number: int, pages: int, end: End
) -> None:
    assert judge(Page((), pages=pages), number, per_page=25, asked=25) is end


def test_rows_that_moved_while_pages_were_read_ahead_are_read_again(rig: Rig) -> None:
    """Page 3 is answered before a row is put in above, page 2 after: one row is on neither."""
    api = served(rig, 100)

    class Swapped(MemoryApi):
        """Answers what is asked for ahead in another order than it was asked for."""

        def get_each(self, requests, read):  # type: ignore[no-untyped-def]
            asked = list(requests)
            early = read(self.get(asked[1]))
            rig.world.add("document_batches", document_batch("rb_between", NOW + 1))
            yield read(self.get(asked[0]))
            yield early
            yield from (read(self.get(value)) for value in asked[2:])

    del api
    polling = poller(rig, Swapped(InkitApi(rig.world, "")))
    assert polling.poll()
    assert sum(rig.series(polling, "inkit_batches").values()) == 101


@pytest.mark.parametrize("page", [2, 4, 39])
def test_without_counts_an_empty_page_before_one_that_has_rows_is_no_end(rig: Rig, page: int) -> None:
    api = served(rig, 1000, "packagex")
    api.list_faults = ListFaults(total_count="missing")
    failing(api, page, 200)
    polling = poller(rig, api)
    assert not polling.poll()
    assert rig.own(polling).poll_errors == {Reason.MALFORMED: 1}
    api.instead = None
    assert polling.poll()
    assert rig.exact("batches")


def test_without_counts_pages_that_repeat_the_one_before_are_no_end_if_others_follow(rig: Rig) -> None:
    api = served(rig, 1000, "packagex")
    api.list_faults = ListFaults(total_count="missing")
    number, rows = "", []

    def note(_: int, request: Request) -> None:
        nonlocal number
        number = request.params["page"]

    def repeat(_: int, answer: Any) -> None:
        nonlocal rows
        if number == "2":
            rows = answer["data"]
        elif number in ("3", "4"):
            answer["data"] = rows

    api.instead, api.edit = note, repeat
    polling = poller(rig, api)
    assert polling.poll()
    assert polling.status.finished == 1000 - 2 * 25
