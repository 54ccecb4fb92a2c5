"""The last page of a list is found, whatever the server says of its pages."""

from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.model.record import FetchError, Reason, Record
from exporter.polling.collector.last_page import last_page
from exporter.polling.collector.list_end import End, judge
from exporter.systems.base import Page

FULL = 3
REFUSED = FetchError(Reason.CLIENT_ERROR, "no such page", 404)
Beyond = Literal["empty", "refused", "last", "first"]


@dataclass
class Server:
    """A list that runs oldest first."""

    rows: int
    beyond: Beyond = "empty"
    counts: bool = True
    spoken_of: int | None = None
    """How many pages it speaks of; None: as many as there are."""
    limit: int = 1000
    """The last page that it gives."""
    asked: list[int] = field(default_factory=list)

    @property
    def last(self) -> int:
        return max(1, -(-self.rows // FULL))

    def read(self, number: int) -> Page:
        self.asked.append(number)
        if number > self.limit:
            return Page((), refusal=REFUSED)
        if number > self.last and self.beyond == "refused":
            return Page((), refusal=REFUSED)
        if number > self.last and self.beyond in ("last", "first"):
            return self.page(self.last if self.beyond == "last" else 1, number)
        return self.page(number, number)

    def page(self, number: int, asked: int) -> Page:
        names = range((number - 1) * FULL, min(number * FULL, self.rows))
        records = tuple(Record(f"r{one}", float(one * 100), False, {}) for one in names)
        pages = self.last if self.spoken_of is None else self.spoken_of
        total = self.rows if self.counts else None
        return Page(records, rows=len(records), last=asked >= pages, pages=pages, total=total)

    def judge(self, page: Page, number: int) -> End:
        return judge(page, number, FULL, FULL)


@given(
    st.integers(1, 60),
    st.sampled_from(["empty", "refused", "last", "first"]),
    st.booleans(),
    st.sampled_from([None, None, 1, 2, 7, 40]),
    st.integers(-1, 40),
)
def test_the_last_page_is_found_wherever_the_search_begins(
    rows: int, beyond: Beyond, counts: bool, spoken_of: int | None, guess: int
) -> None:
    server = Server(rows, beyond, counts, spoken_of)
    # One that is wrong in both ways may need its caller, who knows what stood on the newest page before.
    assume(beyond in ("empty", "refused") or spoken_of is None)
    found = last_page(server.read, server.judge, guess)
    assert found.page.records == server.page(server.last, 1).records
    assert found.number == server.last or spoken_of is not None


@pytest.mark.parametrize(("rows", "guess", "asked"), [(5, 2, [2]), (6, 2, [2, 3]), (1, 1, [1]), (0, 1, [1])])
def test_where_all_is_as_it_was_it_costs_one_request_or_two(rows: int, guess: int, asked: list[int]) -> None:
    server = Server(rows)
    found = last_page(server.read, server.judge, guess)
    assert (found.number, found.unproved, server.asked) == (server.last, None, asked)


@pytest.mark.parametrize("beyond", ["empty", "refused"])
@pytest.mark.parametrize("guess", [1, 2, 3, 4, 9])
def test_a_list_that_is_refused_before_its_end_has_no_proved_end(guess: int, beyond: Beyond) -> None:
    server = Server(60, beyond, limit=3)
    found = last_page(server.read, server.judge, guess)
    assert found.number == 3
    assert "page 4 is refused in the middle of the list" in str(found.unproved)


@pytest.mark.parametrize("guess", [1, 2, 5])
def test_a_list_of_which_no_page_is_given_has_no_proved_end(guess: int) -> None:
    server = Server(60, limit=0)
    found = last_page(server.read, server.judge, guess)
    assert (found.number, found.page.records) == (1, ())
    assert "page 1 is refused in the middle of the list" in str(found.unproved)


def test_a_list_without_an_end_is_given_up() -> None:
    def read(number: int) -> Page:
        return Page((Record(f"r{number}", float(number), False, {}),), rows=1, last=False)

    with pytest.raises(FetchError, match="the list has no end") as caught:
        last_page(read, lambda page, number: judge(page, number, 1, 1), 1)
    assert (caught.value.reason, caught.value.status) == (Reason.MALFORMED, 200)
