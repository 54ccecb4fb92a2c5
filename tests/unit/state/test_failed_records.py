"""The last failed records: which are kept, in which order, and for how long."""

from collections.abc import Iterable

from exporter.model.accounting import Rules
from exporter.model.record import LAST_FAILURES as KEPT
from exporter.model.record import Record
from exporter.model.totals import Failed
from exporter.state import Checkpoint, Observation, State

RULES = Rules(frozenset({"c"}), outcomes={"c": (2, frozenset({"failed"}))})
SEPIRE, BOX, DONE = ("c", "sepire", "failed"), ("c", "box", "failed"), ("c", "sepire", "completed")


def record(name: str, created_at: float = 0.0, workflow: str | None = None, **failed: int) -> Record:
    return Record(name, created_at, True, {("c", place, "failed"): n for place, n in failed.items()}, workflow=workflow)


def see(state: State, seen: Iterable[Record], at: float = 10.0, watermark: float | None = 0.0) -> list[Failed]:
    """Return what is kept after a poll that has seen these records."""
    with state.records("prod", "x", RULES) as records:
        records.apply(seen, Observation(at, watermark))
        return list(records.failures.all())


def names(failed: Iterable[Failed]) -> list[str]:
    return [failure.record_id for failure in failed]


def test_a_record_that_fails_is_kept_with_what_failed_and_when(state: State) -> None:
    assert see(state, [record("a", 3.0, "Invoices", sepire=2)]) == [Failed("a", 3.0, 10.0, {SEPIRE: 2}, "Invoices")]


def test_one_that_fails_bit_by_bit_is_one_with_all_of_it_and_the_last_time(state: State) -> None:
    see(state, [record("a", 3.0, "Invoices", sepire=2)], at=10.0)
    see(state, [record("b", 4.0, sepire=1)], at=20.0)
    kept = see(state, [record("a", 3.0, None, sepire=3, box=1)], at=30.0)
    assert kept == [Failed("a", 3.0, 30.0, {SEPIRE: 3, BOX: 1}, "Invoices"), Failed("b", 4.0, 20.0, {SEPIRE: 1})]


def test_what_was_no_new_event_is_not_among_them(state: State) -> None:
    assert see(state, [record("a", sepire=1)], watermark=None) == []
    assert see(state, [record("b", 1.0, sepire=1)], watermark=2.0) == []


def test_a_success_is_no_failure_and_one_that_is_tried_again_and_completes_has_failed_all_the_same(
    state: State,
) -> None:
    assert see(state, [Record("a", 0.0, False, {DONE: 5})]) == []
    see(state, [record("a", sepire=1)])
    assert names(see(state, [Record("a", 0.0, False, {DONE: 5})])) == ["a"]


def test_those_that_fail_at_once_stand_with_the_newest_first(state: State) -> None:
    assert names(see(state, [record("a", 1.0, box=1), record("c", 3.0, box=1), record("b", 2.0, box=1)])) == [
        "c",
        "b",
        "a",
    ]


def test_of_too_many_the_last_ones_are_kept(state: State) -> None:
    see(state, [record("first", 99.0, box=1)], at=1.0)
    see(state, [record(f"r{number}", float(number), box=1) for number in range(KEPT - 1)], at=2.0)
    kept = see(state, [], at=3.0)
    assert len(kept) == KEPT
    assert kept[-1].record_id == "first"
    kept = see(state, [record("last", 0.0, box=1)], at=4.0)
    assert len(kept) == KEPT
    assert kept[0].record_id == "last"
    assert "first" not in names(kept)


def test_of_more_than_can_be_kept_at_once_the_newest_are(state: State) -> None:
    kept = see(state, [record(f"r{number}", float(number), box=1) for number in range(KEPT * 3)])
    assert names(kept) == [f"r{number}" for number in reversed(range(KEPT * 2, KEPT * 3))]


def test_of_the_pages_of_one_poll_the_newest_records_are_kept_whichever_page_was_last(state: State) -> None:
    with state.records("prod", "x", RULES) as records:
        for page in (2, 1, 0):
            seen = [record(f"r{page * 100 + number}", page * 100.0 + number, box=1) for number in range(100)]
            records.apply(seen, Observation(10.0, 0.0))
        assert names(records.failures.all()) == [f"r{number}" for number in reversed(range(100, 300))]


def test_after_the_clock_was_set_back_the_last_ones_are_still_the_last(state: State) -> None:
    see(state, [record(f"r{number}", box=1) for number in range(KEPT)], at=1000.0)
    assert names(see(state, [record("last", box=1)], at=10.0))[0] == "last"


def test_they_outlive_their_records_and_what_was_asked_for(state: State) -> None:
    see(state, [record("a", box=1)])
    with state.records("prod", "x", RULES) as records:
        records.forget(list(records.get(["a"]).values()))
        records.start_over(Checkpoint(scope="something else"))
    assert names(see(state, [])) == ["a"]


def test_those_of_another_collector_are_not_touched(state: State) -> None:
    see(state, [record("a", box=1)])
    with state.records("prod", "y", RULES) as records:
        records.apply([record("b", box=1)], Observation(10.0, 0.0))
        assert names(records.failures.all()) == ["b"]
    assert names(see(state, [])) == ["a"]


def test_the_caller_learns_whether_a_poll_has_changed_them(state: State) -> None:
    def changed(seen: Iterable[Record]) -> bool:
        with state.records("prod", "x", RULES) as records:
            records.apply(seen, Observation(10.0, 0.0), checkpoint=Checkpoint(polled_at=10.0))
            return records.failures.changed

    assert changed([record("a", box=1)])
    assert not changed([record("a", box=1)])
    assert not changed([Record("b", 0.0, False, {DONE: 5})])
