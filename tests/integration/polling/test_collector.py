"""The steps of a poll: backfill, discover, refresh, forget. Reconciliation and lying servers have their own modules."""

import itertools
import logging
import types
from typing import Any, cast

import pytest

from exporter.client import Client, Request
from exporter.demo.faults import Fault, ListFaults
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import document_batch, generations, invocation
from exporter.model.accounting import Rules
from exporter.model.record import FetchError, Reason, Stopping
from exporter.polling.collector import Collector, Limits, PollResult
from exporter.polling.poller import Poller
from exporter.systems import sources
from exporter.systems.base import Options
from tests.support import faults
from tests.support.doubles import MemoryApi
from tests.support.rig import DAY, HOUR, NOW, Rig

OPEN = {"sepire": generations(3, completed=1)}
FAILED = {"sepire": generations(3, completed=1, failed=2)}


def fill(rig: Rig, count: int, apart: float = 60.0, first: float = NOW) -> None:
    """Add so many finished batches, `apart` seconds from each other, the newest created at `first`."""
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", first - n * apart) for n in range(count)])


def open_batch(rig: Rig, name: str, created: float) -> None:
    rig.world.add("document_batches", document_batch(name, created, destinations=OPEN))


def settled(rig: Rig, collector: str = "document_batches", **changed: Any) -> Poller:
    """Return a poller that has read the window, a minute later."""
    poller = rig.poller(collector, **changed)
    assert poller.poll()
    rig.clock.now += 60
    return poller


def interrupted(rig: Rig, page: int) -> None:
    """Let a backfill in pages of 25 fail after this page, and drop the program that made it."""
    rig.fail_after(page)
    poller = rig.poller("document_batches", page_size=25)
    assert not poller.poll()
    assert rig.lines(poller, "inkit_batches") == [], "what is not complete is not shown"
    rig.mock_api.faults.clear()
    rig.mock_api.requests.clear()


def test_an_interrupted_backfill_goes_on_where_it_was_and_counts_no_event(rig: Rig) -> None:
    fill(rig, 1000)
    interrupted(rig, page=30)
    poller = rig.poller("document_batches", page_size=25)
    assert poller.poll()
    pages = [int(value) for value in rig.asked("page")]
    assert sorted(set(pages) - {1}) == list(range(min(set(pages) - {1}), 42))
    assert min(set(pages) - {1}) >= 25, "the first half is not read again"
    assert pages.count(1) == 2, "to see which way the list runs, and what is new since"
    assert rig.exact("document_batches")
    assert not rig.events("document_batches")


def test_what_changed_since_a_backfill_was_interrupted_is_in_its_first_numbers(rig: Rig) -> None:
    fill(rig, 1000)
    open_batch(rig, "rb_open", NOW - 90)
    interrupted(rig, page=30)
    rig.world.extend("document_batches", [document_batch(f"rb_new_{n}", NOW + n) for n in range(60)])
    rig.world.update("document_batches", "rb_open", destinations=FAILED)
    rig.clock.now += 120
    poller = rig.poller("document_batches", page_size=25)
    assert poller.poll()
    assert rig.exact("document_batches")
    assert rig.events("document_batches")["inkit_batch_generations_finished_total", "document", "sepire", "failed"] == 2


def test_a_backfill_logs_how_far_it_has_come(rig: Rig) -> None:
    fill(rig, 1000)
    interrupted(rig, page=30)
    poller = rig.poller("document_batches", page_size=25)
    before = poller.status.backfilling
    poller.poll()
    assert (before, poller.status.backfilling, poller.status.finished) == (True, False, 1000)


def test_a_backfill_that_was_interrupted_after_its_first_page_looks_for_no_other_page_to_resume_at(rig: Rig) -> None:
    fill(rig, 1000)
    interrupted(rig, page=2)
    assert rig.poller("document_batches", page_size=25).poll()
    assert [int(number) for number in rig.asked("page")].count(1) == 2


def test_a_backfill_of_a_list_in_order_is_incremental_after_it_was_interrupted(rig: Rig) -> None:
    fill(rig, 1000)
    interrupted(rig, page=30)
    poller = rig.poller("document_batches", page_size=25)
    assert poller.poll()
    assert poller.status.incremental is True


@pytest.mark.parametrize(("seconds", "kept"), [(0.0, [250, 500, 590]), (0.125, [225, 450, 590]), (2.0, None)])
def test_a_backfill_keeps_ten_pages_at_once_or_as_many_as_come_within_a_second(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, seconds: float, kept: list[int] | None
) -> None:
    fill(rig, 590)
    source = sources()["inkit"]
    limits = Limits(7 * DAY, HOUR, 30 * DAY, page_size=25, allowance=30)
    collector = Collector(source.listing("document_batches", Options()), source.families, limits)
    clock = itertools.count(0.0, seconds)
    # Not of the module `time` itself: the mock API's thread reads the clock too.
    monkeypatch.setattr(
        "exporter.polling.collector.backfill.time", types.SimpleNamespace(monotonic=lambda: next(clock))
    )
    known: list[int] = []
    with rig.state.records("prod", "document_batches", collector.rules) as records:
        api = cast("Client", MemoryApi(InkitApi(rig.world, "")))
        collector.poll(api, records, NOW, PollResult(), lambda: known.append(records.count_between(0.0, NOW)))
    assert known == (kept or [*range(25, 590, 25), 590])


@pytest.mark.parametrize("later", [60.0, HOUR / 2])
def test_a_quiet_poll_costs_one_request_whatever_the_window_holds(rig: Rig, later: float) -> None:
    fill(rig, 2000)
    poller = settled(rig)
    rig.clock.now += later
    assert rig.cost(poller) == 1


def test_rows_of_the_past_are_not_dated_ahead(rig: Rig) -> None:
    fill(rig, 10, first=NOW - 10)
    assert settled(rig).status.dated_ahead == 0.0


def test_a_dense_list_that_has_been_quiet_for_a_while_costs_one_request(rig: Rig) -> None:
    fill(rig, 2000, apart=1.0)
    poller = settled(rig)
    rig.world.add("document_batches", document_batch("rb_new", NOW + 1))
    for _ in range(6):
        assert poller.poll()
        rig.clock.now += 60
    assert rig.cost(poller) == 1


def test_a_backfill_that_was_interrupted_goes_on_at_the_page_where_it_was(rig: Rig) -> None:
    fill(rig, 200)
    asked: list[str] = []

    def fail(number: int) -> None:
        if number == 4:
            raise FetchError(Reason.SERVER_ERROR, "fault", 500)

    def note(_: int, request: Request) -> None:
        asked.append(request.params.get("page", ""))

    api = MemoryApi(InkitApi(rig.world, ""))
    api.before = fail
    poller = rig.poller("document_batches", page_size=25, asking=cast("Client", api))
    assert not poller.poll()
    api.instead = note
    assert poller.poll()
    assert asked[:2] == ["2", "2"]


def test_discovery_reads_on_until_a_page_says_nothing_new(rig: Rig) -> None:
    fill(rig, 1000)
    poller = settled(rig)
    rig.world.extend("document_batches", [document_batch(f"rb_new_{n}", NOW + n / 10) for n in range(250)])
    assert rig.cost(poller) == 4
    assert rig.exact("document_batches")


@pytest.mark.parametrize("behind", [0.0, 5 * HOUR])
def test_a_discovery_that_was_cut_off_leaves_no_gap(rig: Rig, behind: float) -> None:
    """The page that was read has no new records any more, but the pages below it have."""
    fill(rig, 1000, first=NOW - behind)
    poller = settled(rig)
    new = [document_batch(f"rb_new_{n}", NOW - behind + n / 10) for n in range(1, 251)]
    rig.world.extend("document_batches", new)
    rig.fail_after(1)
    assert not poller.poll()
    rig.mock_api.faults.clear()
    rig.clock.now += 60
    assert poller.poll()
    assert rig.exact("document_batches")


def test_invocations_in_flight_are_asked_for_fifty_at_once(rig: Rig) -> None:
    rig.world.extend("invocations", [invocation(f"rend_{n}", NOW - n) for n in range(2000)])
    for number in range(120):
        item = invocation(f"rend_open_{number}", NOW - 600 - number * 10, destinations={"sepire": "In Progress"})
        rig.world.add("invocations", item)
    poller = settled(rig, "invocations")
    assert rig.cost(poller) == 4 + 3, "the pages of the last minutes, and the ids"
    assert sorted(value.count(",") + 1 for value in rig.asked("data_id") if value) == [20, 50, 50]
    for number in range(120):
        item = invocation(f"rend_open_{number}", NOW - 600 - number * 10, destinations={"sepire": "Failed"})
        rig.world.add("invocations", item)
    assert poller.poll()
    assert rig.exact("invocations")
    assert rig.events("invocations")["inkit_invocation_generations_finished_total", "sepire", "failed"] == 120


def test_a_few_batches_in_flight_are_asked_for_one_by_one(rig: Rig) -> None:
    fill(rig, 2000)
    for days in (0.5, 1.0):
        open_batch(rig, f"rb_open_{days}", NOW - days * DAY)
    poller = settled(rig)
    assert rig.cost(poller) == 1 + 2
    assert {request.path for request in rig.mock_api.requests} == {"/batch", "/batch/rb_open_0.5", "/batch/rb_open_1.0"}


def test_many_batches_in_flight_on_one_page_are_brought_up_to_date_by_that_page(rig: Rig) -> None:
    fill(rig, 2000)
    for number in range(40):
        open_batch(rig, f"rb_open_{number}", NOW - 150 * 60 - number)
    poller = settled(rig)
    assert rig.cost(poller) == 2
    assert rig.asked("page") == ["1", "2"]


def test_pages_that_the_server_makes_smaller_are_reckoned_with(rig: Rig) -> None:
    """The records on page 2 of 100 rows are on page 7 of 25 rows. Requesting two records by ID is cheaper."""
    fill(rig, 2000)
    for number in range(2):
        open_batch(rig, f"rb_open_{number}", NOW - 160 * 60 - number)
    rig.mock_api.faults.list_faults = ListFaults(ignore_page_size=True)
    assert rig.cost(settled(rig)) == 1 + 2


@pytest.mark.parametrize("clamped", [False, True])
def test_where_the_list_is_filtered_batches_in_flight_are_looked_for_on_its_pages(rig: Rig, clamped: bool) -> None:
    fill(rig, 1000)
    open_batch(rig, "rb_open", NOW - 250 * 60 - 1)
    rig.mock_api.faults.list_faults = ListFaults(ignore_page_size=clamped)
    poller = settled(rig, filters={"search": "rb"})
    rig.world.update("document_batches", "rb_open", destinations=FAILED)
    assert rig.cost(poller) == (11 if clamped else 3)
    assert {request.path for request in rig.mock_api.requests} == {"/batch"}
    assert rig.exact("document_batches")


def test_a_filtered_list_that_became_shorter_is_not_read_beyond_its_end(rig: Rig) -> None:
    fill(rig, 400)
    open_batch(rig, "rb_open", NOW - 390 * 60 - 1)
    poller = settled(rig, filters={"search": "rb"})
    for number in range(150, 370):
        rig.world.remove("document_batches", f"rb_{number}")
    assert rig.cost(poller) == 2


def test_a_record_in_flight_that_the_api_no_longer_has_leaves_when_the_list_does_not_show_it_either(rig: Rig) -> None:
    fill(rig, 500)
    open_batch(rig, "rb_open", NOW - DAY / 4)
    poller = settled(rig)
    rig.world.remove("document_batches", "rb_open")
    for _ in range(5):
        assert poller.poll()
        assert poller.status.in_flight == 1, "it is asked for again and again"
        rig.clock.now += 60
    rig.reconcile(poller)
    assert rig.exact("document_batches")
    assert rig.own(poller).vanished == 1


@pytest.mark.parametrize("polls", [1, 2, 5])
@pytest.mark.parametrize("age", [DAY / 4, 8 * DAY])
def test_a_record_that_is_not_found_for_some_polls_is_believed_to_be_there(rig: Rig, polls: int, age: float) -> None:
    """That includes a record older than the window, whose failure would otherwise never be counted."""
    fill(rig, 500)
    open_batch(rig, "rb_open", NOW - DAY / 4)
    poller = settled(rig)
    rig.clock.now += age - DAY / 4
    assert poller.poll()
    rig.mock_api.faults.add(faults.status(404), path="/batch/rb_open", times=polls)
    rig.clock.now += HOUR
    for _ in range(polls):
        assert poller.poll()
        rig.clock.now += 60
    assert (rig.own(poller).vanished, poller.status.in_flight) == (0, 1)
    rig.mock_api.faults.clear()
    rig.world.update("document_batches", "rb_open", destinations=FAILED)
    rig.reconcile(poller)
    assert rig.events("document_batches")["inkit_batch_generations_finished_total", "document", "sepire", "failed"] == 2


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("count", [1, 500])
def test_a_deleted_record_leaves_also_where_each_poll_is_made_by_a_process_of_its_own(
    rig: Rig, count: int, fails: bool
) -> None:
    """As with `once`: what one poll misses counts for the next, also if the first one fails after that."""
    fill(rig, count)
    open_batch(rig, "rb_open", NOW - DAY / 4)
    settled(rig)
    rig.world.remove("document_batches", "rb_open")
    rig.clock.now += HOUR
    if fails:
        rig.fail_after(count // 100)
        rig.poller("document_batches").poll()
        rig.mock_api.faults.clear()
    for _ in range(2):
        poller = rig.poller("document_batches")
        assert poller.poll()
        rig.clock.now += HOUR
    assert (poller.status.finished, poller.status.in_flight) == (count, 0)
    assert rig.own(poller).vanished == 1
    with rig.state.records(rig.account, "document_batches", Rules()) as records:
        assert not records.checkpoint.missing


UNCLEAR = pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.raw(b"null"), id="null"),
        pytest.param(faults.raw(b'{"id": "rb_open", "created_at": "soon", "total": 3}'), id="no-time"),
        pytest.param(faults.raw(b'{"id": "rb_other", "created_at": "2023-11-14T00:00:00Z"}'), id="another"),
    ],
)


@UNCLEAR
def test_an_answer_that_can_not_be_understood_is_no_proof_that_a_record_was_deleted(rig: Rig, fault: Fault) -> None:
    fill(rig, 500)
    open_batch(rig, "rb_open", NOW - DAY / 4)
    poller = settled(rig)
    rig.mock_api.faults.add(fault, path="/batch/rb_open")
    assert poller.poll()
    assert rig.own(poller).vanished == 0
    rig.mock_api.faults.clear()
    rig.reconcile(poller)
    assert poller.poll()
    assert rig.exact("document_batches")


@UNCLEAR
def test_a_record_that_the_list_no_longer_shows_is_kept_while_the_answers_for_its_id_can_not_be_understood(
    rig: Rig, fault: Fault
) -> None:
    fill(rig, 500)
    open_batch(rig, "rb_open", NOW - DAY / 4)
    poller = settled(rig)
    rig.world.remove("document_batches", "rb_open")
    rig.mock_api.faults.add(fault, path="/batch/rb_open")
    for _ in range(3):
        rig.reconcile(poller)
    assert rig.own(poller).vanished == 0
    rig.mock_api.faults.clear()
    rig.reconcile(poller)
    rig.reconcile(poller)
    assert rig.exact("document_batches")


def test_a_list_that_is_not_found_is_no_proof_that_its_records_were_deleted(rig: Rig) -> None:
    rig.world.extend("invocations", [invocation(f"rend_{n}", NOW - n) for n in range(500)])
    rig.world.add("invocations", invocation("rend_open", NOW - HOUR, destinations={"box": "In Progress"}))
    poller = settled(rig, "invocations")

    def refuse(kind: str, page: int) -> None:
        rig.mock_api.faults.add(faults.status(404), times=1)

    rig.mock_api.faults.list_faults = ListFaults(before_page=refuse)
    assert not poller.poll()
    assert rig.own(poller).poll_errors == {Reason.CLIENT_ERROR: 1}
    assert rig.own(poller).vanished == 0


def test_an_answer_of_not_found_to_many_ids_fails_the_poll_and_is_no_proof(rig: Rig) -> None:
    rig.world.extend("invocations", [invocation(f"rend_{n}", NOW - n) for n in range(500)])
    rig.world.add("invocations", invocation("rend_open", NOW - HOUR, destinations={"box": "In Progress"}))
    api = MemoryApi(InkitApi(rig.world, ""))
    poller = settled(rig, "invocations", asking=cast("Client", api))
    api.instead = lambda _, request: 404 if "data_id" in request.params else None
    for _ in range(3):
        assert not poller.poll()
        rig.clock.now += 60
    assert rig.own(poller).poll_errors == {Reason.CLIENT_ERROR: 3}
    assert rig.own(poller).vanished == 0


@pytest.mark.parametrize(("status", "reason"), [(401, Reason.AUTH), (429, Reason.RATE_LIMITED)])
def test_an_answer_that_says_nothing_of_the_record_asked_for_fails_the_poll(
    rig: Rig, status: int, reason: Reason
) -> None:
    fill(rig, 500)
    open_batch(rig, "rb_open", NOW - DAY / 4)
    poller = settled(rig)
    rig.mock_api.faults.add(faults.status(status), path="/batch/rb_open")
    assert not poller.poll()
    assert rig.own(poller).poll_errors == {reason: 1}


def test_work_older_than_the_window_is_asked_for_at_reconciliations_only(rig: Rig) -> None:
    fill(rig, 900, apart=DAY / 90)
    open_batch(rig, "rb_stuck", NOW - 6.9 * DAY)
    poller = settled(rig)
    rig.clock.now = NOW + 2 * DAY
    assert poller.poll()
    rig.mock_api.requests.clear()
    rig.world.update("document_batches", "rb_stuck", destinations=FAILED)
    for _ in range(50):
        rig.clock.now += 60
        assert poller.poll()
        assert "/batch/rb_stuck" not in [request.path for request in rig.mock_api.requests]
        assert poller.status.in_flight == 1
    rig.clock.now += HOUR
    assert poller.poll()
    assert "/batch/rb_stuck" in [request.path for request in rig.mock_api.requests]
    assert poller.status.in_flight == 0
    assert rig.events("document_batches")["inkit_batch_generations_finished_total", "document", "sepire", "failed"] == 2


def test_work_that_never_ends_is_given_up_counted_and_logged_and_asked_for_no_more(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    open_batch(rig, "rb_stuck", NOW)
    poller = settled(rig)
    rig.clock.now = NOW + 30 * DAY - 1
    assert poller.poll()
    assert rig.series(poller, "inkit_batches")["document", "completed"] == 1
    rig.clock.now = NOW + 30 * DAY + 1
    with caplog.at_level(logging.WARNING):
        assert poller.poll()
    assert "gave up on records in flight" in caplog.text
    assert rig.own(poller).abandoned == 1
    assert rig.series(poller, "inkit_batches")["document", "completed"] == 0
    rig.clock.now += 2 * HOUR
    rig.mock_api.requests.clear()
    assert poller.poll()
    assert rig.own(poller).abandoned == 1
    assert [request.path for request in rig.mock_api.requests] == ["/batch"]


def test_finished_records_leave_the_window_record_by_record(rig: Rig) -> None:
    fill(rig, 300, apart=DAY / 20)
    poller = settled(rig)
    for _ in range(5):
        assert poller.poll()
        assert rig.exact("document_batches")
        rig.clock.now += DAY / 2
    assert not rig.events("document_batches")


@pytest.mark.parametrize("records", [1, 99])
def test_the_first_poll_of_a_list_of_one_page_is_one_request(rig: Rig, records: int) -> None:
    for number in range(records):
        rig.world.add("document_batches", document_batch(f"rb_{number}", NOW - number))
    assert rig.cost(rig.poller("document_batches")) == 1


@pytest.mark.parametrize("field", ["id", "created_at", "status"])
def test_an_old_record_that_the_first_reading_could_not_understand_is_no_new_event(rig: Rig, field: str) -> None:
    fill(rig, 200)
    failed = document_batch("rb_bad", NOW - 3000, destinations=FAILED)
    broken = {"id": "rb bad!", "created_at": "soon", "status": 5}
    listed = {**failed, field: broken[field]}
    api = MemoryApi(InkitApi(rig.world, ""))
    rows = {"broken": True}

    def edit(_: int, answer: Any) -> None:
        if rows["broken"] and "items" in answer:
            answer["items"] = [listed if item["id"] == "rb_bad" else item for item in answer["items"]]

    api.edit = edit
    rig.world.add("document_batches", failed)
    poller = rig.poller("document_batches", page_size=25, asking=cast("Client", api))
    assert poller.poll()
    rows["broken"] = False
    rig.reconcile(poller)
    assert rig.exact("document_batches")
    assert not rig.events("document_batches")
    rig.world.add("document_batches", document_batch("rb_new", rig.clock.now, destinations=FAILED))
    rig.clock.now += 60
    assert poller.poll()
    assert rig.events("document_batches")[("inkit_batches_finished_total", "document", "completed")] == 1


@pytest.mark.parametrize("ignored", [(1, 1, 1, 1, 1, 1), (1, 1, 0, 0, 1, 1), (0, 0, 1, 1, 0, 0)])
def test_invocations_are_up_to_date_though_the_api_ignores_which_ids_are_asked_for(
    rig: Rig, ignored: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """What fails far down the list is known at once, though the parameter is tried again and again."""
    caplog.set_level(logging.WARNING, "exporter")
    rig.world.extend("invocations", [invocation(f"rend_{n}", NOW - n) for n in range(1000)])

    def put(number: int, status: str) -> None:
        created = NOW - 600.5 - number
        rig.world.add("invocations", invocation(f"rend_open_{number}", created, destinations={"sepire": status}))

    for number in range(12):
        put(number, "In Progress")
    poller = rig.poller("invocations")
    for number, ignores in enumerate(ignored):
        rig.mock_api.faults.list_faults = ListFaults(ignore_filters=bool(ignores))
        put(number, "Failed")
        rig.world.remove("invocations", f"rend_open_{number + 6}")
        for _ in range(3):
            assert poller.poll()
            rig.clock.now += 60
        rig.clock.now += HOUR
    for _ in range(3):
        assert poller.poll()
        rig.clock.now += 60
    assert rig.exact("invocations")
    assert "API ignores the IDs of records: reading the list for unfinished records" in caplog.text


@pytest.mark.parametrize("alone", [False, True], ids=["one program", "a program for each poll"])
def test_no_poll_that_succeeds_leaves_an_invocation_old_because_the_api_ignores_ids(rig: Rig, alone: bool) -> None:
    """Each poll of `once` is the first one that sees it."""
    done = [invocation(f"rend_{n}", NOW - 60 * n) for n in range(300)]
    rig.world.extend("invocations", done)

    def put(number: int, status: str) -> None:
        created = NOW - 60 * (200.5 + number)
        rig.world.add("invocations", invocation(f"old_{number}", created, destinations={"sepire": status}))

    for number in range(5):
        put(number, "In Progress")
    poller = rig.poller("invocations", page_size=50)
    assert poller.poll()
    rig.mock_api.faults.list_faults = ListFaults(ignore_filters=True)
    for number in range(4):
        put(number, "Failed")
        # They are what the API answers with: it sorts by the last change.
        for item in done[:20]:
            rig.world.add("invocations", item)
        rig.clock.now += 60
        poller = rig.poller("invocations", page_size=50) if alone else poller
        rig.mock_api.requests.clear()
        assert poller.poll()
        assert rig.exact("invocations")
        assert len(rig.mock_api.requests) <= 7, "IDs, and each page to the oldest open one once"
    assert sum(rig.events("invocations").values()) == 2 * 4


@pytest.mark.parametrize(("ends", "noted"), [(Stopping(), set()), (FetchError(Reason.TIMEOUT, "late"), {"rb_open"})])
def test_a_poll_that_is_to_end_writes_nothing_more(rig: Rig, ends: Exception, noted: set[str]) -> None:
    """The state may be another replica's by then. A poll that fails notes what it has missed."""
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", NOW - 600 * n) for n in range(60)])
    open_batch(rig, "rb_open", NOW - 10 * HOUR)
    api = MemoryApi(InkitApi(rig.world, ""))
    poller = rig.poller("document_batches", page_size=10, asking=cast("Client", api))
    assert poller.poll()
    rig.world.remove("document_batches", "rb_open")
    asked = list[str]()

    def end(_: int, request: Request) -> int | None:
        if "/batch/rb_open" in asked and request.path == "/batch":
            raise ends
        asked.append(request.path)
        return None

    api.instead = end
    rig.clock.now += HOUR
    if isinstance(ends, FetchError):
        assert not poller.poll()
    else:
        with pytest.raises(Stopping):
            poller.poll()
    with rig.state.records(rig.account, "document_batches", Rules()) as records:
        assert set(records.checkpoint.missing) == noted
