"""Tasks that wait hold no thread, end where they wait, and keep nobody else waiting."""

import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from functools import partial

import pytest

from exporter.client import Stopping
from exporter.polling.engine import LONGEST_WAIT_SECONDS, STALL_SECONDS, Engine, Task

GENEROUS = 20.0


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    made.start()
    yield made
    assert made.stop(GENEROUS)


class Runner:
    """Runs functions as tasks and waits for them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __call__(self, function: Callable[[], object], owner: str = "test") -> object:
        return self.engine.submit(owner, function).result(GENEROUS)


def test_tasks_that_wait_for_each_other_run_in_one_thread(engine: Engine) -> None:
    first: Future[str] = Future()
    second: Future[str] = Future()
    steps: list[tuple[str, str]] = []

    def ask() -> None:
        first.set_result("ping")
        steps.append((engine.result(second), threading.current_thread().name))

    def answer() -> None:
        steps.append((engine.result(first), threading.current_thread().name))
        second.set_result("pong")

    for future in [engine.submit("b", answer), engine.submit("a", ask)]:
        future.result(GENEROUS)
    assert steps == [("ping", "polls"), ("pong", "polls")]


def test_a_task_that_pauses_goes_on_after_that_time_and_others_meanwhile(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.polling.engine.LONGEST_WAIT_SECONDS", 1000.0)
    order: list[str] = []

    def pause(seconds: float) -> None:
        engine.pause(seconds)
        order.append(str(seconds))

    for future in [engine.submit("test", partial(pause, seconds)) for seconds in (0.05, 0.02, 0.0)]:
        future.result(GENEROUS)
    assert order == ["0.0", "0.02", "0.05"]


def test_a_future_that_another_thread_fulfills_is_waited_for_and_its_error_raised(engine: Engine) -> None:
    future: Future[None] = Future()
    waiting = engine.submit("test", lambda: engine.result(future))
    threading.Thread(target=future.set_exception, args=(ValueError("no"),)).start()
    with pytest.raises(ValueError, match="no"):
        waiting.result(GENEROUS)


def test_tasks_of_an_owner_end_where_they_wait_before_anybody_goes_on(engine: Engine) -> None:
    ended: list[str] = []
    never: Future[None] = Future()

    def work(name: str, wait: Callable[[], object]) -> None:
        try:
            wait()
        finally:
            ended.append(name)

    def change() -> list[str]:
        engine.spawn("a", lambda: work("not begun", lambda: None))
        engine.end("a")
        return list(ended)

    waits: dict[str, Callable[[], object]] = {
        "pauses": lambda: engine.pause(1000),
        "waits": lambda: engine.result(never),
    }
    kept = engine.submit("b", lambda: engine.result(never))
    tasks = [engine.submit("a", partial(work, *item)) for item in waits.items()]
    assert Runner(engine)(change, "reload") == ["pauses", "waits"]
    for task in tasks:
        with pytest.raises(Stopping):
            task.result(GENEROUS)
    never.set_result(None)
    assert kept.result(GENEROUS) is None


def test_a_task_that_was_ended_cannot_wait_again(engine: Engine) -> None:
    tries: list[str] = []

    def stubborn() -> None:
        for _ in range(3):
            try:
                engine.pause(1000)
            except Stopping:
                tries.append("stopped")

    task = engine.submit("a", stubborn)
    Runner(engine)(lambda: engine.end("a"), "reload")
    assert task.result(GENEROUS) is None
    assert tries == ["stopped"] * 3


def test_an_error_of_a_task_is_logged_and_ends_nothing_else(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    def spawn() -> None:
        engine.spawn("test", lambda: 1 // 0)

    run = Runner(engine)
    run(spawn)
    assert run(lambda: "alive") == "alive"
    assert "ZeroDivisionError" in caplog.text
    assert engine.alive


def test_when_the_engine_stops_its_tasks_end_and_what_is_asked_for_later_is_canceled() -> None:
    engine = Engine()
    engine.start()
    task = engine.submit("a", lambda: engine.pause(1000))
    Runner(engine)(lambda: None)
    assert engine.stop(GENEROUS)
    with pytest.raises(Stopping):
        task.result(GENEROUS)
    with pytest.raises(CancelledError):
        engine.submit("a", lambda: None).result(GENEROUS)
    assert not engine.alive


def test_idle_tasks_are_not_at_work(engine: Engine) -> None:
    run = Runner(engine)
    never: Future[None] = Future()

    def spawn() -> None:
        engine.spawn("a", lambda: engine.pause(1000), kind="quick")
        engine.spawn("a", lambda: engine.result(never), kind="quick")
        engine.spawn("a", lambda: engine.result_of_others(never), kind="quick")
        engine.spawn("a", lambda: None, kind="quick")

    run(spawn)
    assert run(lambda: engine.at_work("quick"), "last") == 1

    def release() -> int:
        never.set_result(None)
        return engine.at_work("quick")

    assert run(release, "last") == 2, "who is due is at work, though it has not gone on yet"
    run(lambda: engine.end("a"), "reload")
    assert engine.at_work("quick") == 0


def test_a_task_has_the_kind_of_the_one_that_spawned_it(engine: Engine) -> None:
    run = Runner(engine)
    never: Future[None] = Future()
    run(lambda: engine.spawn("a", lambda: engine.spawn("a", lambda: engine.result(never)), kind="quick"))
    assert run(lambda: engine.at_work("quick"), "last") == 1


def test_who_holds_a_task_that_has_ended_does_not_hold_its_function(engine: Engine) -> None:
    held: list[Task] = []

    def large() -> None:
        """Do nothing; a function may have a large answer."""

    run = Runner(engine)
    reference = weakref.ref(large)
    run(partial(lambda function: held.append(engine.spawn("a", function)), large))
    run(lambda: None)
    del large
    assert held[0].ended.done()
    assert reference() is None


def test_what_a_task_submits_while_the_engine_stops_is_canceled() -> None:
    engine = Engine()
    engine.start()
    late: list[Future[None]] = []

    def work() -> None:
        try:
            engine.pause(1000)
        finally:
            late.append(engine.submit("a", lambda: None))

    engine.submit("a", work)
    Runner(engine)(lambda: None)
    assert engine.stop(GENEROUS)
    assert late[0].cancelled()


def test_an_engine_that_stood_still_says_for_how_long() -> None:
    leap = [0.0]
    engine = Engine(lambda: leap[0])
    told: queue.SimpleQueue[float] = queue.SimpleQueue()
    engine.held_up = told.put
    engine.start()

    def stand_still(seconds: float) -> None:
        leap[0] += seconds

    run = Runner(engine)
    run(lambda: stand_still(STALL_SECONDS))
    run(lambda: stand_still(60.0))
    assert told.get(timeout=GENEROUS) == pytest.approx(60.0)
    assert engine.stop(GENEROUS)
    assert told.empty()


def test_an_engine_that_waits_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.polling.engine.LONGEST_WAIT_SECONDS", 1000.0)
    engine = Engine()
    engine.start()
    Runner(engine)(lambda: None)
    assert engine.stop(GENEROUS)


def test_an_engine_looks_at_the_clock_though_its_waits_stand_still_with_the_machine() -> None:
    leap = [0.0]
    engine = Engine(lambda: leap[0])
    engine.start()
    paused = engine.submit("a", lambda: engine.pause(1000.0))
    Runner(engine)(lambda: None)
    leap[0] = 1000.0
    assert paused.result(GENEROUS) is None
    assert engine.stop(GENEROUS)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_that_has_broken_cancels_what_is_asked_for() -> None:
    engine = Engine()
    before: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()

    def fill() -> None:
        before.put(engine.submit("a", lambda: None))
        raise ValueError("a bug")

    engine.fill = fill
    engine.start()
    for asked in (before.get(timeout=GENEROUS), engine.submit("a", lambda: None)):
        with pytest.raises(CancelledError):
            asked.result(GENEROUS)
    assert engine.stop(GENEROUS)


def test_an_engine_whose_wait_lasted_too_long_stood_still() -> None:
    leap = [0.0]
    engine = Engine(lambda: leap[0])
    told: queue.SimpleQueue[float] = queue.SimpleQueue()
    engine.held_up = told.put
    engine.start()
    Runner(engine)(lambda: None)
    end = time.monotonic() + GENEROUS
    while told.empty() and time.monotonic() < end:
        # Again, as the first one may meet the engine between two waits.
        leap[0] += 60.0
        time.sleep(0.1)
    assert told.get(timeout=0) > 60.0 - LONGEST_WAIT_SECONDS - 0.001
    assert engine.stop(GENEROUS)


def test_an_engine_that_was_not_started_ends() -> None:
    assert Engine().stop(GENEROUS)


def test_what_is_due_is_begun_while_nothing_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.polling.engine.LONGEST_WAIT_SECONDS", 1000.0)
    engine = Engine()
    times = iter([0.0, None])
    filled = threading.Event()

    def fill() -> float | None:
        due = next(times, None)
        if due is None:
            filled.set()
        return due

    engine.fill = fill
    engine.start()
    assert filled.wait(GENEROUS)
    assert engine.stop(GENEROUS)


def test_a_task_whose_result_came_in_the_engine_goes_on_before_further_results_come(engine: Engine) -> None:
    seen: list[str] = []
    results: list[Future[None]] = [Future() for _ in range(5)]
    waiting: Future[None] = Future()

    def make(number: int) -> None:
        seen.append(f"made {number}")
        results[number].set_result(None)

    def want(number: int) -> None:
        if number == len(results) - 1:
            waiting.set_result(None)
        engine.result(results[number])
        seen.append(f"used {number}")

    def make_all() -> None:
        for number in range(len(results)):
            engine.spawn("maker", partial(make, number))

    used = [engine.submit("user", partial(want, number)) for number in range(len(results))]
    waiting.result(GENEROUS)
    engine.submit("maker", make_all)
    for future in used:
        future.result(GENEROUS)
    assert seen == [f"{step} {number}" for number in range(len(results)) for step in ("made", "used")]
