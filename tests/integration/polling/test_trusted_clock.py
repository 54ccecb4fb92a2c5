"""The machine's clock may be wrong: nothing is forgotten, given up or taken for old because of that."""

import logging

import pytest

from exporter.demo.items import document_batch, generations
from exporter.polling.collector.trusted_clock import (
    BELIEVED_AFTER_SECONDS,
    SLACK_SECONDS,
    Clocks,
    Trusted,
    boot,
    trusted,
)
from exporter.polling.poller import Poller
from exporter.state import Checkpoint
from tests.support.rig import DAY, HOUR, NOW, Clock, Rig

OPEN = {"sepire": generations(1)}
FAILED = {"sepire": generations(1, failed=1)}
FAILURES = ("inkit_batch_generations_finished_total", "document", "sepire", "failed")
LEAPS = pytest.mark.parametrize("leap", [-400 * DAY, -8 * DAY, -2 * HOUR, 2 * HOUR, DAY, 8 * DAY, 400 * DAY])
HOURS = pytest.mark.parametrize("leap", [-400 * DAY, -2 * HOUR, 2 * HOUR, 8 * DAY])
BEFORE = Checkpoint(polled_at=NOW, ticks=50.0, boot="a")


def fill(rig: Rig, count: int = 300) -> None:
    items = [document_batch(f"rb_{n}", NOW - n * 600, destinations=FAILED) for n in range(count)]
    rig.world.extend("document_batches", items)


class Machine:
    """Polls a minute apart, by a clock that may be wrong; each finds one failure more."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.time = Clock()
        rig.ticks = self.time
        self.failures = 0
        self.poller = self.start()

    def start(self) -> Poller:
        self.poller = self.rig.poller("document_batches")
        return self.poller

    def polls(self, times: int, leap: float = 0.0, fails: bool = True) -> None:
        for _ in range(times):
            self.time.now += 60
            self.rig.clock.now = self.time.now + leap
            if fails:
                self.failures += 1
                item = document_batch(f"rb_new_{self.failures}", self.time.now - 1, destinations=FAILED)
                self.rig.world.add("document_batches", item)
            assert self.poller.poll()


@LEAPS
@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_leaps_for_two_polls_costs_no_failure(rig: Rig, leap: float, restarts: bool) -> None:
    fill(rig)
    rig.world.add("document_batches", document_batch("rb_open", NOW - DAY, destinations=OPEN))
    machine = Machine(rig)
    machine.polls(1, fails=False)
    for times, wrong in ((2, 0.0), (2, leap), (3, 0.0)):
        if restarts:
            machine.start()
        machine.polls(times, wrong)
        assert rig.own(machine.poller).abandoned == 0
    assert rig.events("document_batches")[FAILURES] == 7
    assert rig.exact("document_batches")
    rig.world.update("document_batches", "rb_open", destinations=FAILED)
    machine.polls(1, fails=False)
    assert rig.events("document_batches")[FAILURES] == 8


@HOURS
def test_a_clock_that_is_wrong_for_hours_and_comes_back_costs_no_failure(rig: Rig, leap: float) -> None:
    fill(rig)
    machine = Machine(rig)
    machine.polls(2)
    for wrong in (leap, 0.0):
        machine.polls(70, wrong)
    machine.polls(2)
    assert rig.events("document_batches")[FAILURES] == machine.failures - 1, "the first poll begins to watch"
    assert rig.exact("document_batches")


@HOURS
def test_a_clock_that_was_wrong_when_the_watch_began_makes_no_storm_when_it_is_set_right(rig: Rig, leap: float) -> None:
    fill(rig)
    machine = Machine(rig)
    machine.polls(2, leap, fails=False)
    machine.polls(70)
    machine.polls(2)
    assert rig.events("document_batches")[FAILURES] == machine.failures
    assert rig.exact("document_batches")


def test_on_another_machine_whose_clock_is_behind_the_watermark_stays(rig: Rig) -> None:
    """Nothing shows how much time has passed: what is newer than all that was known is new, and nothing else."""
    fill(rig)
    rig.clock.now = NOW + 3 * DAY
    assert rig.poller("document_batches").poll()
    rig.ticks = lambda: 0.0
    rig.clock.now = NOW
    rig.world.add("document_batches", document_batch("rb_new", NOW + 1, destinations=FAILED))
    rig.clock.now += 60
    poller = rig.poller("document_batches")
    assert poller.poll()
    assert rig.events("document_batches")[FAILURES] == 1
    assert rig.exact("document_batches")


def test_where_no_record_was_known_the_first_ones_are_new_events_after_the_clock_was_ahead(rig: Rig) -> None:
    rig.clock.now = NOW + 3 * DAY
    assert rig.poller("document_batches").poll()
    rig.ticks = lambda: 0.0
    rig.clock.now = NOW + 60
    rig.world.add("document_batches", document_batch("rb_new", NOW, destinations=FAILED))
    assert rig.poller("document_batches").poll()
    assert rig.events("document_batches")[FAILURES] == 1


def test_a_clock_that_has_leapt_is_logged_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(rig)
    machine.polls(2)
    with caplog.at_level(logging.WARNING):
        machine.polls(5, DAY)
    assert caplog.text.count("clock jumped") == 1


@pytest.mark.parametrize(
    ("clocks", "checkpoint", "expected"),
    [
        pytest.param(Clocks(NOW + 60, 110.0, "a"), Checkpoint(), Trusted(NOW + 60), id="first-poll"),
        pytest.param(Clocks(NOW + 61, 110.0, "a"), BEFORE, Trusted(NOW + 61), id="as-expected"),
        pytest.param(Clocks(NOW + DAY, 50.0 + DAY, "a"), BEFORE, Trusted(NOW + DAY), id="a-day-of-sleep"),
        pytest.param(Clocks(NOW + DAY, 110.0, "a"), BEFORE, Trusted(NOW + 60, 110.0), id="ahead"),
        pytest.param(Clocks(NOW - DAY, 110.0, "a"), BEFORE, Trusted(NOW + 60, 110.0), id="behind"),
        pytest.param(Clocks(NOW + DAY, 110.0, "b"), BEFORE, Trusted(NOW + DAY), id="another-boot"),
        pytest.param(Clocks(NOW + DAY, 10.0, "a"), BEFORE, Trusted(NOW + DAY), id="ticks-went-back"),
        pytest.param(
            Clocks(NOW + DAY, 110.0, "a"),
            Checkpoint(polled_at=NOW, ticks=50.0, boot="a", seen_newest=NOW + DAY + SLACK_SECONDS),
            Trusted(NOW + DAY),
            id="records-are-a-little-ahead-of-the-clock-that-was-behind",
        ),
        pytest.param(
            Clocks(NOW + DAY, 110.0, "a"),
            Checkpoint(polled_at=NOW, ticks=50.0, boot="a", seen_newest=NOW + 60 + SLACK_SECONDS),
            Trusted(NOW + 60, 110.0),
            id="records-are-a-little-ahead-of-the-time-that-has-passed",
        ),
        pytest.param(Clocks(NOW + DAY, 50.0, "a"), BEFORE, Trusted(NOW, 50.0), id="no-time-has-passed"),
        pytest.param(
            Clocks(NOW + DAY, BELIEVED_AFTER_SECONDS - 10, "a"),
            Checkpoint(polled_at=NOW, ticks=50.0, boot="a", leapt_at=60.0),
            Trusted(NOW + BELIEVED_AFTER_SECONDS - 60, 60.0),
            id="not-yet-for-good",
        ),
        pytest.param(
            Clocks(NOW + 60 + SLACK_SECONDS, 110.0, "a"), BEFORE, Trusted(NOW + 60 + SLACK_SECONDS), id="a-little"
        ),
        pytest.param(
            Clocks(NOW + DAY, 60.0 + BELIEVED_AFTER_SECONDS, "a"),
            Checkpoint(polled_at=NOW, ticks=50.0, boot="a", leapt_at=60.0),
            Trusted(NOW + DAY, 60.0),
            id="set-for-good",
        ),
        pytest.param(
            Clocks(NOW + DAY, 110.0, "a"),
            Checkpoint(polled_at=NOW, ticks=50.0, boot="a", seen_newest=NOW + DAY - 5),
            Trusted(NOW + DAY),
            id="records-show-that-it-was-behind",
        ),
    ],
)
def test_the_time_is_gone_by_that_has_passed(clocks: Clocks, checkpoint: Checkpoint, expected: Trusted) -> None:
    assert trusted(clocks, checkpoint) == expected


def test_the_ticks_are_of_this_start_of_the_machine() -> None:
    assert boot() == boot() != ""
