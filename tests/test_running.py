"""The threads: one for each poller, and what is said of them."""

import threading
import time
from collections.abc import Callable

import pytest

from exporter.demo import faults
from exporter.demo.items import document_batch
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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_poll_loop_that_has_died_is_not_healthy_and_the_others_go_on(rig: Rig) -> None:
    stop = threading.Event()
    rig.world.add("document_batches", document_batch("rb_1", NOW))
    broken, sound = rig.poller("invocations"), rig.poller("document_batches")
    broken._clock = None  # type: ignore[assignment]
    running = Running([broken, sound], stop)
    running.start()
    eventually(lambda: not running.healthy())
    eventually(lambda: sound.facts.up is True)
    stop.set()
