"""Run polls in one thread: a poll that waits, for its turn or for an answer, is set aside and holds no thread.

A poll is plain code that runs as a greenlet. Where it waits, the engine goes on with another one. So the code of polls
and of the state runs one piece at a time, and is interrupted only in `Engine.pause` and `Engine.result`.
"""

import heapq
import itertools
import logging
import queue
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from greenlet import getcurrent, greenlet

from exporter.client import Stopping
from exporter.client.runner import fulfill
from exporter.exposition.boot_clock import ticks as boot_ticks

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 1.0
"""The longest wait. `ticks` counts suspension and the system's waits do not, so the clock is checked this often."""

STALL_SECONDS = 5.0
"""The engine was held up if a wait or a step takes this much longer: the process or the machine stood still."""

_T = TypeVar("_T")


class Task(greenlet):
    """A function that runs in the engine and may wait there."""

    def __init__(
        self,
        hub: greenlet,
        owner: Hashable,
        kind: Hashable,
        function: Callable[[], Any],
        forget: Callable[["Task"], None],
    ) -> None:
        """`forget` is called when the task has ended."""
        super().__init__(parent=hub)
        self.owner = owner
        self.kind = kind
        self.ended: Future[None] = Future()
        self._function: Callable[[], Any] | None = function
        self._forget = forget
        self._stopped = False

    def run(self) -> None:
        """Run the function. An error of it is a bug of ours, and does not end the engine."""
        try:
            if not self._stopped and self._function is not None:
                self._function()
        except Stopping:
            pass
        except Exception:
            log.exception("internal error")
        finally:
            # It may hold a large answer, and whoever holds the task must not hold that.
            self._function = None
            self._forget(self)
            self.ended.set_result(None)

    def wait(self, arrange: Callable[[Callable[[], None]], None]) -> None:
        """Set the task aside until the function that `arrange` gets is called, once, in the hub. Raises Stopping."""
        arrange(self.resume)
        self._check()
        cast("greenlet", self.parent).switch()
        self._check()

    def resume(self) -> None:
        """Go on, if the task has not ended. Called in the hub.

        Two calls can't meet in one wait: only `stop` cuts a wait short, and a task that was stopped waits no more.
        """
        if not self.dead:
            self.switch()

    def stop(self) -> None:
        """Let the present wait, and every further one, raise Stopping. The task has to be resumed."""
        self._stopped = True

    def _check(self) -> None:
        if self._stopped:
            raise Stopping


class Engine:
    """A thread that runs tasks."""

    def __init__(self, ticks: Callable[[], float] = boot_ticks) -> None:
        self.fill: Callable[[], float | None] = lambda: None
        """Called in the engine whenever something has happened. It may spawn tasks, and returns when it is due again,
        in seconds of `ticks`."""
        self.held_up: Callable[[float], None] = lambda _: None
        """Called in the engine with the seconds for which it stood still."""
        self._ticks = ticks
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        """Functions to call next. Any thread may add one."""
        self._first: deque[Callable[[], None]] = deque()
        """Functions to call before those: they resume tasks whose result arrived in the engine itself."""
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._tasks: dict[Task, None] = {}
        self._begun: Counter[Hashable] = Counter()
        """How many tasks have not ended, by kind."""
        self._idle: defaultdict[Hashable, set[Task]] = defaultdict(set)
        """The tasks that wait for time to pass or for other tasks, by kind. Any thread may take one out."""
        self._over = self._ended = False
        self._thread = threading.Thread(target=self._run, name="polls", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def at_work(self, kind: Hashable) -> int:
        """Return how many tasks of a kind have not ended and are not idle."""
        return self._begun[kind] - len(self._idle[kind])

    def tasks_of(self, owner: Hashable) -> list[Task]:
        """Return the tasks of an owner that have not ended."""
        return [task for task in self._tasks if task.owner == owner]

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """End all tasks and the thread. Return False if that takes longer than so many seconds."""
        self._over = True
        self.post(lambda: None)
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self.alive

    def post(self, function: Callable[[], None]) -> None:
        """Have the engine call a function that does not wait. Any thread may call this."""
        self._inbox.put(function)

    def submit(self, owner: Hashable, function: Callable[[], _T]) -> "Future[_T]":
        """Run a function as a task. Any thread may call this. The future is canceled if the engine has ended."""
        future: Future[_T] = Future()

        def begin() -> None:
            if self._over:
                future.cancel()
            else:
                self.spawn(owner, lambda: fulfill(future, function))

        self.post(begin)
        if self._ended:
            future.cancel()
        return future

    def spawn(self, owner: Hashable, function: Callable[[], Any], kind: Hashable = None) -> Task:
        """Run a function as a task, soon. Its kind is by default that of the current task. Called in the engine."""
        current = getcurrent()
        hub = cast("greenlet", current.parent) if isinstance(current, Task) else current
        if isinstance(current, Task) and kind is None:
            kind = current.kind
        task = Task(hub, owner, kind, function, self._forget)
        self._tasks[task] = None
        self._begun[kind] += 1
        self.post(task.resume)
        return task

    def end(self, owner: Hashable) -> None:
        """End the tasks of an owner where they wait, and wait until they have ended. Called in another owner's task."""
        ending = self.tasks_of(owner)
        for task in ending:
            task.stop()
            self.post(task.resume)
        for task in ending:
            self.result(task.ended)

    def pause(self, seconds: float) -> None:
        """Set the current task aside, idle, for so many seconds. Raises Stopping if it must end."""
        with self._as_idle() as task:
            task.wait(lambda resume: self.after(seconds, resume))

    def result(self, future: "Future[_T]") -> _T:
        """Set the current task aside until a future is done. Return or raise what it holds, or raise Stopping."""
        if not future.done():
            task = cast("Task", getcurrent())
            task.wait(lambda resume: future.add_done_callback(lambda _: self._go_on(resume)))
        return future.result()

    def _go_on(self, resume: Callable[[], None]) -> None:
        """Resume a task whose result has come.

        A decoded answer may have megabytes, and no longer counts as under way. Behind others that are to be decoded,
        it would wait together with them.
        """
        if threading.current_thread() is self._thread:
            self._first.append(resume)
        else:
            self.post(resume)

    def wait(self, future: "Future[_T]") -> _T:
        """Do as `result` in a task; in another thread, block until the future is done."""
        return self.result(future) if isinstance(getcurrent(), Task) else future.result()

    def result_of_others(self, future: "Future[_T]") -> _T:
        """Do as `result`, for a future that other tasks bring about: the current one is idle until then."""
        with self._as_idle() as task:
            # No longer idle once it is due, though others may have to end their steps before it goes on.
            future.add_done_callback(lambda _: self._idle[task.kind].discard(task))
            return self.result(future)

    @contextmanager
    def _as_idle(self) -> Iterator[Task]:
        task = cast("Task", getcurrent())
        self._idle[task.kind].add(task)
        try:
            yield task
        finally:
            self._idle[task.kind].discard(task)

    def _forget(self, task: Task) -> None:
        del self._tasks[task]
        self._begun[task.kind] -= 1

    def after(self, seconds: float, function: Callable[[], None]) -> None:
        """Have a function called that does not wait, in so many seconds. Called in the engine."""
        heapq.heappush(self._timers, (self._ticks() + seconds, next(self._numbers), function))

    def _run(self) -> None:
        try:
            while not self._over:
                self._step()
        finally:
            self._over = True
            for task in list(self._tasks):
                task.stop()
                task.resume()
            self._ended = True
            while function := self._next(0.0):
                function()

    def _step(self) -> None:
        """Do what is due, or wait for it."""
        due = self.fill()
        now = self._ticks()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        nearest = [self._timers[0][0]] if self._timers else []
        nearest += [] if due is None else [due]
        until = max(now, min([*nearest, now + LONGEST_WAIT_SECONDS]))
        function = self._next(until - now)
        woken = self._ticks()
        if function is not None:
            function()
        stood = max(woken - until, self._ticks() - woken)
        if stood > STALL_SECONDS:
            self.held_up(stood)

    def _next(self, timeout: float) -> Callable[[], None] | None:
        if self._first:
            return self._first.popleft()
        try:
            return self._inbox.get(timeout=timeout)
        except queue.Empty:
            return None
