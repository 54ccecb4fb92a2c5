"""A page is the same to a poll, whether rows that it knows are read or not."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from exporter.model.record import Record
from exporter.polling.collector.known_rows import Listed, digests, read_changed
from exporter.systems.base import Page

NOW = 1_700_000_000.0
NAMES = st.sampled_from(["r1", "r2", "r3", "r4", "r5"])
ROWS = st.lists(st.tuples(NAMES, st.sampled_from(["open", "done", "unreadable"])), max_size=6)


class Reader:
    """Reads answers whose rows have an ID and a status; the age of a record is in its name."""

    def __init__(self) -> None:
        self.rows_read = 0

    def read(self, answer: Any) -> Page:
        rows = answer["rows"]
        self.rows_read += len(rows)
        read = [row for row in rows if row["status"] != "unreadable"]
        records = (Record(row["id"], NOW - int(row["id"][1:]), row["status"] == "open", {}) for row in read)
        return Page(tuple(records), {"status": len(rows) - len(read)} if len(read) < len(rows) else {}, len(rows))


def answer_of(rows: Sequence[tuple[str, str]]) -> Any:
    return {"total": len(rows), "rows": [{"id": name, "status": status} for name, status in rows]}


def known_of(answer: Any, kept: Sequence[bool]) -> Mapping[int, Listed]:
    rows = zip(digests(answer, "rows"), answer["rows"], kept, strict=False)
    return {
        digest: (row["id"], NOW - int(row["id"][1:]))
        for digest, row, is_kept in rows
        if is_kept and row["status"] != "unreadable"
    }


@given(ROWS, st.lists(st.booleans(), min_size=6, max_size=6), ROWS)
@example([("r1", "done")], [True], [("r2", "open"), ("r1", "done")])
@example([("r1", "done")], [True], [("r1", "done"), ("r1", "open")])
def test_a_page_lists_the_same_records_and_has_those_that_are_not_known(
    before: list[tuple[str, str]], kept: list[bool], after: list[tuple[str, str]]
) -> None:
    answer, reader = answer_of(after), Reader()
    known = known_of(answer_of(before), kept)
    page = read_changed(answer, "rows", digests(answer, "rows"), known, reader.read)
    whole = Reader().read(answer)
    assert (list(page.ids), list(page.times)) == (list(whole.ids), list(whole.times))
    assert dataclasses.replace(page, records=(), listed=None) == dataclasses.replace(whole, records=())
    listed = set(known.values())
    left_out = [record for record in whole.records if record not in page.records]
    assert all((record.id, record.created_at) in listed for record in left_out)
    assert page.records == tuple(record for record in whole.records if record in page.records)


def test_a_row_that_is_new_is_read_alone() -> None:
    before, reader = answer_of([(f"r{number}", "done") for number in range(2, 100)]), Reader()
    answer = answer_of([("r1", "open"), *((f"r{number}", "done") for number in range(2, 99))])
    known = known_of(before, [True] * 100)
    page = read_changed(answer, "rows", digests(answer, "rows"), known, reader.read)
    assert [record.id for record in page.records] == ["r1"]
    assert (reader.rows_read, page.rows, len(page.ids)) == (1, 98, 98)


@given(st.permutations(range(5)), st.lists(st.booleans(), min_size=5, max_size=5))
def test_the_records_that_were_read_are_arranged_as_the_page_is(places: list[int], kept: list[bool]) -> None:
    answer = answer_of([(f"r{number}", "done") for number in range(5)])
    page = read_changed(answer, "rows", digests(answer, "rows"), known_of(answer, kept), Reader().read)
    arranged, whole = page.arranged(places), Reader().read(answer).arranged(places)
    assert (list(arranged.ids), list(arranged.times)) == (list(whole.ids), list(whole.times))
    assert arranged.records == tuple(record for record in whole.records if record in page.records)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text("ab\udc80", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=4,
)


@given(VALUES, VALUES)
@example(1, True)
@example(0, -0.0)
@example({"a": [1]}, {"a": ["1"]})
def test_rows_have_the_same_digest_if_and_only_if_they_would_be_the_same_text(one: Any, other: Any) -> None:
    first, second = digests({"rows": [one, other]}, "rows")
    assert (first == second) is (repr(one) == repr(other))


def test_a_row_that_is_nested_too_deeply_is_always_read() -> None:
    deep: Any = []
    for _ in range(3000):
        deep = [deep]
    assert list(digests({"rows": [deep]}, "rows")) == [0]


def test_an_answer_without_the_list_has_no_rows() -> None:
    answers: list[Any] = [[], {}, {"rows": None}, {"rows": {}}, {"other": [1]}]
    for answer in answers:
        assert not digests(answer, "rows")
    assert not digests({"rows": [1]}, None)
