"""What is exposed: a 0 before a series rises, exemplars, durations, the oldest in flight, the cap on series."""

import pytest

from exporter.demo.items import Item, document_batch, generations, invocation
from exporter.poller import Poller
from tests.rig import HOUR, NOW, Rig

FAILED = {"sepire": generations(3, failed=3)}
OPEN = {"sepire": generations(3)}
GENERATIONS = "inkit_batch_generations_finished_total"
FAILURES = ("document", "sepire", "failed")


def add(rig: Rig, name: str, created: float, destinations: dict[str, Item] | None = None) -> None:
    item = document_batch(name, created, destinations=destinations or FAILED)
    rig.world.add("document_batches", item)


def polled(rig: Rig) -> Poller:
    """A program that has just started, after a poll."""
    poller = rig.poller("document_batches")
    assert poller.poll()
    rig.clock.now += 60
    return poller


def exposed(rig: Rig, poller: Poller) -> dict[tuple[str, ...], float]:
    """The counters of generations that are not 0."""
    return {key: value for key, value in rig.series(poller, GENERATIONS).items() if value}


@pytest.mark.parametrize("before", [0, 2], ids=["never-met", "met-in-the-backfill"])
def test_a_series_that_stood_at_0_rises_at_once_also_after_a_restart(rig: Rig, before: int) -> None:
    for number in range(before):
        add(rig, f"rb_old_{number}", NOW - HOUR * number)
    poller = polled(rig)
    assert rig.series(poller, GENERATIONS)[FAILURES] == 0
    add(rig, "rb_1", rig.clock.now)
    assert poller.poll()
    assert exposed(rig, poller) == {FAILURES: 3}
    rig.clock.now += 60
    add(rig, "rb_2", rig.clock.now, {"docusign": generations(1, failed=1)})
    poller = polled(rig)
    assert exposed(rig, poller) == {FAILURES: 3, ("document", "docusign", "failed"): 1}


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
    rig.world.extend("invocations", [invocation(f"rend_new_{n}", NOW + n / 100) for n in range(150)])
    rig.clock.now += 60
    workflow(rig, "rend_1", "A")
    rig.fail_after(1)
    assert not poller.poll()
    rig.stand_in.faults.clear()
    workflow(rig, "rend_2", "A")
    poller = rig.poller("invocations", workflow_label=True)
    assert poller.poll()
    assert flows(rig, poller)["completed", "failed", "A"] == 0
    assert poller.poll()
    assert flows(rig, poller)["completed", "failed", "A"] == 2


def test_a_0_that_only_stood_until_the_first_poll_after_a_restart_has_not_been_seen(rig: Rig) -> None:
    poller = rig.poller("invocations", workflow_label=True)
    assert poller.poll()
    workflow(rig, "rend_1", "A")
    assert poller.poll()
    poller = rig.poller("invocations", workflow_label=True)
    poller.restore()
    assert poller.poll()
    assert flows(rig, poller) == {("completed", "failed", "A"): 0}
    assert poller.poll()
    assert flows(rig, poller) == {("completed", "failed", "A"): 1}


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
    assert poller.poll()
    assert rig.series(poller, family) == {}


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
    assert rig.board.snapshot.collectors[0].folded["inkit_invocations"] == 100

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
