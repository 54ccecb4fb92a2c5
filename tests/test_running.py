"""The threads: one for each poller, and what is said of them."""

import threading
import time
from collections.abc import Callable

import pytest

from exporter.demo import faults
from exporter.demo.items import document_batch
from exporter.records import Reason
from exporter.running import Running
from tests.rig import NOW, Rig


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline


def test_it_is_ready_once_every_window_has_been_read_and_healthy_all_the_while(rig: Rig) -> None:
    stop = threading.Event()
    rig.stand_in.faults.add(faults.status(401), path="/invoke", times=1)
    pollers = [rig.poller("document_batches"), rig.poller("invocations")]
    running = Running(pollers, stop)
    running.start()
    eventually(lambda: bool(pollers[1].facts.poll_errors) and pollers[0].facts.up is True)
    assert running.healthy()
    assert not running.ready()
    assert pollers[1].poll()
    assert running.ready()
    stop.set()


def test_collectors_are_on_the_board_before_their_first_poll(rig: Rig) -> None:
    stop = threading.Event()
    rig.stand_in.faults.add(faults.hang())
    Running([rig.poller("document_batches")], stop).start()
    assert [one.collector for one in rig.board.snapshot.collectors] == ["document_batches"]
    stop.set()


def test_a_mistake_of_ours_is_a_failed_poll_and_the_next_one_tries_again(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW))
    poller = rig.poller("document_batches")
    right = poller._clock
    poller._clock = None  # type: ignore[assignment]
    assert not poller.poll()
    assert poller.facts.poll_errors == {Reason.INTERNAL: 1}
    assert "a mistake in the exporter" in caplog.text
    poller._clock = right
    assert poller.poll()
    assert poller.facts.up is True


def test_a_poll_loop_that_has_ended_is_not_healthy(rig: Rig) -> None:
    stop = threading.Event()
    running = Running([rig.poller("invocations")], stop)
    running.start()
    assert running.healthy()
    stop.set()
    eventually(lambda: not running.healthy())
