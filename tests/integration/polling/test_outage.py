"""An API that is down is asked little, the log says so once, and no time is lost when it is back."""

import logging
import threading
from pathlib import Path
from typing import cast

import pytest

from exporter.config.token import Token, TokenError
from exporter.demo.faults import Fault, ListFaults
from exporter.demo.items import Kind, document_batch
from exporter.exposition.status import CollectorStatus
from exporter.model.record import FetchError, Reason
from exporter.polling.poller import Poller
from exporter.polling.scheduler import Scheduler
from tests.support import faults
from tests.support.driving import drive
from tests.support.patience import GENEROUS, eventually
from tests.support.rig import HOUR, NOW, TOKEN, Rig, client

BACKOFF = "batch_exporter_poll_backoff_seconds"


def run(rig: Rig, poller: Poller, seconds: float) -> int:
    """Let a poller have its turns for so long. Return how many requests it made."""
    rig.mock_api.requests.clear()
    until = rig.clock.now + seconds

    def wait(pause: float) -> bool:
        rig.clock.now += pause
        return rig.clock.now >= until

    drive(poller, wait, rig.clock)
    return len(rig.mock_api.requests)


def backoff(rig: Rig) -> float:
    """Return the backoff that the last snapshot shows."""
    [made] = rig.store.snapshot.collectors
    return float(made.status_gauges[BACKOFF].text.split()[-1])


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(500),
        faults.status(401),
        faults.status(429),
        faults.html(),
        faults.html(502),
        faults.reset(),
        faults.empty(),
    ],
    ids=["500", "401", "429", "html", "html-502", "reset", "empty"],
)
def test_a_dead_api_gets_less_than_half_of_the_requests_of_good_days(rig: Rig, fault: Fault) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW))
    poller = rig.poller("document_batches")
    good = run(rig, poller, HOUR)
    rig.mock_api.faults.add(fault)
    assert run(rig, poller, HOUR) <= good / 2
    assert run(rig, poller, HOUR) <= good / 4
    assert 0 < backoff(rig) <= 240


def test_in_a_long_outage_a_poll_is_one_request_until_there_is_an_answer(rig: Rig) -> None:
    poller = rig.poller("document_batches")
    rig.mock_api.faults.add(faults.status(503))
    costs = []
    for _ in range(5):
        rig.mock_api.requests.clear()
        assert not poller.poll()
        costs.append(len(rig.mock_api.requests))
    assert costs == [3, 3, 3, 1, 1]
    rig.mock_api.faults.clear()
    assert poller.poll()
    assert poller.recovered
    rig.mock_api.faults.add(faults.status(503), times=2)
    assert poller.poll()
    assert not poller.recovered


def test_one_answer_before_a_failure_ends_a_long_silence_for_others_as_well(rig: Rig) -> None:
    for number in range(250):
        rig.world.add("document_batches", document_batch(f"rb_{number}", NOW - number))
    poller = rig.poller("document_batches")
    rig.mock_api.faults.add(faults.status(503))
    for _ in range(5):
        assert not poller.poll()
        assert not poller.recovered
    rig.mock_api.faults.clear()
    rig.fail_after(1)
    assert not poller.poll()
    assert poller.recovered
    assert poller.wait == 0


@pytest.mark.parametrize("broken", ["wrong", "missing"])
def test_a_token_that_is_mended_in_its_file_is_tried_within_an_interval(rig: Rig, tmp_path: Path, broken: str) -> None:
    file = tmp_path / "token"
    token = Token(file)

    def read() -> str:
        try:
            return token.read()
        except TokenError as error:
            raise FetchError(Reason.AUTH, str(error)) from None

    file.write_text(TOKEN)
    poller = rig.poller("document_batches", asking=client(rig.mock_api.url, token=read), token_stamp=token.stamp)
    good = run(rig, poller, HOUR)
    if broken == "wrong":
        file.write_text("another-token")
    else:
        file.unlink()
    run(rig, poller, HOUR)
    assert run(rig, poller, HOUR) <= good / 4, "it is looked at, and not sent"
    assert poller.status.reason is Reason.AUTH
    start, polled = rig.clock.now, []

    def wait(pause: float) -> bool:
        before, after = rig.clock.now - start, rig.clock.now - start + pause
        rig.clock.now += pause
        for at, text in ((500.0, "still-another-token"), (1000.0, TOKEN)):
            if before < at <= after:
                file.write_text(text)
        polled.append((after, len(rig.mock_api.requests), poller.status.up))
        return after >= 1500

    rig.mock_api.requests.clear()
    drive(poller, wait, rig.clock)
    assert next(at for at, _, up in polled if up) <= 1061 + 60
    before, soon = (max(count for at, count, _ in polled if at <= until) for until in (500, 570))
    assert soon > before, "another wrong token is tried as well"


def test_when_the_api_is_back_polls_are_in_step_again(rig: Rig) -> None:
    poller = rig.poller("document_batches")
    assert poller.poll()
    assert backoff(rig) == 0
    rig.mock_api.faults.add(faults.status(500))
    run(rig, poller, HOUR)
    rig.mock_api.faults.clear()
    run(rig, poller, 301)
    assert backoff(rig) == 0
    assert run(rig, poller, 600) == 10


def test_a_backfill_that_gets_on_at_each_poll_is_not_slowed_down(rig: Rig) -> None:
    for number in range(1000):
        rig.world.add("document_batches", document_batch(f"rb_{number}", NOW - number))
    read = 0

    def fail(_: Kind, number: int) -> None:
        nonlocal read
        read += 1
        if number > 1 and read % 3 == 0:
            rig.mock_api.faults.add(faults.status(500), times=3)

    rig.mock_api.faults.list_faults = ListFaults(before_page=fail)
    poller = rig.poller("document_batches")
    for _ in range(6):
        poller.poll()
        assert poller.wait == 0


def test_a_long_outage_is_a_line_an_hour_and_one_when_it_ends(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    poller = rig.poller("document_batches")
    rig.mock_api.faults.add(faults.status(500))
    with caplog.at_level(logging.INFO, logger="exporter.polling.poll_log"):
        run(rig, poller, 3 * HOUR)
        failed = [record for record in caplog.records if record.getMessage() == "poll failed"]
        assert 3 <= len(failed) <= 4
        polls = sum(int(getattr(record, "polls", 1)) for record in failed)
        assert 30 < polls < 180 / 2
        rig.mock_api.faults.clear()
        rig.mock_api.faults.add(faults.status(401), times=1)
        assert not poller.poll()
        assert caplog.records[-1].getMessage() == "poll failed", "another reason is logged at once"
        assert poller.poll()
        assert caplog.records[-1].getMessage() == "recovered"
        rig.mock_api.faults.add(faults.status(401), times=1)
        assert not poller.poll()
        assert caplog.records[-1].getMessage() == "poll failed"


def test_at_level_debug_each_poll_is_told(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    poller = rig.poller("document_batches")
    rig.mock_api.faults.add(faults.status(401))
    with caplog.at_level(logging.DEBUG, logger="exporter.polling.poll_log"):
        for _ in range(3):
            poller.poll()
    told = [record.getMessage() for record in caplog.records if record.name == "exporter.polling.poll_log"]
    assert told == ["poll failed", "polled"] * 3


class Polled:
    """A poller whose first poll may have ended a long outage, and whose next one is far away."""

    def __init__(self, collector: str, interval: float, recovered: bool) -> None:
        self.id = "prod", collector
        self.status = CollectorStatus("prod", "inkit", collector)
        self.interval = interval
        self.recovered = recovered
        self.wait = 5000.0
        self.polls = 0

    def poll(self) -> None:
        self.polls += 1

    def next_change(self) -> None:
        """Nothing rises."""


def test_what_one_collector_finds_out_the_others_of_the_account_find_out_within_an_interval() -> None:
    scheduler = Scheduler()
    others = [Polled("invocations", 5000, False), Polled("workflow_batches", 5000, False)]
    first = Polled("document_batches", 0.5, True)
    over = threading.Event()
    scheduler.engine.start()
    try:
        added = cast("list[Poller]", [*others, first])
        scheduler.engine.submit(over, lambda: scheduler.add(added, lambda _: over)).result(GENEROUS)
        eventually(lambda: all(each.polls == 2 for each in others))
        assert first.polls == 1
    finally:
        scheduler.engine.stop(GENEROUS)


def test_a_collector_that_was_not_silent_is_not_polled_early_when_another_one_recovers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its interval may be long because its polls are expensive, and another list may fail again and again."""
    scheduler = Scheduler()
    costly, silent = Polled("invocations", 5000, False), Polled("workflow_batches", 5000, False)
    costly.wait = 0.0
    first = Polled("document_batches", 0.5, True)
    over = threading.Event()
    scheduler.engine.start()
    try:
        added = cast("list[Poller]", [costly, silent, first])
        scheduler.engine.submit(over, lambda: scheduler.add(added, lambda _: over)).result(GENEROUS)
        eventually(lambda: silent.polls == 2)
        with caplog.at_level(logging.INFO, logger="exporter.polling.scheduler"):
            scheduler.log_all()
            eventually(lambda: len(caplog.records) == 4)
        due_in = {vars(record).get("collector"): vars(record).get("due_in", 0.0) for record in caplog.records}
        assert due_in["invocations"] > 1000
        assert costly.polls == 1
    finally:
        scheduler.engine.stop(GENEROUS)
