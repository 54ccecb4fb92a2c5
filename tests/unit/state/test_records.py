"""The records of one collector: what a transaction keeps, and which series leave the state."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import cast

import pytest

from exporter.model.accounting import RECORDS, Rules
from exporter.model.record import Key, Record
from exporter.model.totals import Cause, CounterState, HistogramState, Observations
from exporter.state import Checkpoint, Observation, Records, State
from exporter.state.records import FEW

BOUNDS = (10.0, 100.0)
RULES = Rules(frozenset({"c"}), {"h": BOUNDS}, {"c": (2, frozenset({"failed"}))})
A: Key = ("c", "a", "failed")
B: Key = ("c", "b", "failed")
OTHER: Key = ("c", "other", "failed")
NEW = Observation(200.0, 0.0)
MANY = 1000
"""So many series without a use are worth a search for those in use."""


@pytest.fixture
def records(state: State) -> Iterator[Records]:
    with state.records("prod", "x", RULES) as opened:
        yield opened


def record(
    name: str, contributions: dict[Key, int], created_at: float = 0.0, finished_at: float | None = None
) -> Record:
    return Record(name, created_at, False, contributions, finished_at=finished_at)


def publish(records: Records, *keys: Key) -> None:
    records.publish(keys, 1.0)


def test_what_an_error_interrupts_is_not_in_the_sums_and_not_in_the_way_of_what_follows(records: Records) -> None:
    gauge, unwritable = ("g", "x"), cast("Key", (object(),))
    records.apply([record("r1", {A: 1, gauge: 1})], NEW)
    before, failed = records.sums(), list(records.failures.all())
    with pytest.raises(TypeError, match="not JSON serializable"):
        records.apply([record("r2", {A: 1, gauge: 1}), record("r3", {unwritable: 1})], NEW)
    assert (records.sums(), records.failures.all()) == (before, failed)
    records.apply([record("r2", {A: 1})], NEW)
    assert records.sums().counters[A].counted == 2


def test_it_returns_how_many_records_are_not_as_they_were_kept(records: Records) -> None:
    two: dict[Key, int] = {A: 2}
    assert len(records.apply([record("r1", two), record("r2", two)], NEW)) == 2
    assert len(records.apply([record("r1", two), record("r2", {A: 3})], NEW)) == 1
    assert len(records.apply([record("r1", {A: 1})], NEW)) == 0
    assert len(records.apply([], NEW, deleted=["r1", "unknown"])) == 1


GAUGE: Key = ("g", "open")


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("again", [False, True], ids=["at once", "at the next page"])
def test_a_failure_in_one_of_two_rows_of_a_record_counts_once_whichever_comes_first(
    records: Records, turned: bool, again: bool
) -> None:
    """A replica of the API that lags behind may return the older row."""
    rows = [record("r1", {A: 1}), record("r1", {GAUGE: 1})]
    rows = rows[::-1] if turned else rows
    for _ in range(2):
        if again:
            for row in rows:
                records.apply([row], NEW)
        else:
            records.apply(rows, NEW)
    sums = records.sums()
    assert sums.counters[A].counted == 1
    assert sums.gauges.get(GAUGE, 0) == (0 if turned else 1), "it is as it was seen last"
    assert [failed.record_id for failed in records.failures.all()] == ["r1"]


def test_two_rows_of_a_record_that_is_met_in_a_backfill_are_no_new_event(records: Records) -> None:
    records.apply([record("r1", {GAUGE: 1}), record("r1", {A: 1})], Observation(200.0, None))
    assert A not in records.sums().counters
    assert not records.apply([record("r1", {GAUGE: 1}), record("r1", {A: 1})], NEW)
    assert A not in records.sums().counters


def test_a_record_that_has_no_duration_counts_all_else(records: Records) -> None:
    histograms: dict[Key, int] = {("h", "a"): 1, ("h", "b"): 1}
    records.apply([record("r1", {**histograms, A: 1})], Observation(200.0, 0.0, watched=False))
    assert (records.sums().counters[A].counted, records.sums().histograms) == (1, {})
    records.apply([record("r2", {**histograms, A: 1}, finished_at=30.0)], Observation(200.0, 0.0, watched=False))
    assert set(records.sums().histograms) == set(histograms)


def test_a_record_that_is_seen_before_its_creation_took_no_time(records: Records) -> None:
    records.apply([record("r1", {("h",): 1}, created_at=500.0)], NEW)
    assert records.sums().histograms["h",].observed == Observations((1, 0, 0), 0.0, BOUNDS)


def test_durations_are_observed_up_to_and_including_a_bound(records: Records) -> None:
    ends = [10.0, 10.5, 100.0, 101.0]
    records.apply([record(f"r{end}", {("h",): 2}, finished_at=end) for end in ends], NEW)
    assert records.sums().histograms["h",].observed == Observations((2, 4, 2), 443.0, BOUNDS)


def test_the_time_of_a_scrape_is_written_with_the_next_checkpoint(records: Records, state: State) -> None:
    records.save_checkpoint(Checkpoint(complete=True))
    records.scraped_at = 7.0
    records.apply([record("r1", {A: 1})], NEW)
    assert records.checkpoint == Checkpoint(complete=True)
    records.save_checkpoint(Checkpoint(lookback=1.0))
    with state.records("prod", "x", RULES) as again:
        assert again.checkpoint == Checkpoint(lookback=1.0, scraped_at=7.0)


def test_marks_that_nobody_wrote_say_that_nothing_is_known(records: Records) -> None:
    known = {name: value for name, value in asdict(records.checkpoint).items() if value}
    assert known == {"backfilled_page": 1, "reconciled_page": 1}


def test_counters_are_in_the_order_in_which_they_first_rose(records: Records) -> None:
    records.apply([record("old", {A: 1, B: 1})], Observation(200.0, None))
    for name, key in (("r1", B), ("r2", A), ("r3", B), ("r4", OTHER)):
        records.apply([record(name, {key: 1})], NEW)
    assert list(records.sums().counters) == [B, A, OTHER]


def unused(records: Records, count: int) -> None:
    """Make series that stand for nothing."""
    made = [record(f"unused_{number}", {("g", str(number)): 1}) for number in range(count)]
    records.apply(made, Observation(200.0, None))
    records.forget(made)


@pytest.mark.parametrize(("count", "left"), [(MANY - 1, MANY - 1), (MANY, 2)])
def test_series_leave_the_state_when_many_of_them_stand_for_nothing(records: Records, count: int, left: int) -> None:
    records.apply([record("r1", {A: 1, ("g", "shown"): 1})], NEW)
    records.apply([record("r2", {B: 1, ("g", "named"): 1})], Observation(200.0, None))
    records.apply([], NEW, deleted=["r2"])
    used = {A, ("g", "shown")}
    named_by_a_record_that_is_gone = {B, ("g", "named")}
    unused(records, count - len(named_by_a_record_that_is_gone))
    records.drop_unused_series({})
    keys = {key for key in records.series.all_keys() if key[0] in ("c", "g")}
    assert keys >= used | named_by_a_record_that_is_gone
    assert len(keys - used) == left


def fail_and_forget(records: Records, contributions: dict[Key, int], took: float = 0.0) -> None:
    """Let a record fail that is known no longer, nor among the last ones that failed."""
    made = record(f"r_{records.sums()}", contributions, finished_at=took)
    records.apply([made], NEW)
    records.forget([made])


def test_a_series_that_is_folded_adds_what_it_has_counted_and_observed_to_the_one_that_shows_it(
    records: Records,
) -> None:
    first, second, other = ("h", "a"), ("h", "b"), ("h", "other")
    for key, took in ((first, 50.0), (second, 5.0), (second, 500.0), (other, 60.0)):
        fail_and_forget(records, {key: 1}, took)
    publish(records, first, second, other)
    records.drop_unused_series({first: other, second: other, other: other})
    both = Observations((1, 2, 1), 615.0, BOUNDS)
    assert records.sums().histograms == {other: HistogramState(both, both)}


def test_a_series_that_is_folded_into_a_new_one_keeps_its_value(records: Records) -> None:
    first, other = ("h", "a"), ("h", "other")
    fail_and_forget(records, {first: 1}, 50.0)
    publish(records, first)
    records.drop_unused_series({first: other})
    [(key, kept)] = records.sums().histograms.items()
    assert (key, kept.observed, kept.published) == (other, Observations((0, 1, 0), 50.0, BOUNDS), kept.observed)


def test_a_series_is_not_folded_before_all_of_it_is_published(records: Records) -> None:
    waiting, done = ("h", "waiting"), ("h", "done")
    fail_and_forget(records, {waiting: 1, done: 1})
    publish(records, waiting, done)
    fail_and_forget(records, {waiting: 1})
    records.drop_unused_series({waiting: ("h", "other"), done: ("h", "other")})
    assert set(records.sums().histograms) == {waiting, ("h", "other")}


def test_a_counter_is_not_folded_while_a_failed_record_names_it(records: Records) -> None:
    fail_and_forget(records, {A: 1})
    publish(records, A)
    records.drop_unused_series({A: OTHER})
    assert set(records.sums().counters) == {A}


def test_counters_that_are_folded_are_added_up_with_the_last_cause(records: Records) -> None:
    done: list[Key] = [("c", "a", "completed"), ("c", "other", "completed")]
    for key in done:
        fail_and_forget(records, {key: 2})
    publish(records, *done)
    records.drop_unused_series({done[0]: done[1]})
    assert records.sums().counters == {done[1]: CounterState(4, 4)}


def test_what_waits_to_be_published_rises_in_the_series_with_the_new_labels(records: Records) -> None:
    records.apply([record("r1", {A: 2})], NEW)
    publish(records, A)
    records.apply([record("r2", {A: 3})], NEW)
    records.relabel_waiting({A: B})
    assert records.sums().counters == {
        A: CounterState(2, 2, Cause("r2", 3, 200.0)),
        B: CounterState(3, 0, Cause("r2", 3, 200.0)),
    }


def test_records_with_other_labels_move_in_the_gauges_and_in_no_counter(records: Records) -> None:
    old, new = ("g", "old"), ("g", "new")
    before, now = record("r1", {A: 2, old: 3}), record("r1", {B: 2, new: 3})
    records.apply([before, record("r2", {old: 1})], NEW)
    records.relabel([(before, now)])
    assert records.get(["r1"]) == {"r1": now}
    assert records.sums().gauges == {(RECORDS, "finished"): 2, old: 1, new: 3}
    assert records.sums().counters == {A: CounterState(2, 0, Cause("r1", 2, 200.0))}


def test_of_what_was_asked_for_before_only_old_work_in_flight_stays(records: Records) -> None:
    opened = [Record(name, at, True, {("g", "open"): 1}) for name, at in (("r1", 1.0), ("r2", 5.0))]
    records.apply([*opened, record("r3", {("g", "done"): 1}, created_at=1.0)], NEW)
    records.start_over(Checkpoint(scope="other"), keep_before=5.0)
    assert [name for name, record in records.get(["r1", "r2", "r3"]).items() if not record.deleted] == ["r1"]
    assert records.sums().gauges == {(RECORDS, "in_flight"): 1, ("g", "open"): 1}
    assert records.checkpoint == Checkpoint(scope="other")


def test_the_batches_that_another_collector_names_are_those_of_records_that_are_there(
    records: Records, state: State
) -> None:
    with state.records("prod", "y", RULES) as named:
        made = [Record(f"r{at}", float(at), False, {}, batch_id=f"b{at % 3}" if at % 4 else None) for at in range(9)]
        named.apply(made, NEW)
        named.apply([], NEW, deleted=["r7"])
    assert sorted(records.batches_named_by("y", 4.0)) == ["b0", "b2"]


def test_events_that_are_of_no_record_are_counted(records: Records) -> None:
    records.count({})
    records.count({A: 2, B: 1})
    assert records.sums().counters == {A: CounterState(2, 0), B: CounterState(1, 0)}


@pytest.mark.parametrize("count", [499, 500, 501, 1001])
def test_any_number_of_records_is_found_by_their_ids(records: Records, count: int) -> None:
    names = [f"r{number}" for number in range(count)]
    records.apply([record(name, {}) for name in names], NEW)
    assert set(records.get(names)) == set(names)


def test_series_without_a_use_are_dropped_by_a_poll_that_needed_none_of_them(state: State) -> None:
    with state.records("prod", "x", RULES) as records:
        unused(records, MANY)
    with state.records("prod", "x", RULES) as records:
        records.drop_unused_series({})
        assert not records.series.all_keys()


def test_a_record_that_is_gone_is_remembered_and_not_listed(records: Records) -> None:
    records.apply([record("r1", {}), Record("r2", 1.0, True, {})], NEW)
    records.apply([], NEW, deleted=["r2"])
    assert records.between(-1.0, 1.0) == [("r1", 0.0)]
    assert records.count_between(-1.0, 1.0) == 2
    assert (records.newest(), records.count_in_flight(9.0), records.sums().oldest_in_flight) == (1.0, 0, None)


@pytest.mark.parametrize(("count", "named"), [(0, 0), (1, 1), (FEW, FEW), (FEW + 1, 1)])
def test_few_records_in_flight_are_named_and_of_many_the_oldest(records: Records, count: int, named: int) -> None:
    records.apply([Record("done", 0.0, False, {}), Record("young", 99.0, True, {})], NEW)
    records.apply([Record(f"r{number}", 1.0 + number, True, {}) for number in range(count)], NEW)
    assert records.oldest_in_flight(99.0) == [f"r{number}" for number in range(named)]
