"""What moves a counter and what does not, over restarts too. What is exposed of them is in test_exposed.py."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.items import Item, document_batch, generations
from exporter.model.record import Key, Record
from exporter.polling.poller import Poller
from exporter.state import Records, prepared
from tests.support import faults
from tests.support.rig import DAY, HOUR, NOW, Rig

FAILED = {"sepire": generations(3, failed=3)}
OPEN = {"sepire": generations(3)}
GENERATIONS = "inkit_batch_generations_finished_total"
FAILURES = (GENERATIONS, "document", "sepire", "failed")
COMPLETED = (GENERATIONS, "document", "sepire", "completed")


class Killed(BaseException):
    """The end of the program in the middle of a poll."""


def failures(rig: Rig) -> int:
    return rig.events("document_batches")[FAILURES]


def fill(rig: Rig, count: int = 300, apart: float = 3600.0) -> None:
    """Add failed batches, one an hour."""
    items = [document_batch(f"rb_old_{n}", NOW - n * apart, destinations=FAILED) for n in range(count)]
    rig.world.extend("document_batches", items)


def add(rig: Rig, name: str, created: float, destinations: dict[str, Item] | None = None) -> None:
    item = document_batch(name, created, destinations=destinations or FAILED)
    rig.world.add("document_batches", item)


def polled(rig: Rig, times: int = 1, **changed: Any) -> Poller:
    """Return a poller of a program that has just started, after some polls."""
    poller = rig.poller("document_batches", **changed)
    for _ in range(times):
        assert poller.poll()
        rig.clock.now += 60
    return poller


def test_what_was_there_before_is_no_event_and_what_comes_after_is(rig: Rig) -> None:
    fill(rig)
    poller = polled(rig, 3)
    assert failures(rig) == 0
    add(rig, "rb_new", rig.clock.now)
    assert poller.poll()
    assert failures(rig) == 3


@pytest.mark.parametrize("first", [2 * DAY, 7 * DAY])
def test_a_longer_lookback_moves_no_counter_nor_does_a_shorter_one_in_between(rig: Rig, first: float) -> None:
    fill(rig, count=1200, apart=900.0)
    polled(rig, lookback=first)
    polled(rig, lookback=2 * DAY)
    polled(rig, lookback=10 * DAY)
    assert failures(rig) == 0
    assert rig.exact("document_batches", 10 * DAY + 60)
    add(rig, "rb_new", rig.clock.now)
    polled(rig, lookback=11 * DAY)
    assert failures(rig) == 3, "that is a new event all the same"


def test_a_shorter_lookback_that_was_cut_off_while_it_forgot_counts_nothing_again(rig: Rig) -> None:
    """The program is killed after it dropped old records, in the same poll. Then the operator reverts the change."""
    fill(rig)
    polled(rig, 2)
    forget = Records.forget

    def forget_and_die(self: Records, records: Sequence[Record], events: Mapping[Key, int] | None = None) -> None:
        forget(self, records, events)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Records, "forget", forget_and_die)
        with pytest.raises(Killed):
            rig.poller("document_batches", lookback=DAY).poll()
    rig.clock.now += 60
    polled(rig)
    rig.clock.now += HOUR
    polled(rig, 2)
    assert failures(rig) == 0
    assert rig.exact("document_batches", 7 * DAY + 60)


def test_what_a_poll_counts_of_records_is_counted_even_if_the_program_dies_before_it_publishes(rig: Rig) -> None:
    fill(rig, 20)
    add(rig, "rb_open", NOW - 2 * DAY, OPEN)
    rig.world.add("document_batches", {**document_batch("rb_odd", NOW), "status": "Melted"})
    rig.world.add("document_batches", {**document_batch("rb_bad", NOW), "status": 5})

    def die(self: Poller) -> None:
        raise Killed

    def own() -> tuple[int, int, int, int]:
        counted = rig.own(rig.poller("document_batches"))
        return counted.vanished, counted.abandoned, sum(counted.rejected.values()), sum(counted.unknown_values.values())

    poller = rig.poller("document_batches", in_flight_max_age=DAY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Poller, "rise", die)
        with pytest.raises(Killed):
            poller.poll()
        assert own() == (0, 1, 1, 1)
        rig.world.remove("document_batches", "rb_old_5")
        for polls in (2, 3):
            rig.clock.now += 60
            with pytest.raises(Killed):
                poller.poll()
            assert own() == (polls - 2, polls, polls, 1)


def test_other_filters_make_no_event_of_what_is_old_and_lose_none_that_is_new(rig: Rig) -> None:
    fill(rig)
    add(rig, "rb_other", NOW, {"box": generations(1, failed=1)})
    polled(rig, scope="a", filters={"destination_name": "box"})
    add(rig, "rb_new", rig.clock.now)
    poller = polled(rig, scope="b")
    assert failures(rig) == 3, "what was created after the last poll is new, and nothing else"
    assert rig.exact("document_batches", 7 * DAY + 60)
    add(rig, "rb_newer", rig.clock.now)
    assert poller.poll()
    assert failures(rig) == 6


def test_a_renamed_account_and_a_lost_state_file_move_no_counter(rig: Rig, tmp_path: Path) -> None:
    fill(rig)
    polled(rig)
    rig.account = "renamed"
    polled(rig)
    assert failures(rig) == 0
    with prepared(tmp_path / "new.db") as rig.state:
        polled(rig, 2)
        assert failures(rig) == 0


def test_what_happened_while_the_program_was_down_is_counted_at_the_next_start(rig: Rig) -> None:
    fill(rig)
    add(rig, "rb_open", NOW - 30, OPEN)
    polled(rig)
    rig.clock.now += 2 * DAY
    add(rig, "rb_open", NOW - 30)
    for number in range(250):
        add(rig, f"rb_new_{number}", NOW + HOUR + number * 60)
    polled(rig)
    assert failures(rig) == 3 * 251


def test_a_downtime_longer_than_the_window_loses_only_what_has_left_it(rig: Rig) -> None:
    polled(rig)
    add(rig, "rb_lost", NOW + DAY)
    add(rig, "rb_seen", NOW + 20 * DAY)
    rig.clock.now += 21 * DAY
    polled(rig)
    assert failures(rig) == 3


def test_a_retry_never_lowers_a_counter_and_what_alternates_is_counted_once(rig: Rig) -> None:
    add(rig, "rb_1", NOW, OPEN)
    poller = polled(rig)
    counted = []
    for failed, completed in ((2, 0), (1, 0), (0, 1), (0, 3), (1, 2)):
        add(rig, "rb_1", NOW, {"sepire": generations(3, failed=failed, completed=completed)})
        assert poller.poll()
        counted.append((failures(rig), rig.events("document_batches")[COMPLETED]))
        rig.clock.now += 60
    assert counted == [(2, 0), (2, 0), (2, 1), (2, 3), (2, 3)]


def test_a_record_that_comes_back_is_counted_in_the_gauges_again_and_in_no_counter(rig: Rig) -> None:
    poller = polled(rig)
    add(rig, "rb_1", rig.clock.now)
    assert poller.poll()
    item = rig.world.get("document_batches", "rb_1")
    rig.world.remove("document_batches", "rb_1")
    polled(rig, 2)
    assert rig.own(poller).vanished == 1
    assert not rig.gauges("document_batches")
    assert item is not None
    rig.world.add("document_batches", item)
    polled(rig)
    assert failures(rig) == 3
    assert rig.exact("document_batches")


def test_a_poll_that_failed_half_way_loses_and_repeats_no_event(rig: Rig) -> None:
    fill(rig)
    poller = polled(rig, page_size=25)
    for number in range(200):
        add(rig, f"rb_new_{number}", NOW + number / 10)
    for page in (2, 4, 6):
        rig.fail_after(page)
        assert not poller.poll()
        rig.mock_api.faults.clear()
        rig.clock.now += 60
    assert poller.poll()
    assert failures(rig) == 600
    assert poller.poll()
    assert failures(rig) == 600


@pytest.mark.parametrize("times", [1, 2])
def test_a_clock_that_was_ahead_for_a_while_stops_nothing_for_good(rig: Rig, times: int) -> None:
    fill(rig)
    polled(rig)
    rig.clock.now = NOW + 400 * DAY
    polled(rig, times)
    rig.clock.now = NOW + HOUR
    poller = polled(rig)
    assert failures(rig) == 0
    assert rig.exact("document_batches", 7 * DAY + 60)
    add(rig, "rb_new", rig.clock.now)
    assert poller.poll()
    assert failures(rig) == 3


def test_an_account_that_fails_leaves_the_counters_of_another_alone(rig: Rig) -> None:
    polled(rig)
    add(rig, "rb_1", rig.clock.now)
    rig.mock_api.faults.add(faults.status(401))
    assert not rig.poller("document_batches").poll()
    assert failures(rig) == 0
    rig.mock_api.faults.clear()
    polled(rig)
    rig.account = "other"
    polled(rig)
    assert failures(rig) == 0
    rig.account = "prod"
    assert failures(rig) == 3
