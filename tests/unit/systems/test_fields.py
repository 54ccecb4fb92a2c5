"""The readers of the fields of a vendor's JSON."""

import contextlib
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import JSON
from exporter.model.record import FetchError, Reason, Record
from exporter.systems import fields
from exporter.systems.times import epoch_time, iso_time
from tests.support.odd import ANY_JSON


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        ("Completed", "completed"),
        ("In Progress", "in_progress"),
        ("in-progress", "in_progress"),
        ("  Timed  Out ", "timed_out"),
        ("InkitStorage", "inkitstorage"),
        ("", "none"),
        (" \n", "none"),
        (None, "none"),
        ("??", "unknown"),
        ("\u2709\ufe0f", "unknown"),
        ("\u200b", "unknown"),
        ("\ud800", "unknown"),
        ("\u0301", "unknown"),
        ("\u3164", "unknown"),
        ("x" * 500, "x" * 64),
        ("\u6771\u4eac\u652f\u5e97", "\u6771\u4eac\u652f\u5e97"),
        ("\u6771" * 500, "\u6771" * 64),
        ("x" * 63 + " y", "x" * 63),
        ("\uff26\uff41\uff49\uff4c\uff45\uff44", "failed"),
        ("\ufeffFailed\u200d", "failed"),
        ("\u00c9cole-du soir", "\u00e9cole_du_soir"),
        ("E\u0301cole/Du Soir", "\u00e9cole_du_soir"),
        ("\u0397\u039b\u0399\u039f\u03a3", "\u03b7\u03bb\u03b9\u03bf\u03c3"),
        ("STRASSE \u0667", "strasse_\u0667"),
        ("stra\u00dfe_\u0667", "strasse_\u0667"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        ("\u202eabc\x00", "abc"),
        ("1\ufe0f\u20e3 \u2705", "1\u20e3"),
    ],
)
def test_a_status_in_any_spelling_is_one_snake_case_word(raw: JSON, meant: str) -> None:
    assert fields.word(raw, "status") == meant


@pytest.mark.parametrize("value", [0, 1.5, True, [], {}])
def test_a_status_that_is_no_text_is_rejected(value: JSON) -> None:
    with pytest.raises(fields.Unreadable, match="status"):
        fields.word(value, "status")


def test_half_a_character_in_a_name_is_replaced() -> None:
    assert fields.text("f\ud800", "flow_name") == "f?"


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("\x1b]0;owned\x07", "?]0;owned?"),
        ("paid\u202efdp.exe", "paid?fdp.exe"),
        ("one\r\n\u2028 two\x00", "one two?"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f52c", None),
    ],
    ids=["escape", "turned-round", "lines", "joined"],
)
def test_a_name_is_nothing_that_a_terminal_or_a_page_would_obey(raw: str, read: str | None) -> None:
    assert fields.text(raw, "flow_name") == (read or raw)


@pytest.mark.parametrize(
    "value", [None, 3, "", ".", "..", ".a", "-a", "a b", "a/b", "../x", "a?b", "a\n", "ä", "x" * 200, ["x"]]
)
def test_an_id_that_could_be_more_than_an_id_is_rejected(value: JSON) -> None:
    with pytest.raises(fields.Unreadable, match="id"):
        fields.identifier(value)


@given(raw=st.text(max_size=80))
def test_a_word_is_made_of_letters_digits_and_marks_and_stays_as_it_is(raw: str) -> None:
    read = fields.word(raw, "status")
    assert 0 < len(read) <= 64
    assert all(letter == "_" or unicodedata.category(letter)[0] in "LMN" for letter in read)
    assert fields.word(read, "status") == read


@given(raw=st.text(max_size=60))
def test_names_that_look_alike_are_one_word(raw: str) -> None:
    read = fields.word(raw, "status")
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fields.word(unicodedata.normalize(form, raw), "status") == read
        assert fields.word(unicodedata.normalize(form, raw.casefold()), "status") == read


@pytest.mark.parametrize("key", ["", " ", "none", "None", "--none--"])
def test_the_name_of_an_entry_never_says_that_there_is_none(key: str) -> None:
    assert fields.name(key) == "unknown"


@pytest.mark.parametrize(
    ("raw", "read"), [(3, 3), (3.0, 3), (-0.0, 0), ("3", 3), ("007", 7), (None, 0), ("", 0), (2**31, 2**31)]
)
def test_a_count_may_be_written_as_a_float_or_as_digits(raw: JSON, read: int) -> None:
    found = fields.amount(raw, "total")
    assert (found, type(found)) == (read, int)


@pytest.mark.parametrize(
    "value",
    [
        *(-1, -0.5, True, 1.5, "3.0", "-3", "+3", " 3", "\u0663", " ", "3e2", "9" * 11, [], {}),
        *(2**60, 10**400, -(10**400), 1e300, float("inf"), float("nan")),
    ],
)
def test_a_count_that_is_no_count_is_rejected(value: JSON) -> None:
    with pytest.raises(fields.Unreadable, match="total"):
        fields.amount(value, "total")


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_what_is_empty_is_empty_in_whatever_type_it_comes(value: JSON) -> None:
    """Serializers of languages with one type for lists and objects, or without null, write one for the other."""
    assert fields.mapping(value, "destinations") == {}
    assert list(fields.sequence(value, "phases")) == []


@pytest.mark.parametrize("value", [0, False, True, " ", "x", [0], {"a": 0}, [[]], [{}]])
def test_what_is_not_empty_is_not_taken_for_it(value: JSON) -> None:
    for read, own in ((fields.mapping, dict), (fields.sequence, list)):
        if isinstance(value, own):
            assert read(value, "x") == value
        else:
            with pytest.raises(fields.Unreadable):
                read(value, "x")


@pytest.mark.parametrize("value", [True, 1, 1.0, "true", "True", " TRUE", "1", "yes"])
def test_a_yes_may_be_a_word_or_a_number(value: JSON) -> None:
    assert fields.flag(value) is True


@pytest.mark.parametrize(
    "value", [False, None, 0, 2, "false", "0", "no", "", "null", [], {}, [1], {"a": 1}, float("nan"), 10**400]
)
def test_what_is_no_yes_is_a_no(value: JSON) -> None:
    assert fields.flag(value) is False


@pytest.mark.parametrize("answer", [None, [], 3, "x", {}, {"items": None}, {"items": {}}, {"items": "x"}])
def test_an_answer_without_its_list_is_malformed(answer: JSON) -> None:
    with pytest.raises(FetchError) as caught:
        fields.items(answer, "items", "/batch")
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "reader",
    [
        lambda value: fields.word(value, "x"),
        lambda value: fields.text(value, "x"),
        fields.identifier,
        lambda value: fields.amount(value, "x"),
        lambda value: fields.mapping(value, "x"),
        iso_time,
        lambda value: epoch_time(value, "x"),
        fields.flag,
        lambda value: fields.sequence(value, "x"),
    ],
)
@given(value=ANY_JSON)
def test_whatever_a_server_sends_is_read_or_rejected(reader: Callable[[JSON], object], value: JSON) -> None:
    with contextlib.suppress(fields.Unreadable):
        reader(value)


def test_items_that_cannot_be_understood_are_counted_by_reason_and_the_others_kept() -> None:
    def to_record(item: object) -> Record:
        assert isinstance(item, dict)
        return Record(fields.identifier(item.get("id")), 0.0, False, {})

    read, rejected = fields.records([{"id": "a"}, None, 7, {"id": None}, {"id": "b"}], to_record)
    assert [record.id for record in read] == ["a", "b"]
    assert rejected == {"not_an_object": 2, "id": 1}
