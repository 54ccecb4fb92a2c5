"""Values on a terminal: readable, harmless, and without what they quote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.inspect.formatting import clean, masked, plain, shown, span
from exporter.systems.detail import Moment, Span, Words
from tests.support.rig import DAY, HOUR, NOW


@given(st.text())
def test_whatever_a_server_sends_a_terminal_gets_printable_text(text: str) -> None:
    assert clean(text).isprintable()


def test_escapes_are_shown_and_not_obeyed() -> None:
    assert clean("a\x1b[2Jb\nc\u202ed\ud800") == r"a\x1b[2Jb\nc\u202ed\ud800"
    assert clean("Grüße, 漢字") == "Grüße, 漢字"


def test_endless_text_ends() -> None:
    assert len(clean("x" * 10_000)) == 501


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("anna@example.com is not known", "… is not known"),
        ("see https://files.example/a?b=c for more", "see … for more"),
        ("'Anna Example' is twice", "… is twice"),
        ("'O'Brien' isn't known", "… isn't known"),
        ('there is no "Anna Example", or not yet', "there is no …, or not yet"),
        ("no group “Anna”, «Bert», ‘Carl’ or `Dora`", "no group …, …, … or …"),
        ("not closed: 'Anna Example", "not closed: …"),
        ("more than 30 minutes", "more than 30 minutes"),
    ],
)
def test_addresses_and_quotations_are_taken_out(text: str, left: str) -> None:
    assert masked(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("row 17: too long", "row … too long"),
        ("call +1 (555) 010-0199 first", "call … first"),
        ("no carrier for 1Z999AA10123456784", "no carrier for …"),
        ("between 3 and 12", "between … and …"),
    ],
)
def test_numbers_are_taken_out_where_asked_for(text: str, left: str) -> None:
    assert masked(text, numbers=True) == left


def test_a_long_text_is_cut_between_words_so_that_no_half_of_an_address_is_left() -> None:
    text = "x " * 995 + "annaexample@example.com"
    assert "annaexample"[:9] not in masked(text)


@given(st.text(alphabet="ab@:/'\"`“‘« 1", max_size=300))
def test_taking_out_twice_changes_nothing_more(text: str) -> None:
    once = masked(text, numbers=True)
    assert masked(once, numbers=True) == once


def test_a_moment_is_shown_in_utc_and_with_its_age() -> None:
    assert shown(Moment(NOW - 3 * HOUR), NOW, False) == "2023-11-14T19:13:20Z (3 h ago)"
    assert shown(Moment(NOW - 400 * DAY), NOW, False).endswith("(400 d ago)")
    assert shown(Moment(NOW + 90), NOW, False).endswith("(in 1 min)")
    assert shown(Moment(NOW), NOW, False).endswith("(0 s ago)")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (377, "6 min 17 s"), (3600, "1 h"), (3605, "1 h"), (93_600, "1 d 2 h"), (-5, "0 s")],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_free_text_is_masked_unless_data_is_to_be_shown() -> None:
    reason = Words("anna@example.com failed")
    assert shown(reason, NOW, False) == plain(reason, False) == "… failed"
    assert shown(reason, NOW, True) == plain(reason, True) == "anna@example.com failed"


def test_for_programs_values_are_plain() -> None:
    assert plain(Moment(NOW), False) == "2023-11-14T22:13:20Z"
    assert plain(Span(377.0), False) == 377.0
    assert [plain(value, False) for value in ("a\x1b", 3, None)] == ["a\x1b", 3, None]


def test_large_counts_can_be_read() -> None:
    assert [shown(value, NOW, False) for value in (1_234_567, 2.5, None)] == ["1,234,567", "2.5", "-"]
