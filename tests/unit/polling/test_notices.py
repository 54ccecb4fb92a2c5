"""A condition that lasts is logged when it begins, and once an hour with what was added since."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.notices import AGAIN_SECONDS, Notices


def test_what_lasts_is_logged_when_it_begins_and_each_hour_with_what_has_come_since() -> None:
    notices = Notices()
    logged = [(now, count) for now in range(0, 7201, 600) if (count := notices.note("down", now))]
    assert logged == [(0, 1), (3600, 6), (7200, 6)]


def test_what_has_ended_is_logged_at_once_when_it_comes_again() -> None:
    notices = Notices()
    assert notices.note("down", 0)
    assert not notices.note("down", 1)
    notices.end("down")
    assert notices.note("down", 2) == 1
    notices.end("never noted")


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 5), st.floats(0, 2000)), max_size=60))
def test_of_each_condition_nothing_is_lost_and_nothing_is_logged_twice_within_an_hour(
    notes: list[tuple[int, int, float]],
) -> None:
    notices, now = Notices(), 0.0
    told: dict[int, float] = {}
    owed: dict[int, int] = {}
    for condition, count, seconds in notes:
        now += seconds
        owed[condition] = owed.get(condition, 0) + count
        logged = notices.note(condition, now, count)
        assert bool(logged) is (condition not in told or now - told[condition] >= AGAIN_SECONDS)
        if logged:
            assert logged == owed.pop(condition)
            told[condition] = now


def test_however_many_conditions_there_are_few_are_remembered_and_all_are_logged() -> None:
    notices = Notices()
    assert all(notices.note(f"value {number}", number) for number in range(1000))
    assert not notices.note("value 999", 1000)
    assert notices.note("value 0", 1000)
