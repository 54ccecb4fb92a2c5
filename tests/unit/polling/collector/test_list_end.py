"""What a page says of the end of its list, and when a list that breaks off is taken for one with a limit."""

import pytest

from exporter.model.record import FetchError, Reason, Record
from exporter.polling.collector.list_end import ACCEPTED_AFTER, Depth, End, broken_off, judge
from exporter.systems.base import Page

REFUSED = FetchError(Reason.CLIENT_ERROR, "no such page", 404)


@pytest.mark.parametrize(
    ("page", "number", "per_page", "asked", "expected"),
    [
        (Page((), rows=10, last=False), 1, 10, 10, End.OPEN),
        (Page((), rows=10), 1, 10, 10, End.CLAIMED),
        (Page((), rows=9), 1, 10, 10, End.PROVED),
        (Page((), rows=10, total=10), 1, 10, 10, End.CLAIMED),
        (Page((), rows=10, total=11), 1, 10, 10, End.OPEN),
        (Page((), rows=5, total=15), 2, 10, 10, End.PROVED),
        (Page((), rows=5, total=16), 2, 10, 10, End.OPEN),
        (Page((), rows=5, total=25), 3, 10, 10, End.PROVED),
        # The server makes pages of its own size: one that has as many rows is full.
        (Page((), rows=10, size=10), 1, 10, 100, End.CLAIMED),
        (Page((), rows=10, size=11), 1, 10, 100, End.PROVED),
        (Page((), rows=10), 1, 10, 100, End.PROVED),
        # The smaller of what it says and of what was seen is a full page.
        (Page((), rows=5, total=25, size=10), 2, 20, 20, End.OPEN),
        (Page((), rows=5, total=16, size=20), 2, 10, 20, End.OPEN),
        (Page((), refusal=REFUSED), 3, 10, 10, End.BROKEN),
    ],
)
def test_a_page_with_rows_ends_the_list_if_it_is_not_full_and_the_rows_add_up(
    page: Page, number: int, per_page: int, asked: int, expected: End
) -> None:
    assert judge(page, number, per_page, asked) is expected


@pytest.mark.parametrize(
    ("page", "number", "expected"),
    [
        (Page(()), 1, End.UNCOUNTED),
        (Page((), total=0), 1, End.PROVED),
        (Page((), total=1), 1, End.BROKEN),
        (Page((), total=20), 3, End.PROVED),
        (Page((), total=11), 3, End.PROVED),
        (Page((), total=21), 3, End.BROKEN),
        # There were more rows than it counts.
        (Page((), total=10), 3, End.UNCOUNTED),
        (Page((), total=0), 2, End.UNCOUNTED),
        (Page((), pages=1), 1, End.PROVED),
        (Page((), pages=1, last=False), 1, End.BROKEN),
        (Page((), pages=1), 2, End.PROVED),
        (Page((), pages=2), 2, End.BROKEN),
        (Page((), pages=2), 1, End.BROKEN),
        (Page((), pages=0), 1, End.PROVED),
    ],
)
def test_an_empty_page_ends_the_list_only_beyond_what_the_server_counts(page: Page, number: int, expected: End) -> None:
    assert judge(page, number, 10, 10) is expected


@pytest.mark.parametrize(
    ("page", "message", "status"),
    [
        (Page((), refusal=REFUSED), "no such page; page 4 is refused in the middle of the list", 404),
        (Page((Record("r1", 0.0, False, {}),), rows=1), "page 4 repeats earlier pages, though the list should", 200),
        (Page(()), "page 4 is empty, though the list should continue", 200),
    ],
)
def test_a_list_that_breaks_off_says_where_and_how(page: Page, message: str, status: int) -> None:
    error = broken_off(page, 4)
    assert message in str(error)
    assert (error.status, error.reason) == (
        status,
        Reason.MALFORMED if page.refusal is None else Reason.CLIENT_ERROR,
    )


def after(*pages: int) -> tuple[Depth, list[bool]]:
    """Let polls find the list broken off at these pages.

    Returns what is known then, and whether each accepts the end.
    """
    depth, accepted = Depth(), []
    for page in pages:
        depth = Depth(depth.page, depth.polls)
        accepted.append(depth.breaks_off(page))
    return depth, accepted


@pytest.mark.parametrize(
    ("pages", "accepted"),
    [
        ((5, 5, 5, 5), [False, False, True, True]),
        ((5, 5, 4, 4, 4), [False, False, False, False, True]),
        ((5, 5, 6), [False, False, False]),
        # Once it is accepted, it moves on with the list.
        ((5, 5, 5, 6, 8), [False, False, True, True, True]),
        ((5, 5, 5, 4), [False, False, True, False]),
        ((1, 1, 1, 2), [False, False, True, True]),
        ((-5, -5, -5, -6), [False, False, True, True]),
        ((-1, -1, -1, -2), [False, False, True, True]),
        ((-5, -5, -5, -4), [False, False, True, False]),
        ((5, 5, 5, -6), [False, False, True, False]),
        ((-5, -5, -5, 6), [False, False, True, False]),
    ],
)
def test_a_list_that_breaks_off_at_one_page_in_some_polls_in_a_row_has_a_limit(
    pages: tuple[int, ...], accepted: list[bool]
) -> None:
    depth, found = after(*pages)
    assert found == accepted
    assert (depth.page, depth.accepted) == (pages[-1], accepted[-1])
    assert 1 <= depth.polls <= ACCEPTED_AFTER


def test_a_poll_counts_once_however_often_it_comes_to_the_page() -> None:
    depth = Depth(5, 1)
    assert [depth.breaks_off(5) for _ in range(4)] == [False] * 4
    assert depth.polls == 2
    first = Depth()
    assert [first.breaks_off(5) for _ in range(4)] == [False] * 4
    assert first.polls == 1


def test_a_page_that_can_be_read_ends_the_doubt_and_no_limit_that_is_accepted() -> None:
    for depth, page, expected in (
        (Depth(5, 2), 5, Depth()),
        (Depth(5, 2), 4, Depth(5, 2)),
        (Depth(5, ACCEPTED_AFTER), 5, Depth(5, ACCEPTED_AFTER)),
    ):
        depth.goes_on(page)
        assert depth == expected


@pytest.mark.parametrize("page", [None, 1, 5, -1, -5])
def test_a_limit_is_over_when_what_lies_at_its_end_is_read(page: int | None) -> None:
    whole, newest = Depth(page, 3), Depth(page, 3)
    whole.window_is_whole()
    assert whole == (Depth() if page and page > 0 else Depth(page, 3))
    newest.newest_end_is_there()
    assert newest == (Depth() if page and page < 0 else Depth(page, 3))
