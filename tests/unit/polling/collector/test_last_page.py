"""The last page of a list is found, whatever the server says of its pages."""

import math
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.model.record import FetchError, Reason, Record
from exporter.polling.collector.last_page import Last, last_page
from exporter.polling.collector.list_end import End, judge
from exporter.systems.base import Page

FULL = 3
REFUSED = FetchError(Reason.CLIENT_ERROR, "no such page", 404)
Beyond = Literal["empty", "refused", "last", "first", "overlap"]
BEYOND: tuple[Beyond, ...] = ("empty", "refused", "last", "first", "overlap")


@dataclass
class Server:
    """A list that runs oldest first."""

    rows: int
    beyond: Beyond = "empty"
    counts: bool = True
    """Whether it counts rows."""
    reported: int | None = None
    """How many pages it reports; None: as many as there are; 0: none; below 0: one more than the page."""
    more: bool | None = None
    """Whether it says on each page that there are more; None: as is true."""
    limit: int = 2**40
    """The last page that it returns."""
    probes: list[int] = field(default_factory=list)

    @property
    def last(self) -> int:
        return max(1, -(-self.rows // FULL))

    def read(self, number: int) -> Page:
        assert number >= 1
        assert number not in self.probes, "no page is read twice"
        self.probes.append(number)
        if number > self.limit or (number > self.last and self.beyond == "refused"):
            return Page((), refusal=REFUSED)
        if number > self.last and self.beyond in ("last", "first"):
            return self.page(self.last if self.beyond == "last" else 1, number)
        return self.page(number, number)

    def page(self, number: int, asked: int) -> Page:
        """Return a page in the place of the one that was asked for."""
        overlap = self.beyond == "overlap" and number > 1
        names = range((number - 1) * FULL - overlap, min(number * FULL, self.rows))
        records = tuple(Record(f"r{name}", float(name * 100), False, {}) for name in names)
        pages = self.last if self.reported is None else max(self.reported, 0) or None
        pages = asked + 1 if self.reported is not None and self.reported < 0 else pages
        more = (pages is not None and asked < pages) if self.more is None else self.more
        total = self.rows if self.counts else None
        return Page(records, rows=len(records), last=not more, pages=pages, total=total)

    def judge(self, page: Page, number: int) -> End:
        return judge(page, number, FULL, FULL)

    def search(self, guess: int, counted: bool) -> Last:
        """Search for the last page as in a first poll, from the server's count, or as in a later one."""
        return last_page(self.read, self.judge, guess, self.page(1, 1) if counted else None)

    @property
    def most_probes(self) -> float:
        return 3 * math.log2(max(2, self.last, *self.probes[:1])) + 10


LENGTHS = st.one_of(st.integers(0, 40), st.integers(0, 5000 * FULL))
GUESSES = st.one_of(st.integers(-1, 60), st.integers(1, 6000))


@given(LENGTHS, st.sampled_from(BEYOND), st.booleans(), GUESSES, st.integers(-2, 2), st.booleans(), st.booleans())
@example(200, "empty", True, 1, 0, False, False)
@example(700, "last", False, 1, 0, False, True)
def test_the_last_page_is_found_in_few_probes_wherever_the_search_begins(
    rows: int, beyond: Beyond, counts: bool, guess: int, away: int, near: bool, counted: bool
) -> None:
    server = Server(rows, beyond, counts)
    found = server.search(server.last + away if near else guess, counted)
    assert (found.number, found.unproved) == (server.last, None)
    assert found.page.records == server.page(server.last, 1).records
    assert len(server.probes) <= server.most_probes


@given(
    LENGTHS.filter(bool),
    st.sampled_from(BEYOND),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2, 7, 40, 300, 100_000]),
    st.sampled_from([None, True]),
    GUESSES,
    st.booleans(),
)
def test_no_count_of_pages_is_believed(
    rows: int, beyond: Beyond, counts: bool, reported: int, more: bool | None, guess: int, counted: bool
) -> None:
    server = Server(rows, beyond, counts, reported, more)
    found = server.search(guess, counted)
    assert len(server.probes) <= server.most_probes + 2 * math.log2(max(1, reported))
    assert found.page.records == server.page(server.last, 1).records
    if beyond in ("empty", "refused") or counted or counts:
        assert found.number == server.last


@given(st.integers(2, 5000), st.sampled_from(BEYOND), st.integers(1, 5000), GUESSES, st.booleans())
def test_a_list_that_is_refused_before_its_end_has_no_proved_end(
    pages: int, beyond: Beyond, limit: int, guess: int, counted: bool
) -> None:
    server = Server(pages * FULL, beyond, limit=min(limit, pages - 1))
    found = server.search(guess, counted)
    assert found.number == server.limit
    assert f"page {server.limit + 1} is refused in the middle of the list" in str(found.unproved)
    assert len(server.probes) <= server.most_probes


@pytest.mark.parametrize(("rows", "guess", "asked"), [(5, 2, [2]), (6, 2, [2, 3]), (1, 1, [1]), (0, 1, [1])])
def test_where_all_is_as_it_was_it_costs_one_request_or_two(rows: int, guess: int, asked: list[int]) -> None:
    server = Server(rows)
    found = last_page(server.read, server.judge, guess)
    assert (found.number, found.unproved, server.probes) == (server.last, None, asked)


@pytest.mark.parametrize(("rows", "asked"), [(1, [1]), (3, [1, 2]), (30, [1, 2, 10, 11]), (29, [1, 2, 10, 9])])
def test_an_honest_count_saves_the_search(rows: int, asked: list[int]) -> None:
    server = Server(rows)
    assert last_page(server.read, server.judge, 1).number == server.last
    assert server.probes == asked


@given(LENGTHS, st.sampled_from(["empty", "overlap"]), GUESSES, st.booleans())
def test_an_honest_count_is_as_good_as_knowing_the_last_page_however_far_away_the_search_begins(
    rows: int, beyond: Beyond, guess: int, counted: bool
) -> None:
    server = Server(rows, beyond)
    assert server.search(guess, counted).number == server.last
    assert len(server.probes) <= 6


def test_a_count_of_one_page_more_at_each_page_is_followed_four_times() -> None:
    server = Server(301, "refused", reported=-1)
    assert server.search(104, counted=True).number == server.last
    assert server.probes[:6] == [104, 2, 3, 4, 5, 54]


@given(st.integers(2, 5000), st.integers(0, 50), st.booleans())
def test_where_the_last_page_is_repeated_a_search_costs_more_only_by_how_far_it_was_from_it(
    pages: int, beyond: int, counts: bool
) -> None:
    server = Server(pages * FULL, "last", counts)
    found = last_page(server.read, server.judge, pages + beyond)
    assert (found.number, found.unproved) == (pages, None)
    assert len(server.probes) <= 4 + 2 * math.ceil(math.log2(beyond + 1))


@pytest.mark.parametrize("guess", [1, 2, 5])
def test_a_list_of_which_no_page_is_given_has_no_proved_end(guess: int) -> None:
    server = Server(60, limit=0)
    found = last_page(server.read, server.judge, guess)
    assert (found.number, found.page.records) == (1, ())
    assert "page 1 is refused in the middle of the list" in str(found.unproved)


@given(GUESSES, st.booleans())
def test_a_list_without_an_end_is_given_up(guess: int, counts: bool) -> None:
    probes: list[int] = []

    def read(number: int) -> Page:
        probes.append(number)
        pages = number + 1 if counts else None
        return Page((Record(f"r{number}", float(number), False, {}),), rows=1, last=False, pages=pages)

    with pytest.raises(FetchError, match="the list has no end") as caught:
        last_page(read, lambda page, number: judge(page, number, 1, 1), guess)
    assert (caught.value.reason, caught.value.status) == (Reason.MALFORMED, 200)
    assert len(probes) < 50
