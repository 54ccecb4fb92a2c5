"""What moves a counter and what does not, over restarts too; exemplars, durations, the oldest in flight, the cap."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from exporter.demo import faults
from exporter.demo.items import Item, document_batch, generations, invocation
from exporter.poller import Poller
from exporter.records import Record
from exporter.state import Marks, Records, prepared
from tests.rig import DAY, HOUR, NOW, Rig

FAILED = {"sepire": generations(3, failed=3)}
OPEN = {"sepire": generations(3)}
GENERATIONS = "inkit_batch_generations_finished_total"
FAILURES = (GENERATIONS, "document", "sepire", "failed")
COMPLETED = (GENERATIONS, "document", "sepire", "completed")


class Killed(BaseException):
    """The end of the program in the middle of a poll."""


def failures(rig: Rig) -> int:
    return rig.events("document_batches")[FAILURES]


def fill(rig: Rig, count: int = 300, apart: float = 3600.0) -> None:
    """Failed batches, one an hour."""
    items = [document_batch(f"rb_old_{n}", NOW - n * apart, destinations=FAILED) for n in range(count)]
    rig.world.extend("document_batches", items)


def add(rig: Rig, name: str, created: float, destinations: dict[str, Item] | None = None) -> None:
    item = document_batch(name, created, destinations=destinations or FAILED)
    rig.world.add("document_batches", item)


def polled(rig: Rig, times: int = 1, **changed: Any) -> Poller:
    """A program that has just started, after some polls."""
    poller = rig.poller("document_batches", **changed)
    for _ in range(times):
        assert poller.poll()
        rig.clock.now += 60
    return poller


def test_what_was_there_before_is_no_event_and_what_comes_after_is(rig: Rig) -> None:
    fill(rig)
    poller = polled(rig, 3)
    assert failures(rig) == 0
    add(rig, "rb_new", rig.clock.now)
    assert poller.poll()
    assert failures(rig) == 3


@pytest.mark.parametrize("first", [2 * DAY, 7 * DAY])
def test_a_longer_lookback_moves_no_counter_nor_does_a_shorter_one_in_between(rig: Rig, first: float) -> None:
    fill(rig)
    polled(rig, lookback=first)
    polled(rig, lookback=2 * DAY)
    polled(rig, lookback=10 * DAY)
    assert failures(rig) == 0
    assert rig.exact("document_batches", 10 * DAY + 60)
    add(rig, "rb_new", rig.clock.now)
    polled(rig, lookback=11 * DAY)
    assert failures(rig) == 3, "that is news all the same"


def test_a_shorter_lookback_that_was_cut_off_while_it_forgot_counts_nothing_again(rig: Rig) -> None:
    """Killed between dropping old records and whatever else the poll does; then the operator thinks better of it."""
    fill(rig)
    polled(rig, 2)
    forget = Records.forget

    def forget_and_die(self: Records, records: Sequence[Record], marks: Marks | None = None) -> None:
        forget(self, records, marks)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Records, "forget", forget_and_die)
        with pytest.raises(Killed):
            rig.poller("document_batches", lookback=DAY).poll()
    rig.clock.now += 60
    polled(rig)
    rig.clock.now += HOUR
    polled(rig, 2)
    assert failures(rig) == 0
    assert rig.exact("document_batches", 7 * DAY + 60)


def test_other_filters_begin_anew_and_move_no_counter(rig: Rig) -> None:
    fill(rig)
    add(rig, "rb_other", NOW, {"box": generations(1, failed=1)})
    polled(rig, scope="a", filters={"destination_name": "box"})
    add(rig, "rb_new", rig.clock.now)
    poller = polled(rig, scope="b")
    assert failures(rig) == 0
    assert rig.exact("document_batches", 7 * DAY + 60)
    add(rig, "rb_newer", rig.clock.now)
    assert poller.poll()
    assert failures(rig) == 3


def test_a_renamed_account_and_a_lost_state_file_move_no_counter(rig: Rig, tmp_path: Path) -> None:
    fill(rig)
    polled(rig)
    rig.account = "renamed"
    polled(rig)
    assert failures(rig) == 0
    with prepared(tmp_path / "new.db") as rig.state:
        polled(rig, 2)
        assert failures(rig) == 0


def test_what_happened_while_the_program_was_down_is_counted_at_the_next_start(rig: Rig) -> None:
    fill(rig)
    add(rig, "rb_open", NOW - 30, OPEN)
    polled(rig)
    rig.clock.now += 2 * DAY
    add(rig, "rb_open", NOW - 30)
    for number in range(250):
        add(rig, f"rb_new_{number}", NOW + HOUR + number * 60)
    polled(rig)
    assert failures(rig) == 3 * 251


def test_a_downtime_longer_than_the_window_loses_only_what_has_left_it(rig: Rig) -> None:
    polled(rig)
    add(rig, "rb_lost", NOW + DAY)
    add(rig, "rb_seen", NOW + 20 * DAY)
    rig.clock.now += 21 * DAY
    polled(rig)
    assert failures(rig) == 3


def test_a_retry_never_lowers_a_counter_and_a_second_failure_is_one_more(rig: Rig) -> None:
    add(rig, "rb_1", NOW, OPEN)
    poller = polled(rig)
    counted = []
    for failed, completed in ((2, 0), (1, 0), (0, 1), (0, 3), (1, 2)):
        add(rig, "rb_1", NOW, {"sepire": generations(3, failed=failed, completed=completed)})
        assert poller.poll()
        counted.append((failures(rig), rig.events("document_batches")[COMPLETED]))
        rig.clock.now += 60
    assert counted == [(2, 0), (2, 0), (2, 1), (2, 3), (3, 3)]


def test_a_record_that_comes_back_is_counted_in_the_gauges_again_and_in_no_counter(rig: Rig) -> None:
    poller = polled(rig)
    add(rig, "rb_1", rig.clock.now)
    assert poller.poll()
    item = rig.world.get("document_batches", "rb_1")
    rig.world.remove("document_batches", "rb_1")
    polled(rig)
    assert poller.facts.vanished == 0
    assert not rig.gauges("document_batches")
    assert item is not None
    rig.world.add("document_batches", item)
    polled(rig)
    assert failures(rig) == 3
    assert rig.exact("document_batches")


def exposed(rig: Rig, poller: Poller) -> dict[tuple[str, ...], float]:
    """The counters of generations that are not 0."""
    return {key: value for key, value in rig.series(poller, GENERATIONS).items() if value}


@pytest.mark.parametrize("before", [0, 2], ids=["never-met", "met-in-the-backfill"])
def test_a_series_that_stood_at_0_rises_at_once_also_after_a_restart(rig: Rig, before: int) -> None:
    fill(rig, before)
    poller = polled(rig)
    assert rig.series(poller, GENERATIONS)[FAILURES[1:]] == 0
    add(rig, "rb_1", rig.clock.now)
    assert poller.poll()
    assert exposed(rig, poller) == {FAILURES[1:]: 3}
    rig.clock.now += 60
    add(rig, "rb_2", rig.clock.now, {"docusign": generations(1, failed=1)})
    poller = polled(rig)
    assert exposed(rig, poller) == {FAILURES[1:]: 3, ("document", "docusign", "failed"): 1}


def workflow(rig: Rig, name: str, flow: str, status: str = "Failed") -> None:
    rig.world.add("invocations", invocation(name, rig.clock.now, destinations={"box": status}, flow_name=flow))


def flows(rig: Rig, poller: Poller) -> dict[tuple[str, ...], float]:
    """The failed invocations by workflow."""
    found = rig.series(poller, "inkit_invocations_finished_total")
    return {key: value for key, value in found.items() if key[:2] == ("completed", "failed")}


def test_a_new_series_is_exposed_at_0_for_one_poll_before_it_rises(rig: Rig) -> None:
    poller = rig.poller("invocations", workflow_label=True)
    assert poller.poll()
    assert flows(rig, poller) == {}
    workflow(rig, "rend_1", "A")
    assert poller.poll()
    assert flows(rig, poller) == {("completed", "failed", "A"): 0}
    workflow(rig, "rend_2", "A")
    workflow(rig, "rend_3", "B")
    assert poller.poll()
    assert flows(rig, poller) == {("completed", "failed", "A"): 2, ("completed", "failed", "B"): 0}
    assert poller.poll()
    assert flows(rig, poller) == {("completed", "failed", "A"): 2, ("completed", "failed", "B"): 1}


def test_a_new_series_whose_0_was_not_exposed_before_the_program_ended_is_exposed_at_0_by_the_next(rig: Rig) -> None:
    poller = rig.poller("invocations", workflow_label=True)
    assert poller.poll()
    workflow(rig, "rend_1", "A")
    rig.world.extend("invocations", [invocation(f"rend_new_{n}", NOW + n / 100) for n in range(150)])
    rig.fail_after(1)
    assert not poller.poll()
    rig.stand_in.faults.clear()
    poller = rig.poller("invocations", workflow_label=True)
    assert poller.poll()
    assert flows(rig, poller)["completed", "failed", "A"] == 0
    assert poller.poll()
    assert flows(rig, poller)["completed", "failed", "A"] == 1


def test_other_combinations_of_a_workflow_that_is_known_rise_at_once(rig: Rig) -> None:
    poller = rig.poller("invocations", workflow_label=True)
    assert poller.poll()
    workflow(rig, "rend_1", "A", "Completed")
    assert poller.poll()
    assert poller.poll()
    workflow(rig, "rend_2", "A", "Failed")
    assert poller.poll()
    assert flows(rig, poller) == {("completed", "failed", "A"): 1}


def test_a_failure_leads_to_its_record_by_an_exemplar(rig: Rig) -> None:
    poller = polled(rig)
    add(rig, "rb_1", rig.clock.now)
    add(rig, "rb_2", rig.clock.now + 1)
    add(rig, "rb_fine", rig.clock.now + 2, {"sepire": generations(5, completed=5)})
    assert poller.poll()
    lines = [line for line in rig.lines(poller, GENERATIONS, openmetrics=True) if "#" in line]
    assert len(lines) == 1
    assert 'status="failed"' in lines[0]
    assert lines[0].endswith(f' 6.0 # {{record_id="rb_1"}} 3.0 {rig.clock.now}') or 'record_id="rb_2"' in lines[0]
    polled(rig)
    assert [one for one in rig.lines(poller, GENERATIONS, openmetrics=True) if "#" in one] == lines, "after a restart"


def test_a_duration_runs_from_creation_to_the_poll_that_saw_the_end(rig: Rig) -> None:
    add(rig, "rb_1", NOW - 100, OPEN)
    add(rig, "rb_old", NOW - HOUR)
    poller = polled(rig)
    add(rig, "rb_1", NOW - 100)
    rig.clock.now = NOW + 100
    assert poller.poll()
    values = [float(line.rpartition(" ")[2]) for line in rig.lines(poller, "inkit_batch_duration_seconds")]
    assert values == [0.0, 0.0, 0.0, *[1.0] * 8, 1.0, 200.0]
    rig.clock.now += 60
    assert poller.poll()
    assert [float(line.rpartition(" ")[2]) for line in rig.lines(poller, "inkit_batch_duration_seconds")] == values


def test_a_clock_behind_the_vendors_gives_no_negative_duration(rig: Rig) -> None:
    poller = polled(rig)
    add(rig, "rb_1", rig.clock.now + HOUR)
    assert poller.poll()
    assert rig.lines(poller, "inkit_batch_duration_seconds")[-1].endswith(" 0.0")


def test_the_oldest_in_flight_is_the_one_created_first_and_absent_where_none_is(rig: Rig) -> None:
    family = "inkit_oldest_in_flight_created_timestamp_seconds"
    poller = polled(rig)
    assert rig.series(poller, family) == {}
    add(rig, "rb_1", NOW, OPEN)
    add(rig, "rb_2", NOW - HOUR, OPEN)
    assert poller.poll()
    assert rig.series(poller, family) == {("document_batches",): NOW - HOUR}
    add(rig, "rb_2", NOW - HOUR)
    assert poller.poll()
    assert rig.series(poller, family) == {("document_batches",): NOW}
    rig.world.remove("document_batches", "rb_1")
    assert poller.poll()
    assert rig.series(poller, family) == {}


def test_a_poll_that_failed_half_way_loses_and_repeats_no_event(rig: Rig) -> None:
    fill(rig)
    poller = polled(rig, page_size=25)
    for number in range(200):
        add(rig, f"rb_new_{number}", NOW + number / 10)
    for page in (2, 4, 6):
        rig.fail_after(page)
        assert not poller.poll()
        rig.stand_in.faults.clear()
        rig.clock.now += 60
    assert poller.poll()
    assert failures(rig) == 600
    assert poller.poll()
    assert failures(rig) == 600


@pytest.mark.parametrize("times", [1, 2])
def test_a_clock_that_was_ahead_for_a_while_stops_nothing_for_good(rig: Rig, times: int) -> None:
    fill(rig)
    polled(rig)
    rig.clock.now = NOW + 400 * DAY
    polled(rig, times)
    rig.clock.now = NOW + HOUR
    poller = polled(rig)
    assert failures(rig) == 0
    assert rig.exact("document_batches", 7 * DAY + 60)
    add(rig, "rb_new", rig.clock.now)
    assert poller.poll()
    assert failures(rig) == 3


def test_series_beyond_the_cap_are_folded_and_no_counter_falls(rig: Rig) -> None:
    poller = rig.poller("invocations", workflow_label=True)
    box = {"box": "Failed"}
    made = [invocation(f"rend_{n}", NOW - n, flow_name=f"flow {n}", destinations=box) for n in range(2100)]
    rig.world.extend("invocations", made)
    assert poller.poll()
    failed = {key: value for key, value in rig.series(poller, "inkit_invocations").items() if value}
    assert len(failed) == 2001
    assert failed["completed", "failed", "__other__"] == 100
    assert sum(failed.values()) == 2100
    assert rig.folded["inkit_invocations"] == 100

    def again(numbers: range) -> dict[tuple[str, ...], float]:
        rig.clock.now += 60
        for number in numbers:
            workflow(rig, f"rend_again_{rig.clock.now}_{number}", f"flow {number}")
        for _ in range(2):
            assert poller.poll()
        return flows(rig, poller)

    first = again(range(50, 2100))
    assert sum(first.values()) == 2050
    second = again(range(100))
    assert sum(second.values()) == 2150
    assert [key for key, value in first.items() if second.get(key, 0.0) < value] == []


def test_an_account_that_fails_leaves_the_counters_of_another_alone(rig: Rig) -> None:
    polled(rig)
    add(rig, "rb_1", rig.clock.now)
    rig.stand_in.faults.add(faults.status(401))
    assert not rig.poller("document_batches").poll()
    assert failures(rig) == 0
    rig.stand_in.faults.clear()
    polled(rig)
    rig.account = "other"
    polled(rig)
    assert failures(rig) == 0
    rig.account = "prod"
    assert failures(rig) == 3
