"""An answer whose bytes are those of the last poll is not decoded, and nothing else follows from that."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from exporter.client import Request
from exporter.demo.faults import ListFaults
from tests.support import counting
from tests.support.properties import examples
from tests.support.rig import DAY, HOUR
from tests.support.twins import RECONCILE, UNREADABLE, IdOnlyTwins, PackagexNewestFirst, PackagexTwins, Twins

AGES = st.sampled_from([-1000.0, -5.0, 0.0, 0.5, 20.0, 400.0, 3000.0, 3590.0, 3650.0, 5000.0, 2 * DAY])
PAUSES = st.sampled_from([1.0, 1.0, 60.0, 60.0, 400.0, RECONCILE])
STATUSES = st.sampled_from(["Completed", "Failed", "In Progress", "In Progress", "Odd", UNREADABLE])
LIST_FAULTS = st.sampled_from(
    [
        ListFaults(),
        ListFaults(order="ascending"),
        ListFaults(order="shuffled"),
        ListFaults(total_count=3),
        ListFaults(total_count="missing"),
        ListFaults(page_count=1),
        ListFaults(has_more=True),
        ListFaults(has_more=False),
        ListFaults(ignore_page_size=True),
        ListFaults(ignore_filters=True),
        ListFaults(repeat_ids=True),
    ]
)


class Happenings(RuleBasedStateMachine):
    """What happens to the world of two exporters, to only one of which answers are known."""

    made: type[Twins] = Twins
    kind: Any = "document_batches"
    unchanged = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.twins = self.made(Path(self.folder.name), self.kind)
        self.names = 0

    def teardown(self) -> None:
        type(self).unchanged += self.twins.unchanged
        self.twins.resources.close()
        self.folder.cleanup()

    @initialize(
        ages=st.lists(st.tuples(AGES, STATUSES), max_size=14), size=st.sampled_from([3, 4, 100]), even=st.booleans()
    )
    def some_are_there_before(self, ages: list[tuple[float, str]], size: int, even: bool) -> None:
        self.twins.start(page_size=size)
        for place, (age, status) in enumerate(ages):
            self.records_appear(place * 300.0 if even else age, status, 1)

    @rule(pauses=st.lists(PAUSES, min_size=1, max_size=6))
    def quiet_polls(self, pauses: list[float]) -> None:
        for pause in pauses:
            self.twins.poll(pause)

    @rule(age=AGES, status=STATUSES, times=st.integers(1, 5))
    def records_appear(self, age: float, status: str, times: int) -> None:
        for _ in range(times):
            self.names += 1
            self.twins.put(f"x_{self.names}", age, status)

    @rule(place=st.integers(0, 30), age=AGES, status=STATUSES, moves=st.booleans())
    def a_record_changes(self, place: int, age: float, status: str, moves: bool) -> None:
        """Change the status of a record, and perhaps the time of its creation."""
        if items := self.twins.items():
            item = items[place % len(items)]
            self.twins.put(item["id"], age if moves else self.twins.clock.now - counting.created_at(item), status)

    @rule(place=st.integers(0, 30))
    def a_record_goes_away(self, place: int) -> None:
        if items := self.twins.items():
            self.twins.remove(items[place % len(items)]["id"])

    @rule(place=st.integers(0, 30), status=STATUSES, number=st.integers(1, 6), after=PAUSES)
    def something_happens_while_the_list_is_read(self, place: int, status: str, number: int, after: float) -> None:
        def happen(asked: int) -> None:
            if asked == number:
                self.records_appear(0.0, status, 1)
                self.a_record_changes(place, 0.0, status, moves=False)

        self.twins.api.before = happen
        self.twins.poll(after)

    @rule(number=st.integers(1, 6), status=st.sampled_from([400, 404, 422, 500, 200]), after=PAUSES)
    def a_request_fails(self, number: int, status: int, after: float) -> None:
        self.twins.api.instead = lambda asked, _: status if asked == number else None
        self.twins.poll(after)
        self.twins.poll()

    @rule(
        list_faults=LIST_FAULTS,
        beyond=st.sampled_from(["empty", "refused", "last", "first"]),
        pauses=st.lists(PAUSES, max_size=4),
    )
    def the_list_has_faults(self, list_faults: ListFaults, beyond: Any, pauses: list[float]) -> None:
        self.twins.api.list_faults, self.twins.api.beyond = list_faults, beyond
        self.quiet_polls(pauses)

    @rule(pages=st.integers(1, 4), status=st.sampled_from([None, 400, 404]), pauses=st.lists(PAUSES, max_size=4))
    def the_list_can_not_be_read_to_its_end(self, pages: int, status: int | None, pauses: list[float]) -> None:
        self.twins.api.limit = pages, status
        self.quiet_polls(pauses)
        self.twins.api.limit = self.twins.limit

    @rule(seconds=st.sampled_from([-290.0, -200.0, 200.0, 290.0, -HOUR, -DAY, HOUR, DAY]), pauses=st.lists(PAUSES))
    def the_clock_is_set(self, seconds: float, pauses: list[float]) -> None:
        self.twins.clock.now += seconds
        self.quiet_polls(pauses[:4])

    @rule(numbers=st.sets(st.integers(1, 6)), status=STATUSES, place=st.integers(0, 30), after=PAUSES)
    def some_answers_come_from_a_cache(self, numbers: set[int], status: str, place: int, after: float) -> None:
        self.a_record_changes(place, 0.0, status, moves=False)
        self.twins.recorder.stale = numbers
        self.twins.poll(after)
        self.twins.recorder.stale = ()
        self.twins.poll()

    @rule(place=st.integers(0, 9), status=STATUSES, pauses=st.lists(PAUSES, max_size=3))
    def answers_have_a_record_twice(self, place: int, status: str, pauses: list[float]) -> None:
        def repeat(asked: int, answer: Any) -> None:
            del asked
            items = answer.get("items") or answer.get("data")
            if items and isinstance(items, list):
                items.insert(0, {**items[place % len(items)], "status": status})

        self.twins.api.edit = repeat
        self.quiet_polls(pauses)
        self.twins.api.edit = None

    @rule(
        places=st.sets(st.integers(0, 9), min_size=1),
        numbers=st.sets(st.integers(1, 6), min_size=1),
        status=STATUSES,
        appears=st.booleans(),
        pauses=st.lists(PAUSES, min_size=1, max_size=3),
    )
    def some_answers_have_rows_as_they_were_before(
        self, places: set[int], numbers: set[int], status: str, appears: bool, pauses: list[float]
    ) -> None:
        """Let a host that is behind give some answers: in them, records that have changed meanwhile are as before."""
        before = {str(item["id"]): item for item in self.twins.items()}
        for place in places:
            self.a_record_changes(place, 0.0, status, moves=False)
        if appears:
            self.records_appear(0.0, status, 1)

        def go_back(asked: int, answer: Any) -> None:
            rows = answer.get("items") or answer.get("data")
            if asked in numbers and isinstance(rows, list):
                rows[:] = [before.get(str(row["id"]), row) for row in rows]

        self.twins.api.edit = go_back
        self.quiet_polls(pauses)
        self.twins.api.edit = None

    @rule(after=PAUSES, number=st.integers(1, 6), fails=st.booleans())
    def another_program_polls(self, after: float, number: int, fails: bool) -> None:
        """Poll from another program.

        If that fails, the first programs start again, so that they share nothing with it.
        """
        if fails:
            self.twins.api.instead = lambda asked, _: 500 if asked == number else None
        self.twins.poll_elsewhere(after)
        if fails:
            self.twins.start()

    @rule(lookback=st.sampled_from([HOUR / 2, HOUR, 3 * HOUR]))
    def the_program_starts_again(self, lookback: float) -> None:
        self.twins.start(lookback=lookback)


class Invocations(Happenings):
    kind = "invocations"
    unchanged = 0


class IdOnly(Happenings):
    made, kind = IdOnlyTwins, "workflow_batches"
    unchanged = 0


class OldestFirst(Happenings):
    made, kind = PackagexTwins, "batches"
    unchanged = 0


class NewestFirst(Happenings):
    made, kind = PackagexNewestFirst, "batches"
    unchanged = 0


PROFILE = settings(
    max_examples=examples(20), stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("happenings", [Happenings, Invocations, IdOnly, OldestFirst, NewestFirst])
def test_whatever_happens_a_known_answer_means_what_it_meant_when_it_was_decoded(happenings: type[Happenings]) -> None:
    run_state_machine_as_test(happenings, settings=PROFILE)
    assert happenings.unchanged


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[Twins]:
    made = Twins(tmp_path, "document_batches")
    yield made
    made.resources.close()


def settled(twins: Twins, polls: int = 3) -> None:
    for _ in range(polls):
        twins.poll()


def test_a_record_that_left_the_window_returns_when_the_clock_is_set_back(twins: Twins) -> None:
    for number, age in enumerate((HOUR - 30, 600, 700)):
        twins.put(f"x_{number}", age)
    settled(twins)
    assert twins.poll(60)
    twins.clock.now -= 200
    assert not twins.poll()


def test_records_are_read_again_if_the_state_is_another_one(twins: Twins) -> None:
    twins.put("x_1", 600)
    settled(twins)
    for state in twins.states:
        with closing(sqlite3.connect(state.path)) as connection:
            connection.execute("DELETE FROM records")
            connection.execute("UPDATE collectors SET marks = json_set(marks, '$.polled_at', 1.0)")
            connection.commit()
    assert not twins.poll()


def test_a_later_page_may_say_otherwise_of_a_record_on_the_newest_page(twins: Twins) -> None:
    """At the next poll, the newest page comes from a cache: its bytes are those from before."""
    for number in range(12):
        twins.put(f"x_{number}", 600 + number * 60, "In Progress" if number in (3, 4, 5, 6, 7) else "Completed")
    settled(twins)

    def change(asked: int) -> None:
        if asked == 2:
            twins.put("x_new", 0.0)
            twins.put("x_3", 600 + 3 * 60 + 1.0, "Failed")

    before = {item["id"]: item for item in twins.items()}
    twins.api.before = change
    twins.poll()
    twins.remove("x_new")
    twins.add(before["x_3"])
    assert not twins.poll()


@pytest.mark.parametrize("changed", [4, 5])
def test_a_later_page_from_a_cache_is_read_if_the_newest_page_says_otherwise_of_its_records(
    twins: Twins, changed: int
) -> None:
    """Those are the first rows of the later page."""
    for number in range(12):
        twins.put(f"x_{number}", 600 + number * 60, "In Progress" if number in (4, 5, 6, 7) else "Completed")
    settled(twins)
    assert twins.poll() > 1
    for number in range(changed - 3):
        twins.remove(f"x_{number}")
    twins.put(f"x_{changed}", 600 + changed * 60, "Failed")
    twins.recorder.stale = (2, 3, 4)
    twins.poll()


def test_a_row_from_the_future_counts_when_its_time_has_come(twins: Twins) -> None:
    twins.put("x_1", -100)
    settled(twins)
    for _ in range(4):
        twins.poll(60)


def test_a_row_from_before_the_window_does_not_count_as_seen(twins: Twins) -> None:
    settled(twins)
    twins.put("x_1", 2 * DAY)
    settled(twins)
    assert twins.poll()


def test_a_record_that_was_given_up_is_read_again(twins: Twins) -> None:
    twins.start(in_flight_max_age=HOUR / 2)
    twins.put("x_1", HOUR / 2 - 30, "In Progress")
    settled(twins)
    assert twins.poll()
    twins.poll(60)
    assert not twins.poll()


def test_what_follows_the_last_page_of_a_list_that_runs_oldest_first_is_not_missed(tmp_path: Path) -> None:
    twins = PackagexTwins(tmp_path, "batches")
    for number in range(8):
        twins.put(f"x_{number}", 600 + number * 60)
    settled(twins)
    twins.put("x_new", 0.0)
    twins.poll()
    assert twins.statuses[0].finished == 9
    twins.resources.close()


def test_rows_that_a_filter_should_not_let_through_count_though_they_are_known(tmp_path: Path) -> None:
    """The records of a list of those in flight finish one after the other, and stay on it."""
    twins = PackagexNewestFirst(tmp_path, "batches")
    twins.start(reconcile_interval=DAY)
    ages = {f"x_{number:02}": 60.0 + number * 60 for number in range(50)}
    for name, age in ages.items():
        twins.put(name, age, "In Progress" if age > 2400 else "Completed")
    listed = ("x_40", "x_41", "x_42", "x_43")
    filtered = False

    def note(asked: int, request: Request) -> None:
        nonlocal filtered
        del asked
        filtered = request.params.get("status") == "processing"

    def lag(asked: int, answer: Any) -> None:
        del asked
        if filtered:
            answer["data"] = [item for item in twins.items() if item["id"] in listed]

    def poll() -> None:
        twins.api.instead = note
        twins.poll()

    twins.api.edit = lag
    begun = twins.clock.now
    poll()
    for name in listed:
        poll()
        twins.put(name, ages[name] + twins.clock.now - begun)
        poll()
    twins.resources.close()


def test_a_value_that_is_not_known_counts_at_each_poll_if_a_page_has_it_beside_another(twins: Twins) -> None:
    def double(asked: int, answer: Any) -> None:
        del asked
        answer["items"].insert(0, {**answer["items"][0], "status": "Odd"})

    twins.put("x_1", 600)
    twins.api.edit = double
    settled(twins, 5)
    assert not twins.unchanged


@pytest.mark.parametrize("place", [0, 1])
def test_of_a_record_that_a_page_has_twice_the_last_row_counts_though_it_is_known(twins: Twins, place: int) -> None:
    """The first one is new, and says something else."""

    def double(asked: int, answer: Any) -> None:
        del asked
        answer["items"].insert(0, {**answer["items"][place], "status": "In Progress"})

    for number in range(3):
        twins.put(f"x_{number}", 600 + number * 60)
    settled(twins)
    twins.api.edit = double
    settled(twins)


def test_what_a_known_page_says_changes_as_the_window_moves_on(twins: Twins) -> None:
    """The API never gives the third page. That no longer matters when the first one is older than the window."""
    twins.start(reconcile_interval=DAY)
    for number in range(12):
        twins.put(f"x_{number}", HOUR / 2 + number * 60)
    twins.api.limit = 2, 404
    settled(twins, 6)
    assert twins.statuses[0].window_truncated
    while twins.statuses[0].window_truncated:
        assert twins.poll(300)


def test_a_page_that_is_not_in_order_is_followed_by_a_full_scan_at_each_poll(twins: Twins) -> None:
    """Even if the scan, which reads it again, finds it in order."""

    def swap(asked: int, answer: Any) -> None:
        if asked == 1:
            answer["items"][1:3] = answer["items"][2:0:-1]

    for number in range(12):
        twins.put(f"x_{number}", 600 + number * 100)
    settled(twins)
    twins.api.edit = swap
    for _ in range(3):
        twins.poll()
        assert twins.statuses[0].incremental
        assert twins.api.asked > 1
