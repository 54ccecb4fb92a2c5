"""The running pollers of a program: what is reported about them, and what happens to them when accounts change."""

import concurrent.futures
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from exporter.demo.items import document_batch, generations, invocation
from exporter.model.accounting import Rules
from exporter.model.record import Reason, StateError
from exporter.polling.poller import Poller
from tests.support import faults
from tests.support.at_work import Program
from tests.support.patience import GENEROUS, eventually
from tests.support.rig import NOW, TOKEN, Rig

HOUR = 3600.0


@pytest.fixture
def program(rig: Rig, tmp_path: Path) -> Iterator[Program]:
    made = Program(rig, tmp_path)
    yield made
    made.end()


BATCHES = "collectors: [document_batches]"
INVOCATIONS = "collectors: [invocations]"


def test_a_pause_that_the_api_asked_for_outlives_a_change_of_the_account(program: Program) -> None:
    program.rig.mock_api.faults.add(faults.status(429, {"Retry-After": "100"}), times=1)
    program.running.start(program.accounts(a=BATCHES))
    eventually(lambda: program.paused_for("a") > 9)
    program.change(a=f"{BATCHES}, page_size: 50")
    [poller] = program.pipelines[-1].pollers
    poll = program.scheduler.engine.submit(program.pipelines[-1].over, poller.poll)
    with pytest.raises(TimeoutError):
        poll.result(0.2)
    assert program.asked() == ["/batch"]
    [account] = program.accounts(a=BATCHES)
    program.running.change([replace(account, base_url=f"{account.base_url}/other")])
    [poller] = program.pipelines[-1].pollers
    eventually(lambda: poller.status.reason is Reason.CLIENT_ERROR)


USED_UP = {"X-RateLimit-Limit": "9", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "100"}


def test_a_limit_that_is_used_up_holds_all_accounts_of_the_token_and_no_worker(program: Program) -> None:
    program.rig.mock_api.faults.add(faults.status(200, USED_UP, b"null"), times=1)
    program.running.start(program.accounts(a=BATCHES))
    eventually(lambda: program.paused_for("a") > 9)
    other = f"api_token: {TOKEN}-2, {INVOCATIONS}"
    program.change(a=BATCHES, b=BATCHES, c=other)
    pollers = {poller.id[0]: poller for pipeline in program.pipelines for poller in pipeline.pollers}
    eventually(lambda: pollers["c"].status.reason is Reason.AUTH)
    for account, is_held in {"a": True, "b": True, "c": False}.items():
        assert (program.paused_for(account) > 0) is is_held
    held = [program.scheduler.engine.submit(name, pollers[name].poll) for name in ("a", "b")]
    assert concurrent.futures.wait(held, 0.3).done == set()
    assert program.asked() == ["/batch", "/invoke"]
    assert program.scheduler.workers.busy == 0


def test_what_an_api_allows_is_not_said_of_another_token(program: Program) -> None:
    program.rig.mock_api.faults.add(faults.status(200, {**USED_UP, "X-RateLimit-Remaining": "5"}, b"null"), times=1)
    program.running.start(program.accounts(a=BATCHES))

    def remaining() -> float | None:
        labels = {"account": "a", "system": "inkit"}
        return program.live.registry.get_sample_value("batch_exporter_api_rate_limit_remaining", labels)

    eventually(lambda: remaining() == 5)
    program.change(a=f"{BATCHES}, page_size: 50")
    assert remaining() == 5
    program.change(a=f"{BATCHES}, api_token: {TOKEN}-2")
    assert remaining() is None


def test_nothing_is_kept_of_accounts_that_were_removed(program: Program) -> None:
    program.running.start(program.accounts(a=BATCHES, b=BATCHES))
    for number in range(3):
        program.change(a=BATCHES, **{f"b{number}": BATCHES})
    back = program.accounts(a=BATCHES, b=BATCHES, b0=BATCHES, b1=BATCHES, b2=BATCHES)
    assert [account.name for account in back if program.continues(account)] == ["a", "b2"]


def test_it_is_ready_once_every_window_has_been_read_and_healthy_all_the_while(program: Program) -> None:
    program.rig.mock_api.faults.add(faults.status(401), path="/invoke", times=1)
    program.running.start(program.accounts(a=BATCHES, b=INVOCATIONS))
    [batches], [invocations] = (pipeline.pollers for pipeline in program.pipelines)
    eventually(lambda: program.snapshots_of("b")[0].status.up is False and batches.status.up is True)
    assert program.running.healthy()
    assert program.running.not_ready() is not None
    assert program.poll(invocations)
    assert program.running.not_ready() is None


def test_collectors_are_in_the_store_before_their_first_poll(program: Program) -> None:
    program.rig.mock_api.faults.add(faults.hang())
    program.running.start(program.accounts(a=BATCHES))
    assert [collector.id for collector in program.rig.store.snapshot.collectors] == [("a", "document_batches")]


def test_a_mistake_of_ours_is_a_failed_poll_and_the_next_one_tries_again(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW))
    rig.ticks = time.monotonic
    poller = rig.poller("document_batches")
    rig.clock.now = cast("float", None)
    assert not poller.poll()
    assert rig.own(poller).poll_errors == {Reason.INTERNAL: 1}
    assert "internal error" in caplog.text
    rig.clock.now = NOW
    assert poller.poll()
    assert poller.status.up is True


def test_an_account_that_is_the_same_is_not_polled_again(program: Program) -> None:
    running = program.running
    running.start(program.accounts(a=BATCHES, b=INVOCATIONS))
    program.wait_for_polls("a", "b")
    before = program.snapshots_of("a")
    asked = program.asked()
    assert program.change(c=INVOCATIONS, a=BATCHES) == {"added": 1, "changed": 0, "removed": 1, "kept": 1}
    program.wait_for_polls("c")
    assert program.snapshots_of("a") == before
    assert program.asked() == [*asked, "/invoke"]
    assert running.healthy()
    assert running.not_ready() is None


def test_accounts_are_in_the_order_of_the_last_configuration(program: Program) -> None:
    program.running.start(program.accounts(a=BATCHES, b=BATCHES))
    program.change(c=BATCHES, b=BATCHES, a=f"{BATCHES}, page_size: 50")
    assert [collector.account for collector in program.rig.store.snapshot.collectors] == ["c", "b", "a"]


def test_an_account_that_is_removed_leaves_and_comes_back_with_what_the_state_has_kept(program: Program) -> None:
    program.rig.world.add("document_batches", document_batch("rb_1", time.time(), total=3))
    both = program.accounts(a=BATCHES, b=INVOCATIONS)
    program.running.start(both)
    program.wait_for_polls("a")
    [removed] = program.pipelines[0].pollers
    program.change(b=INVOCATIONS)
    assert program.snapshots_of("a") == []
    removed.publish()
    assert program.snapshots_of("a") == []
    program.rig.mock_api.faults.add(faults.hang())
    program.running.change(both)
    assert program.shown("a", "inkit_batch_documents") == 'inkit_batch_documents{account="a",kind="document"} 3.0\n'


def test_the_series_of_an_account_that_changes_stay_and_what_was_counted_goes_on(program: Program) -> None:
    program.rig.world.add("document_batches", document_batch("rb_1", time.time(), total=3))
    program.running.start(program.accounts(a=BATCHES))
    program.wait_for_polls("a")
    [old] = program.pipelines[0].pollers
    program.rig.mock_api.faults.add(faults.status(401), times=1)
    assert not program.poll(old)
    before = program.snapshots_of("a")
    program.rig.mock_api.faults.add(faults.hang())
    assert program.change(a=f"{BATCHES}, page_size: 50") == {"added": 0, "changed": 1, "removed": 0, "kept": 0}
    [after] = program.snapshots_of("a")
    assert after.gauges == before[0].gauges
    assert set(after.status_gauges) >= set(before[0].status_gauges) - {"batch_exporter_incremental"}
    assert after.counters["batch_exporter_poll_errors_total"] == before[0].counters["batch_exporter_poll_errors_total"]
    assert after.status.up is False
    assert program.running.not_ready() is None


def test_what_is_asked_for_anew_is_withheld_until_it_is_read(program: Program) -> None:
    open_one = document_batch("rb_1", time.time(), total=3, destinations={"sepire": generations(3)})
    program.rig.world.add("document_batches", open_one)
    program.running.start(program.accounts(a=BATCHES))
    program.wait_for_polls("a")
    assert program.snapshots_of("a")[0].status.oldest_in_flight is not None
    program.rig.mock_api.faults.add(faults.hang())
    program.change(a=f"{BATCHES}, filters: {{search: x}}")
    assert program.shown("a", "inkit_batch_documents") == ""
    status = program.snapshots_of("a")[0].status
    assert (status.last_success, status.in_flight, status.oldest_in_flight) == (None, 0, None)
    assert status.stuck_alert == "InkitInFlightTooLong"
    assert program.running.not_ready() is not None


def test_a_poller_that_was_told_to_end_publishes_nothing_any_more(program: Program) -> None:
    program.running.start(program.accounts(a=BATCHES))
    program.wait_for_polls("a")
    [old] = program.pipelines[0].pollers
    changed_at = time.time()
    program.change(a=f"{BATCHES}, page_size: 50")
    program.wait_for_polls("a", since=changed_at)
    snapshot = program.rig.store.snapshot
    old.status.up = False
    old.publish()
    assert program.rig.store.snapshot is snapshot


def test_a_request_that_hangs_is_cut_off_and_is_no_failure(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    program.rig.mock_api.faults.add(faults.hang(), path="/batch", times=1)
    program.running.start(program.accounts(a=BATCHES))
    eventually(lambda: bool(program.rig.mock_api.requests))
    started = time.monotonic()
    program.change(a=f"{BATCHES}, page_size: 50")
    program.wait_for_polls("a")
    assert time.monotonic() - started < 15, "a request may take 30 s"
    assert caplog.text == ""
    assert not program.rig.own(program.pipelines[1].pollers[0]).poll_errors


def test_an_account_whose_data_cannot_be_restored_is_polled_all_the_same(
    program: Program, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_: Poller) -> None:
        raise StateError("the disk is gone")

    program.running.start(program.accounts(a=BATCHES))
    monkeypatch.setattr(Poller, "restore", unreadable)
    with caplog.at_level(logging.ERROR, logger="exporter.polling.unrestored"):
        program.change(a=BATCHES, b="collectors: [invocations, document_batches]", c=INVOCATIONS)
    (line,) = [record for record in caplog.records if record.name == "exporter.polling.unrestored"]
    assert line.message == "state can't be restored yet"
    assert vars(line).items() >= {"accounts": 2, "names": "b, c", "err": "the disk is gone"}.items()
    program.wait_for_polls("b", "c")


def test_a_change_that_breaks_off_is_not_healthy_until_the_next_one_polls_all_again(program: Program) -> None:
    program.running.start(program.accounts(a=BATCHES, b=INVOCATIONS))
    program.wait_for_polls("a", "b")
    program.breaks = True
    with pytest.raises(RuntimeError):
        program.change(a=f"{BATCHES}, page_size: 50", b=INVOCATIONS)
    assert not program.running.healthy()
    program.breaks = False
    since = time.time()
    program.change(a=BATCHES, b=INVOCATIONS)
    assert program.running.healthy()
    program.wait_for_polls("a", since=since)


def test_threads_do_not_leak(program: Program) -> None:
    others = set(threading.enumerate())
    program.running.start(program.accounts(a=BATCHES))
    program.wait_for_polls("a")
    for size in range(1, 30):
        program.change(a=f"{BATCHES}, page_size: {size}", b=INVOCATIONS)
    program.wait_for_polls("a", "b")
    threads = [thread.name for thread in threading.enumerate() if thread not in others]
    assert threads.count("polls") == 1
    assert len([name for name in threads if name.startswith("GET ")]) <= program.scheduler.workers.most


def test_a_poll_that_is_under_way_when_its_account_changes_has_ended_before_the_next_one_begins(
    program: Program,
) -> None:
    program.rig.mock_api.faults.add(faults.hang())
    program.running.start(program.accounts(a=BATCHES))
    eventually(lambda: bool(program.rig.mock_api.requests))
    ended: list[bool] = []
    first = program.pipelines[0]
    restore = Poller.restore

    def watched(poller: Poller) -> None:
        ended.append(not program.scheduler.engine.tasks_of(first.over))
        restore(poller)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Poller, "restore", watched)
        program.change(a=f"{BATCHES}, page_size: 50")
    assert ended == [True]


def test_where_the_thread_of_the_polls_has_ended_it_is_not_healthy_and_a_change_does_not_wait_for_ever(
    program: Program,
) -> None:
    program.running.start(program.accounts(a=BATCHES))
    assert program.running.healthy()
    assert program.scheduler.engine.stop(GENEROUS)
    assert not program.running.healthy()
    assert program.change(b=BATCHES) == {"added": 0, "changed": 0, "removed": 0, "kept": 0}


def test_a_change_after_a_stop_does_nothing(program: Program) -> None:
    program.running.start(program.accounts(a=BATCHES))
    program.running.stop()
    assert program.change(a=f"{BATCHES}, page_size: 50") == {"added": 0, "changed": 0, "removed": 0, "kept": 0}
    assert len(program.pipelines) == 1


def test_what_a_change_begins_while_the_program_stops_ends_at_once(program: Program) -> None:
    program.running.start(program.accounts(a=BATCHES))
    program.stops = True
    program.change(a=f"{BATCHES}, page_size: 50")
    assert program.pipelines[1].over.is_set()


def test_a_changed_collector_goes_on_where_the_one_before_stood_and_counts_nothing_twice(program: Program) -> None:
    program.running.start(program.accounts(a=INVOCATIONS))
    program.wait_for_polls("a")
    program.rig.world.add("invocations", invocation("rend_1", time.time(), destinations={"box": "Failed"}))
    for size in (50, 60, 70):
        changed_at = time.time()
        program.change(a=f"{INVOCATIONS}, page_size: {size}")
        program.wait_for_polls("a", since=changed_at)
    with program.rig.state.records("a", "invocations", Rules()) as records:
        counted = records.sums().counters
    assert counted["inkit_invocation_generations_finished_total", "box", "failed"].counted == 1
