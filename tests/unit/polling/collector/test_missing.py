"""Records that the API seems to have deleted: what must be seen of one until it counts as deleted."""

import json

import pytest

from exporter.polling.collector.missing import Missing


def deleted(doubts: Missing, *, by_id: bool = True, by_list: bool = True) -> list[str]:
    return list(doubts.deleted(by_id=by_id, by_list=by_list))


def test_a_record_is_gone_when_two_polls_and_the_list_say_so() -> None:
    doubts = Missing()
    doubts.begin()
    doubts.not_found(["r1", "r2"])
    doubts.not_shown(["r1"])
    assert deleted(doubts) == []
    doubts.begin()
    doubts.not_found(["r1", "r2"])
    assert deleted(doubts) == ["r1"]
    assert list(doubts.all()) == ["r2"]
    assert deleted(doubts, by_list=False) == ["r2"]


def test_one_that_can_not_be_asked_for_is_gone_by_the_list_alone() -> None:
    doubts = Missing()
    for _ in range(2):
        doubts.begin()
        doubts.not_shown(["r1"])
    assert deleted(doubts) == []
    assert deleted(doubts, by_id=False) == ["r1"]


def test_a_poll_counts_once_however_often_it_says_so() -> None:
    doubts = Missing()
    doubts.begin()
    for _ in range(3):
        doubts.not_found(["r1"])
        doubts.not_shown(["r1"])
    assert deleted(doubts) == []


def test_one_that_is_met_is_doubted_no_longer() -> None:
    doubts = Missing()
    doubts.begin()
    doubts.not_found(["r1"])
    doubts.met(["r1", "r2"])
    doubts.begin()
    doubts.not_found(["r1"])
    doubts.not_shown(["r1"])
    assert deleted(doubts) == []


def test_what_a_poll_has_said_nothing_of_is_open() -> None:
    doubts = Missing()
    doubts.begin()
    doubts.not_found(["r1", "r2"])
    assert list(doubts.unchecked()) == []
    doubts.begin()
    doubts.not_shown(["r2"])
    assert list(doubts.unchecked()) == ["r1"]


def test_doubts_of_this_poll_and_of_those_before_are_kept_apart() -> None:
    doubts = Missing()
    doubts.begin()
    doubts.not_found(["r1", "r2"])
    assert doubts.missed_before(["r1", "r2", "r3"]) == set()
    doubts.begin()
    doubts.not_found(["r2", "r3"])
    assert doubts.missed_before(["r1", "r2", "r3", "r4"]) == {"r1", "r2"}


def test_only_one_that_was_not_found_for_is_known_not_to_be_found() -> None:
    doubts = Missing()
    doubts.begin()
    doubts.not_found(["r1"])
    doubts.not_shown(["r2"])
    assert [doubts.was_not_found(record_id) for record_id in ("r1", "r2", "r3")] == [True, False, False]


def test_all_but_some_are_forgotten() -> None:
    doubts = Missing()
    doubts.begin()
    doubts.not_found(["r1", "r2"])
    doubts.keep(["r2", "r3"])
    assert list(doubts.all()) == ["r2"]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_missed_goes_on_in_the_next_process_as_the_checkpoint_has_it(restarted: bool) -> None:
    doubts = Missing()
    doubts.begin()
    doubts.not_found(["r1", "r2"])
    doubts.not_shown(["r1"])
    if restarted:
        doubts = Missing(json.loads(json.dumps(doubts.notes())))
    doubts.begin()
    assert doubts.missed_before(["r1", "r2", "r3"]) == {"r1", "r2"}
    doubts.not_found(["r1", "r2"])
    assert deleted(doubts) == ["r1"]
    assert list(doubts.all()) == ["r2"]


def test_the_checkpoint_has_a_bounded_number_of_missed_records() -> None:
    doubts = Missing()
    doubts.not_found(f"r{number}" for number in range(10_000))
    assert len(doubts.notes()) == 1000
    doubts.met(list(doubts.notes()))
    assert len(doubts.notes()) == 1000, "then come the others"


def test_a_record_that_many_polls_miss_changes_the_checkpoint_no_more_than_one_that_two_do() -> None:
    """A quiet poll writes what has changed: polls would go on counting until the next reconciliation."""
    doubts = Missing()
    notes = []
    for _ in range(5):
        doubts.begin()
        doubts.not_found(["r1"])
        notes.append(doubts.notes())
    assert notes[1] == notes[2] == notes[3] == notes[4]
