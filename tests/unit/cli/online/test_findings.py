"""What answers of an API show of its lists."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.online.findings import Kept, Latency, Order, order, rows_given, sorting, strange
from exporter.client import Request
from exporter.model.record import FetchError, Reason, Record
from exporter.systems import sources
from exporter.systems.base import Options, Page

HOUR = 3600.0
SLACK = 60.0
INVOCATIONS = sources()["inkit"].listing("invocations", Options())
BATCHES = sources()["packagex"].listing("batches", Options())


def page(*times: float, last: bool = True, size: int | None = None, rejected: int = 0) -> Page:
    records = tuple(Record(f"r{time}", time, False, {}) for time in times)
    return Page(records, {"id": rejected} if rejected else {}, len(times) + rejected, last=last, size=size)


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ([[3 * HOUR, 2 * HOUR], [HOUR]], Order.NEWEST_FIRST),
        ([[HOUR], [2 * HOUR, 3 * HOUR]], Order.OLDEST_FIRST),
        ([[HOUR, 3 * HOUR, 2 * HOUR]], Order.UNSORTED),
        ([[3 * HOUR, HOUR], [2 * HOUR]], Order.UNSORTED),
        ([[3 * HOUR, 3 * HOUR + SLACK, HOUR]], Order.NEWEST_FIRST),
        ([[HOUR, HOUR + SLACK]], Order.UNKNOWN),
        ([[HOUR]], Order.UNKNOWN),
        ([[]], Order.UNKNOWN),
        ([[3 * HOUR, 2 * HOUR], [3 * HOUR, 2 * HOUR]], Order.NEWEST_FIRST),
    ],
)
def test_the_order_is_that_of_the_rows_whatever_was_asked_for(pages: Sequence[Sequence[float]], found: Order) -> None:
    assert order({number: page(*times) for number, times in enumerate(pages, 1)}) is found


@given(st.lists(st.floats(0, 1e6), min_size=2, unique=True), st.integers(1, 9))
def test_a_sorted_list_is_sorted_wherever_its_pages_end(times: list[float], size: int) -> None:
    def found(rows: Sequence[float]) -> Order:
        return order({start // size + 1: page(*rows[start : start + size]) for start in range(0, len(rows), size)})

    falling = sorted(times, reverse=True)
    spread = falling[0] - falling[-1] > SLACK
    assert found(falling) is (Order.NEWEST_FIRST if spread else Order.UNKNOWN)
    assert found(falling[::-1]) is (Order.OLDEST_FIRST if spread else Order.UNKNOWN)
    jumps = [after - before for before, after in pairwise(times)]
    if max(jumps) > SLACK and min(jumps) < -SLACK:
        assert found(times) is Order.UNSORTED


@pytest.mark.parametrize(
    ("params", "found", "kept"),
    [
        ({"sort": "-created_at"}, Order.NEWEST_FIRST, Kept.KEPT),
        ({"sort": "-created_at"}, Order.OLDEST_FIRST, Kept.IGNORED),
        ({"sort": "-created_at"}, Order.UNSORTED, Kept.IGNORED),
        ({"sort": "-created_at"}, Order.UNKNOWN, Kept.UNKNOWN),
        ({}, Order.NEWEST_FIRST, Kept.REFUSED),
    ],
)
def test_sorting_is_kept_where_it_was_accepted_and_shows(params: dict[str, str], found: Order, kept: Kept) -> None:
    assert sorting(INVOCATIONS, Request("/invoke", "/invoke", params), found) is kept
    assert sorting(BATCHES, Request("/batches", "/batches", params), found) is Kept.UNUSED


@pytest.mark.parametrize(
    ("pages", "rows"),
    [
        ([page(1, 2, 3, last=False), page(4)], 3),
        ([page(1, 2, size=25)], 25),
        ([page(1, 2, last=False, size=25)], 2),
        ([page(1, 2)], None),
        ([], None),
    ],
)
def test_a_full_page_shows_its_size_and_otherwise_the_api_says_it(pages: Sequence[Page], rows: int | None) -> None:
    assert rows_given(pages) == rows


REFUSED = Page((), refusal=FetchError(Reason.CLIENT_ERROR, "GET /invoke answered 400", 400))


@pytest.mark.parametrize(
    ("pages", "asked", "notes"),
    [
        ([page(2, 1)], 25, []),
        ([page()], 25, ["the list is empty: its order, its page size and records by ID are not known"]),
        ([page(1, rejected=2)], 25, ["2 of 3 rows can't be read, and will not be counted"]),
        ([page(3, 2, 1)], 2, ["the API ignores page_size: a page has 3 rows"]),
        ([page(2, 1, last=False), page()], 2, ["page 2 is empty, though the list should continue"]),
        ([page(2, 1, last=False), REFUSED], 2, ["page 2 is refused: GET /invoke answered 400"]),
        (
            [page(2, 1, last=False), page(2, 1)],
            2,
            ["page 2 repeats earlier pages: the API seems to ignore the page number"],
        ),
        ([page(2, 1), page()], 2, []),
    ],
)
def test_what_is_strange_about_a_list_is_a_sentence_each(pages: Sequence[Page], asked: int, notes: list[str]) -> None:
    assert list(strange(dict(enumerate(pages, 1)), asked, Order.NEWEST_FIRST)) == notes


def test_a_list_without_order_is_expensive_and_said_to_be() -> None:
    [note] = strange({1: page(1)}, 25, Order.UNSORTED)
    assert "each poll reads it as a whole" in note


def test_a_latency_is_the_least_the_median_and_the_most() -> None:
    assert Latency.of([0.3, 0.1, 0.2]) == Latency(0.1, 0.2, 0.3)
    assert Latency.of([]) is None
