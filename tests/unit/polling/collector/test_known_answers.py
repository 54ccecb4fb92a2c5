"""An answer is known to the next poll if nothing but the passing of time came between, and all that it says is kept."""

import dataclasses
import sys
from array import array
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import Client, Request
from exporter.model.record import Record
from exporter.polling.collector.known_answers import MOST_BYTES, Answers, KnownAnswer, Left
from exporter.state import Checkpoint
from exporter.systems.base import Page

NOW = 1_700_000_000.0
CHECKPOINT = Checkpoint(polled_at=NOW, ticks=50.0, complete=True)
WRITTEN_BY_SCRAPES = {"scraped_at", "published_at", "buckets", "starting"}
"""And by what is published for them."""
LIST, SECOND, ONE, OTHER = (
    Request("/batch", "/batch", {"page": "1"}),
    Request("/batch", "/batch", {"page": "2"}),
    Request("/batch/{id}", "/r3"),
    Request("/batch/{id}", "/r4"),
)


class Served:
    """Has what reading uses of a client. An answer is the IDs of its records, and the digest its text."""

    def __init__(self) -> None:
        self.answers = {"1": "r1 r2", "2": "r3 r1", "/r3": "r3", "/r4": "r4"}
        self.decoded: list[str] = []

    def get(self, request: Request) -> Any:
        return self.answers[request.params.get("page", request.path)]

    def get_unless(self, request: Request, known: bytes) -> tuple[bytes, Any]:
        answer = self.get(request)
        return answer.encode(), None if answer.encode() == known else answer

    def read(self, answer: str) -> Page:
        self.decoded.append(answer)
        records = tuple(Record(name, NOW - int(name[1:]), False, {}) for name in answer.split() if name != "bad")
        return Page(records, {"status": 1} if "bad" in answer else {}, 3, False, 4, 5, 6)


class Polls:
    """Polls of the same answers."""

    def __init__(self) -> None:
        self.served = Served()
        self.left = Left()

    def poll(self, *requests: Request, checkpoint: Checkpoint = CHECKPOINT, written: bool = True) -> Sequence[str]:
        """Read these, and leave what can be left. Return the answers that were decoded."""
        self.begin(checkpoint)
        for request in requests or (LIST, SECOND, ONE, OTHER):
            page = self.read(request)
            if written:
                self.answers.note_written(page)
        self.left = self.answers.left(checkpoint)
        return self.served.decoded

    def begin(self, checkpoint: Checkpoint = CHECKPOINT) -> None:
        self.answers = Answers(self.left)
        self.answers.begin(checkpoint, NOW)
        self.served.decoded.clear()

    def read(self, request: Request) -> Page:
        return self.answers.page(cast("Client", self.served), request, self.served.read)


@pytest.fixture
def polls() -> Polls:
    made = Polls()
    made.poll()
    return made


def test_answers_with_the_same_bytes_are_not_decoded_and_the_pages_say_the_same(polls: Polls) -> None:
    before = polls.served.read("r1 r2")
    for _ in range(3):
        assert not polls.poll()
    page = polls.read(LIST)
    assert (page.ids, page.times, page.records) == (before.ids, before.times, ())
    assert dataclasses.replace(page, records=before.records, listed=None) == dataclasses.replace(
        before, origin=page.origin
    )


@given(st.permutations(range(4)))
def test_the_records_of_a_page_are_arranged_alike_known_or_not(places: list[int]) -> None:
    page = Page(tuple(Record(f"r{number}", NOW - number, False, {}) for number in range(4)))
    decoded, known = page.arranged(places), KnownAnswer.of(page, array("q")).read().arranged(places)
    assert (
        (decoded.ids, decoded.times)
        == (known.ids, known.times)
        == ([f"r{n}" for n in places], [NOW - n for n in places])
    )


def test_an_answer_with_other_bytes_is_decoded_and_no_other(polls: Polls) -> None:
    polls.served.answers["2"] = "r1 r3"
    assert polls.poll() == ["r1 r3"]
    assert not polls.poll()


def test_the_answer_to_another_request_is_decoded_whatever_its_bytes(polls: Polls) -> None:
    polls.served.answers["2"] = "r1 r2"
    polls.poll(LIST)
    assert polls.poll(LIST, SECOND) == ["r1 r2"]


def test_an_answer_that_was_not_read_by_the_last_poll_is_decoded(polls: Polls) -> None:
    polls.poll(LIST)
    assert polls.poll(LIST, ONE) == ["r3"]


def test_an_answer_is_not_left_if_its_records_were_not_written(polls: Polls) -> None:
    polls.poll(ONE, written=False)
    assert polls.poll(ONE) == ["r3"]


def test_an_answer_without_records_is_left_though_nothing_is_written(polls: Polls) -> None:
    polls.served.answers["/r3"] = ""
    assert polls.poll(ONE, written=False) == [""]
    assert not polls.poll(ONE, written=False)


def test_an_answer_is_left_only_if_the_one_that_was_read_last_for_the_request_was_written(polls: Polls) -> None:
    polls.begin()
    polls.answers.note_written(polls.read(LIST))
    polls.served.answers["1"] = "r2 r1"
    polls.read(LIST)
    polls.left = polls.answers.left(CHECKPOINT)
    assert polls.poll(LIST) == ["r2 r1"]


def test_answers_with_a_record_that_a_poll_changed_are_decoded_from_then_on(polls: Polls) -> None:
    polls.begin()
    assert not polls.read(LIST).records
    polls.answers.note_changed(["r3"])
    for request in (LIST, SECOND, ONE, OTHER):
        polls.answers.note_written(polls.read(request))
    assert polls.served.decoded == ["r3 r1", "r3"]
    polls.left = polls.answers.left(CHECKPOINT)
    assert polls.poll() == ["r3 r1", "r3"]
    assert not polls.poll()


def test_an_answer_with_items_that_can_not_be_understood_is_decoded_at_each_poll(polls: Polls) -> None:
    polls.served.answers["1"] = "r1 bad"
    for _ in range(3):
        assert polls.poll() == ["r1 bad"]


def test_all_answers_are_decoded_until_a_poll_begins_to_believe_any(polls: Polls) -> None:
    answers = Answers(polls.left)
    page = answers.page(cast("Client", polls.served), LIST, polls.served.read)
    answers.note_written(page)
    assert page == polls.served.read("r1 r2")
    assert not answers.left(CHECKPOINT).answers


def test_a_poll_that_begins_again_believes_nothing(polls: Polls) -> None:
    polls.begin()
    polls.answers.begin(CHECKPOINT, NOW)
    assert polls.read(LIST).records


@pytest.mark.parametrize(("later", "holds"), [(-0.5, False), (0.0, True), (60.0, True)])
def test_answers_are_known_unless_the_clock_was_set_back(later: float, holds: bool) -> None:
    assert Left({}, CHECKPOINT).holds(CHECKPOINT, NOW + later) is holds


@given(st.sampled_from(dataclasses.fields(Checkpoint)))
def test_answers_are_not_known_if_anything_was_written_since_but_by_a_scrape(field: dataclasses.Field[object]) -> None:
    other: dict[str, Any] = {field.name: "another"}
    assert Left({}, CHECKPOINT).holds(dataclasses.replace(CHECKPOINT, **other), NOW) is (
        field.name in WRITTEN_BY_SCRAPES
    )


def test_answers_that_no_poll_left_are_not_known(polls: Polls) -> None:
    assert not Left().holds(Checkpoint(), NOW)
    assert polls.poll(checkpoint=dataclasses.replace(CHECKPOINT, ticks=51.0))


@pytest.mark.parametrize(("rows", "pages"), [(1, 1000), (100, 40), (1000, 3)])
def test_what_is_left_has_a_bound_in_memory(rows: int, pages: int) -> None:
    """The IDs are as long as UUIDs. Answers beyond the bound are decoded at each poll."""
    polls = Polls()
    requests = [Request("", f"/{number}") for number in range(pages)]
    for number, request in enumerate(requests):
        polls.served.answers[request.path] = " ".join(f"r{number:017}{row:017}" for row in range(rows))
    polls.poll(*requests)
    decoded = len(polls.poll(*requests))
    assert 0 < decoded < pages
    assert sum(map(memory, polls.left.answers.values())) <= MOST_BYTES


def memory(answer: KnownAnswer) -> int:
    parts = (answer, answer.page, answer.page.origin, answer.ids, answer.page.rejected, answer.page.listed)
    own = array("d", answer.times), array("q", answer.rows)
    digest = b"" if answer.page.origin is None else answer.page.origin.digest[:16]
    return sum(map(sys.getsizeof, (*parts, *own, digest)))
