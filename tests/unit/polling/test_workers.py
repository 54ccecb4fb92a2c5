"""Workers: as few threads as suffice, and what is known of an account's calls."""

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial

import pytest

from exporter.client import Stopping
from exporter.model.record import FetchError
from exporter.polling.engine import Engine
from exporter.polling.workers import AccountRunner, Workers
from tests.support.patience import GENEROUS

SLOW_SECONDS = 3.0


def ask(engine: Engine, function: Callable[[], object]) -> object:
    """Run a function in the engine."""
    return engine.submit("ask", function).result(GENEROUS)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    made.start()
    yield made
    assert made.stop(GENEROUS)


class Rig:
    """Workers whose clock stands still, but for the time that a call takes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = 0.0
        self.workers = Workers(engine, 4, lambda: self.now)
        self.quick: list[str] = []
        self.workers.turned_quick = self.quick.append
        self.over = threading.Event()

    def runner(self, account: str) -> AccountRunner:
        return AccountRunner(self.engine, self.workers, account, self.over)

    def call(self, account: str, function: Callable[[], object]) -> object:
        return self.engine.submit("test", lambda: self.runner(account).call(function)).result(GENEROUS)

    def takes(self, account: str, seconds: float) -> None:
        """Make a call that takes so long."""

        def call() -> None:
            self.now += seconds

        self.call(account, call)
        self.settle()

    def settle(self) -> None:
        """Wait until the engine knows that the call before has ended."""
        while self.ask(lambda: self.workers.busy):
            time.sleep(0.001)

    def ask(self, function: Callable[[], object]) -> object:
        return ask(self.engine, function)


@pytest.fixture
def rig(engine: Engine) -> Rig:
    return Rig(engine)


def test_calls_one_after_the_other_need_one_thread_which_ends_with_the_program(rig: Rig) -> None:
    threads = set()
    for _ in range(20):
        thread = rig.call("a", threading.current_thread)
        assert isinstance(thread, threading.Thread)
        threads.add((thread.name, thread.daemon))
        rig.settle()
    assert threads == {("GET 1", True)}


def test_a_call_for_which_the_system_has_no_thread_fails_and_keeps_none_of_the_next_ones_waiting(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        for _ in range(2):
            with pytest.raises(FetchError, match="no thread can be had to make the request in"):
                rig.call("a", lambda: 1)
    rig.settle()
    assert not rig.workers.is_quick("a")
    assert rig.call("a", lambda: 2) == 2


def test_a_call_for_which_the_system_has_no_further_thread_waits_for_those_that_there_are(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = threading.Event(), threading.Event()

    def slow() -> bool:
        begun.set()
        return end.wait(GENEROUS)

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    first = rig.engine.submit("test", lambda: rig.runner("a").call(slow))
    assert begun.wait(GENEROUS)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        second = rig.engine.submit("test", lambda: rig.runner("b").call(lambda: 2))
        rig.ask(lambda: None)
    end.set()
    assert (first.result(GENEROUS), second.result(GENEROUS)) == (True, 2)


def test_an_account_turns_quick_with_the_first_call_that_ends_soon_after_one_that_did_not(rig: Rig) -> None:
    for seconds, quick, turned in [
        (SLOW_SECONDS, False, []),
        (0.1, True, ["a"]),
        (0.1, True, ["a"]),
        (SLOW_SECONDS, False, ["a"]),
        (0.1, True, ["a", "a"]),
    ]:
        rig.takes("a", seconds)
        assert rig.ask(lambda: rig.workers.is_quick("a")) is quick
        assert rig.quick == turned


def test_a_file_that_is_read_quickly_makes_no_account_quick_whose_api_is_slow(rig: Rig) -> None:
    """A token in a file is read before each request."""

    def read(account: str) -> None:
        rig.engine.submit("test", lambda: rig.runner(account).read(lambda: None)).result(GENEROUS)
        rig.settle()

    read("new")
    assert not rig.workers.is_quick("new")
    rig.takes("a", SLOW_SECONDS)
    read("a")
    assert not rig.workers.is_quick("a")
    rig.takes("a", 0.1)
    read("a")
    assert rig.workers.is_quick("a")


def test_nothing_is_known_of_an_account_that_was_removed(rig: Rig) -> None:
    rig.takes("a", 0.1)
    rig.ask(lambda: rig.workers.remove("a"))
    assert rig.ask(lambda: rig.workers.is_quick("a")) is False


def test_a_worker_that_waits_holds_nothing_of_the_call_before(rig: Rig) -> None:
    def large() -> None:
        """Do nothing; a call may have a large answer."""

    reference = weakref.ref(large)
    rig.call("a", large)
    rig.settle()
    del large
    end = time.monotonic() + GENEROUS
    while reference() is not None and time.monotonic() < end:
        time.sleep(0.001)
    assert reference() is None


def test_what_an_account_started_ends_with_it(rig: Rig) -> None:
    runner = rig.runner("a")

    def start() -> "Future[bool]":
        return runner.start(lambda: runner.pause(1000.0))

    started = rig.ask(start)
    assert isinstance(started, Future)
    rig.ask(partial(rig.engine.end, rig.over))
    with pytest.raises(Stopping):
        started.result(GENEROUS)


def test_who_waits_for_what_it_started_is_not_at_work(rig: Rig) -> None:
    never: Future[None] = Future()
    runner = rig.runner("a")
    rig.ask(lambda: rig.engine.spawn("a", lambda: runner.result(never), kind="quick"))
    assert rig.ask(lambda: rig.engine.at_work("quick")) == 0


def test_a_pause_of_no_time_is_none() -> None:
    engine = Engine()
    runner = AccountRunner(engine, Workers(engine, 1), "a", threading.Event())
    assert runner.pause(0.0) is False


def test_calls_of_accounts_that_hang_leave_threads_to_those_that_do_not(engine: Engine) -> None:
    workers = Workers(engine, 4)
    over, hang = threading.Event(), threading.Event()
    runners = {name: AccountRunner(engine, workers, name, over) for name in ("quick", *map(str, range(20)))}

    def call(account: str, function: Callable[[], object]) -> Future[object]:
        return engine.submit(over, lambda: runners[account].call(function))

    assert call("quick", lambda: 1).result(GENEROUS) == 1
    hung = [call(str(number), lambda: hang.wait(GENEROUS)) for number in range(20)]
    for number in range(10):
        assert call("quick", partial(int, number)).result(GENEROUS) == number
    assert ask(engine, lambda: workers.busy) == 3
    hang.set()
    assert all(future.result(GENEROUS) for future in hung)


def test_a_call_that_nobody_waits_for_any_more_is_not_made(engine: Engine) -> None:
    workers = Workers(engine, 1)
    over, hang = threading.Event(), threading.Event()
    runner = AccountRunner(engine, workers, "a", over)
    made: list[str] = []
    first = engine.submit("kept", lambda: runner.call(lambda: hang.wait(GENEROUS)))
    second = engine.submit(over, lambda: runner.call(lambda: made.append("second")))
    ask(engine, lambda: engine.end(over))
    with pytest.raises(Stopping):
        second.result(GENEROUS)
    hang.set()
    assert first.result(GENEROUS)
    assert engine.submit("kept", lambda: runner.call(lambda: made)).result(GENEROUS) == []


def test_an_account_that_is_over_does_not_pause(engine: Engine) -> None:
    over = threading.Event()
    runner = AccountRunner(engine, Workers(engine, 1), "a", over)
    assert ask(engine, lambda: runner.pause(0.0)) is False
    over.set()
    assert ask(engine, lambda: runner.pause(1000.0)) is True
