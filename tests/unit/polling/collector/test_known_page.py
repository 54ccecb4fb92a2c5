"""A newest page is known to the next poll if nothing but the passing of time came between."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.record import Record
from exporter.polling.collector.known_page import Basis, KnownPage, Repeatable
from exporter.state import Checkpoint
from exporter.systems.base import Page

NOW = 1_700_000_000.0
ANSWER = Repeatable(b"digest", Basis(10, True, 3, None, True, NOW), "r1 r2 r3")
RECORDS = tuple(Record(f"r{number}", NOW - age, False, {}) for number, age in enumerate((60.0, 30.0, 90.0), 1))
MARKS = Checkpoint(polled_at=NOW, ticks=50.0, complete=True)
KNOWN = KnownPage.of(Page(RECORDS, rows=3, total=7), ANSWER, MARKS)
WRITTEN_BY_SCRAPES = {"scraped_at", "published_at"}


def test_of_a_page_all_but_its_records_is_kept_and_the_times_of_the_newest_and_the_oldest_one() -> None:
    assert (KNOWN.page, KNOWN.newest, KNOWN.oldest) == (Page((), rows=3, total=7), NOW - 30, NOW - 90)


@pytest.mark.parametrize(("later", "holds"), [(-0.5, False), (0.0, True), (60.0, True)])
def test_a_page_is_known_unless_the_clock_was_set_back(later: float, holds: bool) -> None:
    assert KNOWN.holds(MARKS, NOW + later) is holds


@given(st.sampled_from(dataclasses.fields(Checkpoint)))
def test_a_page_is_not_known_if_anything_was_written_since_but_by_a_scrape(changed: dataclasses.Field[object]) -> None:
    other: dict[str, Any] = {changed.name: "another"}
    assert KNOWN.holds(dataclasses.replace(MARKS, **other), NOW) is (changed.name in WRITTEN_BY_SCRAPES)


def test_a_page_that_no_poll_left_is_not_known() -> None:
    assert not KnownPage.of(Page(RECORDS, rows=3), ANSWER, Checkpoint()).holds(Checkpoint(), NOW)
