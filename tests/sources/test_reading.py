"""The readers that stand between a vendor's JSON and everything else."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import JSON
from exporter.records import FetchError, Reason, Record
from exporter.sources import reading

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Completed", "completed"),
        ("In Progress", "in_progress"),
        ("in-progress", "in_progress"),
        ("  Timed  Out ", "timed_out"),
        ("InkitStorage", "inkitstorage"),
        ("", "none"),
        ("??", "none"),
        (None, "none"),
        ("x" * 500, "x" * 64),
    ],
)
def test_a_status_in_any_spelling_is_one_snake_case_word(said: JSON, meant: str) -> None:
    assert reading.word(said, "status") == meant


@pytest.mark.parametrize("value", [0, 1.5, True, [], {}])
def test_a_status_that_is_no_text_is_rejected(value: JSON) -> None:
    with pytest.raises(reading.Unreadable, match="status"):
        reading.word(value, "status")


def test_half_a_character_in_a_name_is_replaced() -> None:
    assert reading.text("f\ud800", "flow_name") == "f?"


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("\x1b]0;owned\x07", "?]0;owned?"),
        ("paid\u202efdp.exe", "paid?fdp.exe"),
        ("one\r\n\u2028 two\x00", "one two?"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f52c", None),
    ],
    ids=["escape", "turned-round", "lines", "joined"],
)
def test_a_name_is_nothing_that_a_terminal_or_a_page_would_obey(said: str, read: str | None) -> None:
    assert reading.text(said, "flow_name") == (read or said)


@pytest.mark.parametrize(
    "value", [None, 3, "", ".", "..", ".a", "-a", "a b", "a/b", "../x", "a?b", "a\n", "ä", "x" * 200, ["x"]]
)
def test_an_id_that_could_be_more_than_an_id_is_rejected(value: JSON) -> None:
    with pytest.raises(reading.Unreadable, match="id"):
        reading.identifier(value)


@pytest.mark.parametrize("value", [-1, True, 1.0, "3", [], {}, 2**60])
def test_a_count_that_is_no_count_is_rejected(value: JSON) -> None:
    with pytest.raises(reading.Unreadable, match="total"):
        reading.amount(value, "total")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.500000Z", 1.5),
        ("1970-01-01T00:00:01", 1.0),
        ("1970-01-01T01:00:01+01:00", 1.0),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(said: str, seconds: float) -> None:
    assert reading.iso_time(said) == seconds


@pytest.mark.parametrize("value", [None, 5, "yesterday", "", "2023-02-30T00:00:00Z"])
def test_a_time_that_is_none_is_rejected(value: JSON) -> None:
    with pytest.raises(reading.Unreadable, match="created_at"):
        reading.iso_time(value)


@pytest.mark.parametrize("answer", [None, [], 3, "x", {}, {"items": None}, {"items": {}}, {"items": "x"}])
def test_an_answer_without_its_list_is_malformed(answer: JSON) -> None:
    with pytest.raises(FetchError) as caught:
        reading.items(answer, "items", "/batch")
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "reader",
    [
        lambda value: reading.word(value, "x"),
        lambda value: reading.text(value, "x"),
        reading.identifier,
        lambda value: reading.amount(value, "x"),
        lambda value: reading.mapping(value, "x"),
        reading.iso_time,
    ],
)
@given(value=ANY_JSON)
def test_whatever_a_server_sends_is_read_or_rejected(reader: Callable[[JSON], object], value: JSON) -> None:
    with contextlib.suppress(reading.Unreadable):
        reader(value)


def test_items_that_cannot_be_understood_are_counted_by_reason_and_the_others_kept() -> None:
    def to_record(item: object) -> Record:
        assert isinstance(item, dict)
        return Record(reading.identifier(item.get("id")), 0.0, False, {})

    read, rejected = reading.records([{"id": "a"}, None, 7, {"id": None}, {"id": "b"}], to_record)
    assert [record.id for record in read] == ["a", "b"]
    assert rejected == {"not_an_object": 2, "id": 1}
