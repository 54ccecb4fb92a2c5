"""Which collector is polled next, and when: accounts take turns, polls keep their rhythm, and none is made up for."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.schedule import Schedule, Turn, first_polls


def always(_: object) -> bool:
    return True


def never(_: object) -> bool:
    return False


def take(schedule: Schedule[str], now: float) -> Turn[str] | None:
    return schedule.take(now, always, always)


def test_a_collector_is_polled_when_it_is_due_and_then_in_steps_of_its_interval() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 60, 10)
    assert take(schedule, 9) is None
    assert schedule.next_at() == 10
    turn = take(schedule, 12)
    assert turn == Turn("a", 2.0, quick=True)
    schedule.done(turn, 15)
    assert schedule.next_at() == 70


def test_while_a_collector_is_polled_it_has_no_other_turn() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 60, 0)
    assert take(schedule, 0) is not None
    assert take(schedule, 1000) is None
    assert schedule.next_at() is None


@pytest.mark.parametrize(("ended", "due"), [(59, 60), (60, 60), (61, 120), (170, 180), (1000, 1020)])
def test_polls_that_a_long_one_left_no_time_for_are_not_made_up_for(ended: float, due: float) -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 60, 0)
    turn = take(schedule, 0)
    assert turn is not None
    schedule.done(turn, ended)
    assert schedule.next_at() == due


def test_what_is_to_be_published_before_the_next_poll_has_a_turn_of_its_own() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 60, 0)
    poll = take(schedule, 0)
    assert poll is not None
    schedule.done(poll, 1, publish_in=20)
    assert schedule.next_at() == 21
    publish = take(schedule, 21)
    assert publish == Turn("a", None, quick=True)
    schedule.done(publish, 21, publish_in=20)
    publish = take(schedule, 41)
    assert publish == Turn("a", None, quick=True)
    schedule.done(publish, 41, publish_in=19)
    assert take(schedule, 60) == Turn("a", 0.0, quick=True), "the poll comes first, and publishes too"


def test_what_is_due_begins_in_the_order_in_which_it_was_due_of_whatever_kind() -> None:
    schedule: Schedule[str] = Schedule()
    for name, due in {"quick-2": 2, "slow-1": 1, "quick-3": 3, "slow-4": 4}.items():
        schedule.add(name, 60, due)
    taken = [schedule.take(10, always, lambda name: name.startswith("quick")) for _ in range(4)]
    assert [turn.collector for turn in taken if turn] == ["slow-1", "quick-2", "quick-3", "slow-4"]


def test_those_without_room_wait_and_keep_nobody_else_waiting() -> None:
    schedule: Schedule[str] = Schedule()
    for name, due in {"slow-1": 1, "slow-2": 2, "quick-3": 3}.items():
        schedule.add(name, 60, due)
    turn = schedule.take(10, lambda quick: quick, lambda name: name.startswith("quick"))
    assert turn == Turn("quick-3", 7.0, quick=True)
    assert schedule.take(10, never, never) is None
    assert schedule.overdue == 2
    assert take(schedule, 11) == Turn("slow-1", 10.0, quick=False)


def test_a_poll_takes_room_where_it_has_waited_for_it_though_its_account_has_become_quick() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 60, 0)
    schedule.add("b", 60, 0)
    assert schedule.take(0, never, lambda name: name == "b") is None
    turns = [schedule.take(1, always, always) for _ in range(2)]
    assert [(turn.collector, turn.quick) for turn in turns if turn] == [("a", False), ("b", True)]


def test_a_poll_that_waits_for_room_finds_it_among_the_quick_once_its_account_is() -> None:
    schedule: Schedule[str] = Schedule()
    for name, due in {"hangs": 0, "well": 1, "later": 50}.items():
        schedule.add(name, 60, due)
    assert schedule.take(2, never, never) is None
    for name in ("well", "later", "unknown"):
        schedule.reconsider(name)
    assert (schedule.overdue, schedule.next_at()) == (1, 1), "it waits in one place"
    turn = schedule.take(3, lambda quick: quick, lambda name: name == "well")
    assert turn == Turn("well", 2.0, quick=True)
    assert turn.quick
    assert schedule.take(3, lambda quick: quick, always) is None
    schedule.reconsider("well")
    assert schedule.take(4, lambda quick: quick, always) is None, "it is under way"
    assert schedule.next_at() == 50


def test_a_poll_that_was_due_just_now_is_reconsidered_too() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("well", 60, 5)
    assert schedule.take(5, never, never) is None
    schedule.reconsider("well")
    assert schedule.take(5, lambda quick: quick, always) == Turn("well", 0.0, quick=True)


def test_a_collector_that_was_removed_has_no_turn_whatever_it_waited_for() -> None:
    schedule: Schedule[str] = Schedule()
    for name in "abc":
        schedule.add(name, 60, 0)
    under_way = take(schedule, 0)
    assert under_way == Turn("a", 0.0, quick=True)
    assert schedule.take(0, never, always) is None
    assert schedule.overdue == 2
    schedule.remove("abc")
    assert schedule.overdue == 0
    schedule.done(under_way, 1, publish_in=1)
    assert take(schedule, 1000) is None
    assert schedule.next_at() is None
    schedule.add("a", 60, 5)
    assert take(schedule, 1000) == Turn("a", 995.0, quick=True)


def test_a_collector_that_was_removed_and_added_again_is_due_as_it_was_added_whatever_went_on_before() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 60, 0)
    under_way = take(schedule, 0)
    schedule.add("b", 60, 10)
    schedule.remove("ab")
    schedule.add("a", 60, 70)
    schedule.add("b", 60, 80)
    assert under_way is not None
    schedule.done(under_way, 65, publish_in=1)
    assert schedule.next_at() == 70
    assert [take(schedule, 75), take(schedule, 75), take(schedule, 85)] == [
        Turn("a", 5.0, quick=True),
        None,
        Turn("b", 5.0, quick=True),
    ]


def quick(name: str) -> bool:
    return name.startswith("quick")


def test_of_those_due_at_the_same_time_the_first_that_was_scheduled_begins_of_whatever_kind() -> None:
    schedule: Schedule[str] = Schedule()
    names = ["slow-1", "quick-2", "slow-3", "quick-4"]
    for name in names:
        schedule.add(name, 60, 0)
    taken = [schedule.take(10, always, quick) for _ in names]
    assert [turn.collector for turn in taken if turn] == names


def test_a_pause_keeps_the_order_of_those_that_waited_for_room_and_forgets_those_that_were_removed() -> None:
    schedule: Schedule[str] = Schedule()
    dues = {"slow-1": 1, "quick-2": 2, "removed": 3, "slow-4": 4, "quick-5": 4}
    for name, due in dues.items():
        schedule.add(name, 60, due)
    assert schedule.take(10, never, quick) is None
    schedule.remove(["removed"])
    schedule.spread(10, 40)
    assert schedule.overdue == 0
    taken = [schedule.take(50, always, quick) for _ in dues]
    assert [turn.collector for turn in taken if turn] == ["slow-1", "quick-2", "slow-4", "quick-5"]


def test_after_a_pause_what_came_due_is_spread_and_says_how_late_it_is() -> None:
    schedule: Schedule[str] = Schedule()
    for place, name in enumerate("abcd"):
        schedule.add(name, 60, 10 * place)
    schedule.add("now", 60, 100)
    schedule.add("later", 60, 500)
    schedule.spread(100, 50)
    times = []
    while (at := schedule.next_at()) is not None and at < 500:
        turn = take(schedule, at)
        assert turn is not None
        times.append((at, turn.collector, turn.lateness))
    assert times == [(100, "a", 100), (110, "b", 100), (120, "c", 100), (130, "d", 100), (140, "now", 40)]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30))
def test_an_account_that_turns_quick_after_a_pause_brings_none_of_its_polls_forward(
    events: list[tuple[int, bool]],
) -> None:
    """Each of `events` is the collector whose account turned quick, and whether the next poll begins then."""
    schedule: Schedule[str] = Schedule()
    for place in range(10):
        schedule.add(str(place), 60, place)
    assert schedule.take(5, never, always) is None
    schedule.spread(100, 50)
    times = []
    for place, begins in [*events, *[(0, True)] * 10]:
        schedule.reconsider(str(place))
        if begins and (at := schedule.next_at()) is not None:
            turn = take(schedule, at)
            assert turn is not None
            times.append((at, turn.collector))
    assert times == [(100 + 5 * place, str(place)) for place in range(10)]


def test_a_pause_brings_no_poll_forward_and_delays_none_by_more_than_its_interval() -> None:
    schedule: Schedule[str] = Schedule()
    for name, interval in {"a": 60.0, "b": 1.0}.items():
        schedule.add(name, interval, 0)
        turn = take(schedule, 0)
        assert turn is not None
        schedule.done(turn, 0, publish_in=0.5 if name == "a" else None)
    schedule.spread(30, 1000)
    assert [take(schedule, 30), take(schedule, 30), take(schedule, 30)] == [
        Turn("a", None, quick=True),
        Turn("b", 29.0, quick=True),
        None,
    ]


@given(st.lists(st.floats(0.1, 1000), min_size=1, max_size=50), st.floats(0, 0.999))
def test_first_polls_are_spread_and_none_waits_for_more_than_its_interval(intervals: list[float], phase: float) -> None:
    times = first_polls(100.0, intervals, 0.1, phase)
    for place, (at, interval) in enumerate(zip(times, intervals, strict=True)):
        assert 100.0 <= at <= 100.0 + min(interval, 0.1 * len(intervals))
        alike = [other for other, same in zip(times[:place], intervals, strict=False) if same == interval]
        assert all(other < at for other in alike)


class Machine:
    """Polls of given lengths on so many workers, on a clock of its own."""

    def __init__(self, intervals: dict[str, float], lengths: dict[str, list[float]], workers: int) -> None:
        self.schedule: Schedule[str] = Schedule()
        self.intervals = intervals
        self.lengths = {name: itertools.cycle(each) for name, each in lengths.items()}
        self.workers = workers
        self.now = 0.0
        self.under_way: list[tuple[float, Turn[str]]] = []
        self.begun: list[tuple[float, Turn[str]]] = []
        for name, interval in intervals.items():
            self.schedule.add(name, interval, 0.0)

    def run(self, until: float, pauses: list[tuple[float, float]]) -> None:
        left = sorted(pauses)
        while True:
            while len(self.under_way) < self.workers and (turn := take(self.schedule, self.now)):
                assert turn.collector not in {other.collector for _, other in self.under_way}
                self.begun.append((self.now, turn))
                self.under_way.append((self.now + next(self.lengths[turn.collector]), turn))
                self.under_way.sort(key=lambda item: item[0])
            due = self.schedule.next_at()
            times = [self.under_way[0][0]] if self.under_way else []
            times += [due] if due is not None and len(self.under_way) < self.workers else []
            step = max(self.now, min(times))
            if step > until:
                return
            if left and left[0][0] <= step:
                _, length = left.pop(0)
                self.now = step + length
                self.schedule.spread(self.now, length)
                continue
            self.now = step
            while self.under_way and self.under_way[0][0] <= self.now:
                _, turn = self.under_way.pop(0)
                self.schedule.done(turn, self.now)


NAMES = st.sampled_from("abcdefgh")


@given(
    st.dictionaries(NAMES, st.sampled_from([10.0, 30.0, 60.0]), min_size=1),
    st.lists(st.sampled_from([0.0, 0.5, 5.0, 45.0]), min_size=1, max_size=4),
    st.integers(1, 4),
    st.lists(st.tuples(st.floats(0, 900), st.floats(6, 300)), max_size=3),
)
def test_nobody_starves_and_nobody_is_polled_more_often_than_its_interval_on_average(
    intervals: dict[str, float], lengths: list[float], workers: int, pauses: list[tuple[float, float]]
) -> None:
    machine = Machine(intervals, {name: lengths[place:] + lengths for place, name in enumerate(intervals)}, workers)
    machine.run(1000.0, pauses)
    counts = Counter(turn.collector for _, turn in machine.begun)
    # What all polls of a round take, one after the other, and all pauses with what they spread.
    slowest = max(lengths) * len(intervals) + 2 * sum(length for _, length in pauses) + 2 * max(intervals.values())
    for name, interval in intervals.items():
        assert counts[name] <= machine.now / interval + 1
        times = [at for at, turn in machine.begun if turn.collector == name]
        assert all(later - earlier <= slowest for earlier, later in itertools.pairwise([0.0, *times]))


@given(st.integers(2, 8), st.sampled_from([5.0, 20.0]), st.integers(1, 2))
def test_past_what_the_workers_bear_all_are_late_alike(count: int, length: float, workers: int) -> None:
    names = "abcdefgh"[:count]
    machine = Machine(dict.fromkeys(names, 10.0), {name: [length] for name in names}, workers)
    machine.run(2000.0, [])
    counts = Counter(turn.collector for _, turn in machine.begun)
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize(("wait", "due"), [(0, 60), (40, 60), (55, 65), (600, 610)])
def test_after_a_poll_none_is_due_for_as_long_as_is_asked_for(wait: float, due: float) -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 60, 0)
    turn = take(schedule, 0)
    assert turn is not None
    schedule.done(turn, 10, wait=wait)
    assert schedule.next_at() == due
    assert take(schedule, due) == Turn("a", 0.0, quick=True), "a poll that was put off is not late"


def test_a_poll_may_be_brought_forward_and_is_not_put_off_by_that() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 60, 100)
    schedule.hasten("a", 200)
    assert schedule.next_at() == 100
    schedule.hasten("a", 30)
    assert schedule.next_at() == 30
    turn = take(schedule, 31)
    assert turn == Turn("a", 1.0, quick=True)
    schedule.hasten("a", 5)
    schedule.hasten("unknown", 5)
    schedule.done(turn, 32)
    assert schedule.next_at() == 90


@pytest.mark.parametrize(
    ("at", "wait", "due"),
    [(20, 300, 60), (20, 0, 60), (100, 300, 100), (100, 80, 100), (400, 300, 330), (400, 0, 60)],
)
def test_a_poll_that_began_before_the_next_one_was_brought_forward_can_not_put_that_off(
    at: float, wait: float, due: float
) -> None:
    """The result of a request that hangs does not take into account what other requests have found out meanwhile."""
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 60, 0)
    turn = take(schedule, 0)
    assert turn is not None
    schedule.hasten("a", at)
    schedule.done(turn, 30, wait=wait)
    assert schedule.next_at() == due
    later = take(schedule, due)
    assert later is not None
    schedule.done(later, due, wait=300)
    assert schedule.next_at() == due + 300, "it holds once"


@pytest.mark.parametrize(("at", "turns"), [(5, [0.0]), (20, [None, 0.0]), (21, [0.0]), (25, [None, 0.0])])
def test_a_poll_that_is_brought_forward_holds_up_nothing_that_is_to_be_published(
    at: float, turns: list[float | None]
) -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 600, 0)
    poll = take(schedule, 0)
    assert poll is not None
    schedule.done(poll, 1, publish_in=20 if at != 20 else 18)
    schedule.hasten("a", at)
    seen = []
    for now in range(30):
        if (turn := take(schedule, now)) is not None:
            seen.append(turn.lateness)
            assert turn.lateness is None or now == at
            schedule.done(turn, now)
    assert seen == turns


def test_a_poll_is_brought_forward_while_the_collector_publishes() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 600, 0)
    poll = take(schedule, 0)
    assert poll is not None
    schedule.done(poll, 1, publish_in=4)
    publish = take(schedule, 5)
    assert publish == Turn("a", None, quick=True)
    schedule.hasten("a", 9)
    schedule.done(publish, 6)
    assert schedule.next_at() == 9
