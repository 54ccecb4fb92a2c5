"""What a record's change does to the gauges."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from exporter import ledger
from exporter.records import Key, Record

KEYS = st.sampled_from([("g", "a"), ("g", "b"), ("h", "a")])
RECORDS = st.builds(
    Record,
    id=st.sampled_from(["one", "two", "three"]),
    created_at=st.floats(0, 1e9),
    in_flight=st.booleans(),
    adds=st.dictionaries(KEYS, st.integers(1, 9)),
)


def record(in_flight: bool = False, **adds: int) -> Record:
    return Record("r", 0.0, in_flight, {("g", status): count for status, count in adds.items()})


def test_a_new_record_adds_all_of_itself() -> None:
    assert ledger.change(None, record(failed=2)) == {("g", "failed"): 2, (ledger.RECORDS, "finished"): 1}


def test_a_record_that_is_gone_takes_all_of_itself_away() -> None:
    assert ledger.change(record(True, failed=2), None) == {("g", "failed"): -2, (ledger.RECORDS, "in_flight"): -1}


def test_a_record_that_finishes_moves_from_one_series_to_the_other() -> None:
    assert ledger.change(record(True, in_progress=2), record(completed=2)) == {
        ("g", "in_progress"): -2,
        ("g", "completed"): 2,
        (ledger.RECORDS, "in_flight"): -1,
        (ledger.RECORDS, "finished"): 1,
    }


def test_a_record_that_stays_as_it_was_changes_nothing() -> None:
    assert ledger.change(record(completed=2), record(completed=2)) == {}


@given(st.lists(st.tuples(RECORDS, st.booleans())))
def test_whatever_happens_the_sums_are_those_of_the_records_that_are_there(steps: list[tuple[Record, bool]]) -> None:
    there: dict[str, Record] = {}
    sums: Counter[Key] = Counter()
    for step, gone in steps:
        after = None if gone else step
        sums.update(ledger.change(there.get(step.id), after))
        there.pop(step.id, None)
        if after is not None:
            there[step.id] = after
    expected: Counter[Key] = Counter()
    for one in there.values():
        expected.update(ledger.weight(one))
    assert {key: count for key, count in sums.items() if count} == expected
