"""Who gets a worker: accounts take turns, and those that answer slowly leave some for the others."""

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.polling.admission import QUICK_SECONDS, Admission
from tests.support.properties import examples


def known(admission: Admission[str], now: float, **seconds: float) -> None:
    """Let accounts have answered in so many seconds."""
    for account, took in seconds.items():
        admission.ask(account, "first", now - took)
        assert admission.take(now - took) == (account, "first")
        admission.done(account, now - took, now)


def test_requests_of_an_account_go_in_their_order_and_those_of_several_take_turns() -> None:
    admission: Admission[str] = Admission(10)
    known(admission, 0, a=0.1, b=0.1)
    for account, job in ("a", "1"), ("a", "2"), ("a", "3"), ("b", "4"), ("b", "5"):
        admission.ask(account, job, 0)
    assert [admission.take(0) for _ in range(6)] == [("a", "1"), ("b", "4"), ("a", "2"), ("b", "5"), ("a", "3"), None]


def test_no_more_go_than_there_are_workers() -> None:
    admission: Admission[str] = Admission(4)
    known(admission, 0, a=0.1)
    for _ in range(6):
        admission.ask("a", "job", 0)
    assert [admission.take(0) is not None for _ in range(6)] == [True] * 4 + [False] * 2
    assert admission.busy == 4
    admission.done("a", 0, 1)
    assert admission.take(1) == ("a", "job")


def test_accounts_that_answer_slowly_or_have_not_answered_yet_leave_a_quarter_to_the_others() -> None:
    admission: Admission[str] = Admission(8)
    known(admission, 0, quick=0.1, slow=QUICK_SECONDS + 1)
    for number in range(8):
        admission.ask("slow" if number % 2 else f"new{number}", "job", 0)
    assert [admission.take(0) is not None for _ in range(8)] == [True] * 6 + [False] * 2
    admission.ask("quick", "mine", 0)
    assert admission.take(0) == ("quick", "mine")


def test_an_account_gets_one_worker_until_it_has_answered() -> None:
    admission: Admission[str] = Admission(8)
    for job in "123":
        admission.ask("new", job, 0)
    assert [admission.take(0), admission.take(0)] == [("new", "1"), None]
    admission.done("new", 0, 30)
    assert [admission.take(30), admission.take(30)] == [("new", "2"), ("new", "3")]


def test_an_account_whose_request_takes_long_is_no_longer_quick_and_is_again_after_a_quick_answer() -> None:
    admission: Admission[str] = Admission(4)
    known(admission, 0, a=0.1)
    assert admission.is_quick("a", 0)
    admission.ask("a", "long", 0)
    admission.take(0)
    assert admission.is_quick("a", QUICK_SECONDS)
    assert not admission.is_quick("a", QUICK_SECONDS + 0.1)
    admission.done("a", 0, 30)
    assert not admission.is_quick("a", 30)
    known(admission, 31, a=0.1)
    assert admission.is_quick("a", 31)


def test_who_becomes_slow_while_waiting_leaves_its_place_to_those_who_are_quick() -> None:
    admission: Admission[str] = Admission(8)
    known(admission, 0, a=0.1, b=0.1, c=0.1)
    for number in range(5):
        admission.ask(f"new{number}", "first", 0)
    for account in "aab":
        admission.ask(account, "long", 0)
    assert [admission.take(0) is not None for _ in range(8)] == [True] * 8
    admission.ask("a", "next", 0)
    admission.done("b", 0, 1)
    admission.ask("c", "quick", QUICK_SECONDS + 1)
    assert [admission.take(QUICK_SECONDS + 1) for _ in range(2)] == [("c", "quick"), None]


def test_who_becomes_quick_while_waiting_keeps_its_turn() -> None:
    admission: Admission[str] = Admission(4)
    known(admission, 0, a=QUICK_SECONDS + 1, b=0.1)
    for job in "1234":
        admission.ask("a", job, 0)
    assert [admission.take(0) is not None for _ in range(4)] == [True] * 3 + [False]
    admission.ask("b", "5", 0)
    admission.done("a", 0, 0.1)
    assert [admission.take(0.1), admission.take(0.1)] == [("a", "4"), ("b", "5")]


def test_who_becomes_quick_while_waiting_does_not_go_before_those_who_came_earlier() -> None:
    admission: Admission[str] = Admission(4)
    known(admission, 0, slow=QUICK_SECONDS + 1, quick=0.1, z=0.1, a=0.1)
    for account in ("quick", "quick", "slow", "quick", "z", "slow", "a"):
        admission.ask(account, "job", 0)
    begun = [found[0] for _ in range(4) if (found := admission.take(0))]
    assert begun == ["quick", "slow", "z", "a"]
    admission.ask("z", "job", 0)
    admission.ask("a", "job", 0)
    admission.done("slow", 0, 0.1)
    for account in ("quick", "z", "a"):
        admission.done(account, 0, 0.1)
    begun = [found[0] for _ in range(4) if (found := admission.take(0.1))]
    assert begun == ["quick", "slow", "z", "a"]


def test_who_asks_for_more_keeps_its_turn_before_those_who_came_later() -> None:
    admission: Admission[str] = Admission(1)
    known(admission, 0, a=0.1, b=QUICK_SECONDS + 1, c=0.1)
    admission.ask("c", "1", 0)
    assert admission.take(0) == ("c", "1")
    for account, job in ("a", "2"), ("b", "3"), ("a", "4"):
        admission.ask(account, job, 0)
    order: list[tuple[str, str]] = []
    for _ in range(3):
        admission.done("c" if not order else order[-1][0], 0, 0)
        taken = admission.take(0)
        assert taken is not None
        order.append(taken)
    assert order == [("a", "2"), ("b", "3"), ("a", "4")]


def test_an_account_that_was_removed_is_forgotten_once_none_of_its_requests_is_left() -> None:
    admission: Admission[str] = Admission(8)
    known(admission, 0, a=0.1, b=0.1, c=0.1)
    for account in "abb":
        admission.ask(account, "job", 0)
    assert [admission.take(0), admission.take(0)] == [("a", "job"), ("b", "job")]
    for account in "abcd":
        admission.remove(account)
    assert [admission.is_quick(account, 0) for account in "abc"] == [True, True, False]
    admission.done("a", 0, 0.1)
    assert admission.take(0.1) == ("b", "job")
    admission.done("b", 0, 0.1)
    assert [admission.is_quick(account, 0.1) for account in "ab"] == [False, True]
    admission.done("b", 0.1, 0.2)
    assert not admission.is_quick("b", 0.2)
    assert admission.busy == 0


def test_a_request_of_an_account_that_was_removed_is_not_lost() -> None:
    admission: Admission[str] = Admission(1)
    admission.ask("a", "job", 0)
    admission.remove("a")
    assert admission.take(0) == ("a", "job")


def test_an_account_that_was_removed_and_asks_again_is_as_quick_as_it_was() -> None:
    admission: Admission[str] = Admission(8)
    known(admission, 0, a=0.1)
    for _ in range(2):
        admission.ask("a", "job", 0)
        admission.take(0)
    admission.remove("a")
    admission.ask("a", "job", 0)
    for began in (0, 0):
        admission.done("a", began, 0.1)
    admission.take(0.1)
    admission.done("a", 0.1, 0.2)
    assert admission.is_quick("a", 0.2)


def hand_out(
    admission: Admission[int],
    now: float,
    workers: int,
    waiting: list[tuple[str, int]],
    under_way: list[tuple[str, float]],
    got: list[tuple[str, int]],
) -> None:
    """Give all workers that are free to those who may have one, and check each."""
    while (taken := admission.take(now)) is not None:
        slow = [account for account, _ in under_way if not admission.is_quick(account, now)]
        assert admission.is_quick(taken[0], now) or len(slow) < workers - workers // 4
        assert taken == next(item for item in waiting if item[0] == taken[0]), "in the order of the account"
        waiting.remove(taken)
        got.append(taken)
        under_way.append((taken[0], now))


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("remove"), st.sampled_from("abcd")),
        st.tuples(st.just("ask"), st.sampled_from("abcd")),
        st.tuples(st.just("done"), st.integers(0, 20)),
        st.tuples(st.just("pass"), st.sampled_from([0.1, 1.0, 3.0, 30.0])),
    ),
    min_size=10,
    max_size=60,
)


@settings(max_examples=examples(300))
@given(st.integers(1, 9), EVENTS)
def test_whatever_comes_the_bounds_hold_nothing_is_lost_and_quick_accounts_find_a_worker(
    workers: int, events: list[tuple[str, str | int | float]]
) -> None:
    admission: Admission[int] = Admission(workers)
    now, asked = 0.0, 0
    got: list[tuple[str, int]] = []
    under_way: list[tuple[str, float]] = []
    answered: set[str] = set()
    removed: set[str] = set()
    waiting: list[tuple[str, int]] = []
    for what, value in events:
        if what == "ask":
            admission.ask(str(value), asked, now)
            removed.discard(str(value))
            waiting.append((str(value), asked))
            asked += 1
        elif what == "pass":
            now += float(value)
        elif what == "remove":
            admission.remove(str(value))
            removed.add(str(value))
        elif under_way:
            account, began = under_way.pop(int(value) % len(under_way))
            admission.done(account, began, now)
            answered.add(account)
        answered -= removed - {account for account, _ in (*under_way, *waiting)}
        hand_out(admission, now, workers, waiting, under_way, got)
        assert admission.busy == len(under_way) <= workers
        slow = [account for account, _ in under_way if not admission.is_quick(account, now)]
        first = {account for account, _ in under_way} - answered
        ready = [account for account, _ in waiting if account not in first]
        if ready and len(under_way) < workers:
            assert not any(admission.is_quick(account, now) for account in ready)
            assert len(slow) >= workers - workers // 4
    while under_way:
        account, began = under_way.pop()
        admission.done(account, began, now)
        while (taken := admission.take(now)) is not None:
            got.append(taken)
            under_way.append((taken[0], now))
    assert sorted(number for _, number in got) == list(range(asked))
