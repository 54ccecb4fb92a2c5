"""What is exposed: a 0 before a series rises, exemplars, durations, the oldest in flight, the cap on series."""

import functools
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.demo.items import Item, document_batch, generations, invocation
from exporter.exposition.catalog import Feeds
from exporter.exposition.samples import Shape
from exporter.exposition.snapshot import CollectorSnapshot, SnapshotStore
from exporter.polling import publisher
from exporter.polling.poller import Poller
from exporter.state import prepared
from tests.support import faults
from tests.support.driving import drive
from tests.support.pages import DOCS
from tests.support.rig import HOUR, NOW, Clock, Rig

FAILED = {"sepire": generations(3, failed=3)}
OPEN = {"sepire": generations(3)}
GENERATIONS = "inkit_batch_generations_finished_total"
FAILURES = ("document", "sepire", "failed")


def add(rig: Rig, name: str, created: float, destinations: dict[str, Item] | None = None) -> None:
    item = document_batch(name, created, destinations=destinations or FAILED)
    rig.world.add("document_batches", item)


def polled(rig: Rig) -> Poller:
    """Return the poller of a program that has just started, after a poll."""
    poller = rig.poller("document_batches")
    assert poller.poll()
    rig.clock.now += 60
    return poller


def exposed(rig: Rig, poller: Poller) -> dict[tuple[str, ...], float]:
    """Return the counters of generations that are not 0."""
    return {key: value for key, value in rig.series(poller, GENERATIONS).items() if value}


def again(rig: Rig, poller: Poller) -> None:
    """Poll an interval later. A scrape in between has seen what was exposed until now."""
    rig.store.scraped(rig.clock.now + 1)
    rig.clock.now += 60
    assert poller.poll()


@pytest.mark.parametrize("before", [0, 2], ids=["never-met", "met-in-the-backfill"])
def test_a_series_that_stood_at_0_rises_at_the_next_poll(rig: Rig, before: int) -> None:
    for number in range(before):
        add(rig, f"rb_old_{number}", NOW - HOUR * number)
    poller = rig.poller("document_batches")
    assert poller.poll()
    assert rig.series(poller, GENERATIONS)[FAILURES] == 0
    add(rig, "rb_1", rig.clock.now)
    again(rig, poller)
    assert exposed(rig, poller) == {FAILURES: 3}


@pytest.mark.parametrize("down", [120.0, 7 * HOUR, 3 * 24 * HOUR])
def test_after_a_restart_a_series_begins_at_what_was_published_and_rises_from_there(rig: Rig, down: float) -> None:
    poller = rig.poller("document_batches")
    assert poller.poll()
    add(rig, "rb_1", rig.clock.now)
    again(rig, poller)
    assert exposed(rig, poller) == {FAILURES: 3}
    rig.clock.now += down
    add(rig, "rb_2", rig.clock.now)
    add(rig, "rb_3", rig.clock.now, {"docusign": generations(1, failed=1)})
    poller = rig.poller("document_batches")
    poller.restore()
    poller.publish()
    assert exposed(rig, poller) == {FAILURES: 3}
    rig.clock.now += 1
    assert poller.poll()
    assert exposed(rig, poller) == {FAILURES: 3}, "a value that stood for a second may not have been seen"
    again(rig, poller)
    assert exposed(rig, poller) == {FAILURES: 6, ("document", "docusign", "failed"): 1}


def test_after_a_short_restart_what_was_seen_before_rises_at_the_first_poll(rig: Rig) -> None:
    poller = rig.poller("document_batches")
    assert poller.poll()
    add(rig, "rb_1", rig.clock.now)
    for _ in range(3):
        again(rig, poller)
    rig.store.scraped(rig.clock.now - 10)
    assert poller.poll(), "which notes in the state that it was scraped"
    rig.clock.now += 20
    add(rig, "rb_2", rig.clock.now)
    add(rig, "rb_3", rig.clock.now, {"docusign": generations(1, failed=1)})
    rig.store = SnapshotStore()
    poller = rig.poller("document_batches")
    poller.restore()
    poller.publish()
    assert exposed(rig, poller) == {FAILURES: 3}
    assert poller.poll()
    assert exposed(rig, poller) == {FAILURES: 6}, "a series that has only stood at 0 is not known to have been exposed"


@pytest.mark.parametrize("killed_after", [1.0, 59.0])
def test_what_was_published_just_before_the_end_is_not_taken_for_seen(rig: Rig, killed_after: float) -> None:
    poller = rig.poller("document_batches")
    assert poller.poll()
    add(rig, "rb_1", rig.clock.now)
    again(rig, poller)
    rig.clock.now += killed_after
    rig.store.scraped(rig.clock.now - 0.5)
    assert poller.poll()
    add(rig, "rb_2", rig.clock.now)
    rig.store = SnapshotStore()
    poller = rig.poller("document_batches")
    poller.restore()
    poller.publish()
    assert poller.poll()
    assert exposed(rig, poller) == {FAILURES: 3}


def test_counters_stay_when_polls_have_failed_for_so_long_that_the_gauges_are_dropped(rig: Rig) -> None:
    poller = rig.poller("document_batches")
    assert poller.poll()
    add(rig, "rb_1", rig.clock.now)
    again(rig, poller)
    rig.mock_api.faults.add(faults.status(401))
    for _ in range(7 * 60):
        rig.store.scraped(rig.clock.now + 1)
        rig.clock.now += 60
        assert not poller.poll()
    assert exposed(rig, poller) == {FAILURES: 3}
    assert rig.store.snapshot.collectors[0].fresh_until < rig.clock.now
    add(rig, "rb_2", rig.clock.now)
    rig.mock_api.faults.clear()
    again(rig, poller)
    assert exposed(rig, poller) == {FAILURES: 6}


def test_a_failure_is_published_though_the_poll_that_met_it_fails_later_on(rig: Rig) -> None:
    add(rig, "rb_open", NOW - HOUR, OPEN)
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", NOW - 500 - 10 * n) for n in range(300)])
    poller = rig.poller("document_batches")
    assert poller.poll()
    add(rig, "rb_failed", NOW + 2)
    rig.mock_api.faults.add(faults.status(401), path="/batch/rb_open")
    rig.store.scraped(rig.clock.now + 1)
    rig.clock.now += 60
    assert not poller.poll()
    assert exposed(rig, poller) == {FAILURES: 3}


def workflow(rig: Rig, name: str, flow: str, status: str = "Failed") -> None:
    rig.world.add("invocations", invocation(name, rig.clock.now, destinations={"box": status}, flow_name=flow))


def flows(rig: Rig, poller: Poller) -> dict[str, float]:
    """Return the failed deliveries to a box by workflow."""
    found = rig.series(poller, "inkit_invocation_generations_finished_total")
    return {key[2]: value for key, value in found.items() if key[:2] == ("box", "failed")}


def test_a_new_series_is_exposed_at_0_until_that_was_seen(rig: Rig) -> None:
    poller = rig.poller("invocations", workflow_label=True)
    assert poller.poll()
    assert flows(rig, poller) == {}
    workflow(rig, "rend_1", "A")
    again(rig, poller)
    assert flows(rig, poller) == {"A": 0}
    workflow(rig, "rend_2", "A")
    workflow(rig, "rend_3", "B")
    rig.clock.now += 60
    assert poller.poll()
    assert flows(rig, poller) == {"A": 0, "B": 0}, "no scrape since"
    for _ in range(2):
        again(rig, poller)
    assert flows(rig, poller) == {"A": 2, "B": 1}


def test_a_new_series_that_stood_at_0_for_a_moment_rises_when_it_has_stood_for_an_interval(rig: Rig) -> None:
    """A poll of 5.6 seconds is followed by a quick one: the 0 between would not be scraped."""
    poller = rig.poller("invocations", workflow_label=True)
    assert poller.poll()
    rig.clock.now += 116
    workflow(rig, "rend_1", "A")
    assert poller.poll()
    rig.store.scraped(rig.clock.now + 1)
    rig.clock.now += 4
    assert poller.poll()
    assert flows(rig, poller) == {"A": 0}
    rig.clock.now += 56
    poller.rise()
    assert flows(rig, poller) == {"A": 1}, "without another poll"


def test_what_happens_while_nobody_scrapes_rises_when_somebody_does_again(rig: Rig) -> None:
    """Prometheus was away for seven hours: what it sees first is what it saw last."""
    poller = rig.poller("document_batches")
    assert poller.poll()
    add(rig, "rb_1", rig.clock.now)
    again(rig, poller)
    rig.clock.now += 120
    for number in range(7 * 60):
        add(rig, f"rb_away_{number}", rig.clock.now)
        assert poller.poll()
        assert exposed(rig, poller) == {FAILURES: 3}
        rig.clock.now += 60
    for _ in range(2):
        again(rig, poller)
    assert exposed(rig, poller) == {FAILURES: 3 * 421}


def test_what_is_published_is_written_before(rig: Rig) -> None:
    """Whoever takes over goes on from no less than was ever seen."""
    poller = rig.poller("document_batches")
    assert poller.poll()
    add(rig, "rb_1", rig.clock.now)
    add(rig, "rb_2", rig.clock.now)
    rig.store.scraped(rig.clock.now + 1)
    rig.clock.now += 60

    def written_first(shown: CollectorSnapshot) -> None:
        counter = rig.sums("document_batches").counters.get((GENERATIONS, *FAILURES))
        published = 0 if counter is None else counter.published
        assert f'status="failed"}} {float(published)}' in shown.counters[GENERATIONS].text.decode()

    watched = rig.poller("document_batches", publish=written_first)
    watched.restore()
    watched.publish()
    rig.clock.now += 60
    rig.store.scraped(rig.clock.now - 30)
    assert watched.poll()
    assert rig.sums("document_batches").counters[GENERATIONS, *FAILURES].published == 6


def test_other_combinations_of_a_workflow_that_is_known_rise_at_once(rig: Rig) -> None:
    poller = rig.poller("invocations", workflow_label=True)
    assert poller.poll()
    workflow(rig, "rend_1", "A", "Completed")
    again(rig, poller)
    workflow(rig, "rend_2", "A", "Failed")
    again(rig, poller)
    assert flows(rig, poller) == {"A": 1}


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
    poller = rig.poller("document_batches")
    poller.restore()
    poller.publish()
    assert [line for line in rig.lines(poller, GENERATIONS, openmetrics=True) if "#" in line] == lines, (
        "after a restart"
    )


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


def test_what_finished_while_nobody_polled_has_no_duration(rig: Rig) -> None:
    """After a night of failing polls, nobody knows whether it took a minute or the night."""
    add(rig, "rb_1", NOW - 100, OPEN)
    add(rig, "rb_2", NOW - 100, OPEN)
    poller = rig.poller("document_batches", stale_after=600.0)
    assert poller.poll()
    add(rig, "rb_1", NOW - 100)
    rig.clock.now += 8 * HOUR
    assert poller.poll()
    add(rig, "rb_2", NOW - 100)
    again(rig, poller)
    again(rig, poller)
    values = [float(line.rpartition(" ")[2]) for line in rig.lines(poller, "inkit_batch_duration_seconds")]
    assert values[-2:] == [1.0, 100 + 8 * HOUR + 60], "the one that was watched"
    assert rig.events("document_batches")["inkit_batches_finished_total", "document", "completed"] == 2


def test_records_that_are_open_for_longer_than_stuck_after_are_counted_each(rig: Rig) -> None:
    def stuck() -> list[str]:
        return rig.lines(poller, "batch_exporter_records_stuck")

    labels = 'account="prod",collector="document_batches",system="inkit"'
    add(rig, "rb_1", NOW - HOUR - 1, OPEN)
    add(rig, "rb_2", NOW - HOUR + 59, OPEN)
    poller = rig.poller("document_batches")
    assert poller.poll()
    assert stuck() == [f"batch_exporter_records_stuck{{{labels}}} 1.0"]
    assert list(poller.status.stuck_ids) == ["rb_1"]
    again(rig, poller)
    assert stuck() == [f"batch_exporter_records_stuck{{{labels}}} 2.0"], "the second one is seen too"
    assert list(poller.status.stuck_ids) == ["rb_1", "rb_2"], "the oldest first"
    add(rig, "rb_1", NOW - HOUR - 1)
    add(rig, "rb_2", NOW - HOUR + 59)
    again(rig, poller)
    assert stuck() == [f"batch_exporter_records_stuck{{{labels}}} 0.0"]
    assert not poller.status.stuck_ids


def test_counters_about_the_polling_go_on_from_run_to_run(rig: Rig) -> None:
    """`once` runs like this: each run is a new program, whose output is read."""
    rig.world.add("document_batches", {**document_batch("rb_1", NOW), "id": None})
    values = []
    for _ in range(3):
        poller = rig.poller("document_batches")
        poller.restore()
        poller.continue_output()
        assert poller.poll()
        poller.written()
        [line] = [line for line in rig.lines(poller, "batch_exporter_records_rejected_total") if 'reason="id"' in line]
        values.append(float(line.rpartition(" ")[2]))
        rig.clock.now += 60
    assert values == [0.0, 2.0, 3.0]


def test_a_run_whose_output_nobody_got_is_not_taken_for_seen(rig: Rig) -> None:
    poller = rig.poller("document_batches")
    poller.restore()
    poller.continue_output()
    assert poller.poll()
    add(rig, "rb_1", rig.clock.now)
    for _ in range(2):
        poller = rig.poller("document_batches")
        poller.restore()
        poller.continue_output()
        assert poller.poll()
        assert exposed(rig, poller) == {}, "its 0 was never written anywhere"
    poller.written()
    poller = rig.poller("document_batches")
    poller.restore()
    poller.continue_output()
    assert poller.poll()
    assert exposed(rig, poller) == {FAILURES: 3}


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


def test_the_cap_is_the_one_that_the_documentation_names() -> None:
    assert f"at most {Shape(Feeds('invocations', ())).cap:,} series" in (DOCS / "security.md").read_text()


def test_series_beyond_the_cap_are_folded_and_no_counter_falls(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "Shape", functools.partial(Shape, cap=500))
    poller = rig.poller("invocations", workflow_label=True)
    box = {"box": "Failed"}
    made = [invocation(f"rend_{n}", NOW - n, flow_name=f"flow {n}", destinations=box) for n in range(600)]
    rig.world.extend("invocations", made)
    assert poller.poll()
    failed = {key: value for key, value in rig.series(poller, "inkit_invocations").items() if value}
    assert len(failed) == 501
    assert failed["completed", "failed", "__other__"] == 100
    assert sum(failed.values()) == 600
    assert rig.store.snapshot.collectors[0].folded["inkit_invocations"] == 100

    def more(numbers: range) -> dict[str, float]:
        for number in numbers:
            workflow(rig, f"rend_again_{rig.clock.now}_{number}", f"flow {number}")
        for _ in range(3):
            again(rig, poller)
        return flows(rig, poller)

    first = more(range(50, 600))
    assert sum(first.values()) == 550
    second = more(range(100))
    assert sum(second.values()) == 650
    assert [key for key, value in first.items() if second.get(key, 0.0) < value] == []


@pytest.mark.parametrize("first", [False, True], ids=["switched-on", "switched-off"])
def test_what_waits_to_rise_when_a_label_is_switched_rises_in_another_series(rig: Rig, first: bool) -> None:
    def started(labeled: bool) -> Poller:
        poller = rig.poller("invocations", labels="workflow" if labeled else "", workflow_label=labeled)
        poller.restore()
        poller.publish()
        return poller

    poller = started(first)
    assert poller.poll()
    workflow(rig, "rend_1", "A")
    rig.clock.now += 30
    assert poller.poll()
    poller = started(not first)
    for _ in range(4):
        again(rig, poller)
    found = rig.series(poller, "inkit_invocation_generations_finished_total")
    assert sum(value for key, value in found.items() if key[:2] == ("box", "failed")) == 1


@pytest.mark.parametrize(("leap", "stuck"), [(2 * HOUR, 0), (-2 * HOUR, 1)])
def test_a_clock_that_leaps_makes_nothing_stuck_and_hides_nothing(rig: Rig, leap: float, stuck: int) -> None:
    time = Clock()
    rig.ticks = time
    add(rig, "rb_1", NOW - (2 * HOUR if stuck else 60), OPEN)
    poller = rig.poller("document_batches")
    assert poller.poll()
    time.now += 60
    rig.clock.now = time.now + leap
    assert poller.poll()
    assert poller.status.stuck == stuck


def test_many_records_that_are_stuck_at_once_are_published_together(rig: Rig) -> None:
    for number in range(50):
        add(rig, f"rb_{number}", NOW - HOUR + 10 + number / 100, OPEN)
    published: list[CollectorSnapshot] = []
    poller = rig.poller("document_batches", publish=published.append)
    ended = iter([False, False, False, True])

    def wait(seconds: float) -> bool:
        rig.clock.now += seconds
        return next(ended)

    drive(poller, wait, rig.clock)
    assert poller.status.stuck == 50
    assert len(published) <= 4


def test_a_poll_that_fails_early_says_nothing_new_of_the_list(rig: Rig) -> None:
    add(rig, "rb_1", NOW + 1800, OPEN)
    poller = rig.poller("document_batches")
    assert poller.poll()
    assert poller.status.dated_ahead == 1800
    rig.mock_api.faults.add(faults.status(500))
    assert not poller.poll()
    assert poller.status.dated_ahead == 1800


def test_a_value_that_is_unknown_in_a_record_that_was_tried_again_is_counted_once(rig: Rig) -> None:
    poller = rig.poller("invocations", workflow_label=True)
    assert poller.poll()
    for status in ("Failed", "Completed", "Completed", "Completed"):
        item = invocation("rend_1", NOW + 1, status=status, destinations={"box": "Completed"})
        rig.world.add("invocations", {**item, "flow_name": 7})
        again(rig, poller)
    assert rig.own(poller).unknown_values["flow_name"] <= 2


def test_since_when_counters_count_is_told_and_changes_only_with_a_new_state(rig: Rig, tmp_path: Path) -> None:
    def created(rig: Rig) -> float:
        [made] = rig.store.snapshot.collectors
        return float(made.status_gauges["batch_exporter_state_created_timestamp_seconds"].text.split()[-1])

    rig.mock_api.faults.add(faults.status(500))
    assert not rig.poller("document_batches").poll()
    assert created(rig) == NOW
    rig.clock.now += HOUR
    for restored in (True, False):
        poller = rig.poller("document_batches")
        if restored:
            poller.restore()
            poller.publish()
        else:
            poller.poll()
        assert created(rig) == NOW
    with prepared(tmp_path / "new.db") as state:
        newer = replace(rig, state=state)
        with newer.mock_api:
            poller = newer.poller("document_batches")
            poller.restore()
            poller.publish()
            assert created(newer) == NOW + HOUR
