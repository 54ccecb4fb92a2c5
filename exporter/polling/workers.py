"""Make blocking calls in a few threads, for the tasks of the engine."""

import functools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from exporter.client import Stopping
from exporter.client.errors import no_thread
from exporter.client.runner import fulfill
from exporter.polling.admission import Admission
from exporter.polling.engine import Engine

_T = TypeVar("_T")
_Call = tuple[Callable[[], None], Callable[[], None]]
"""The function that a worker calls, and the one that the engine calls after it."""


class Workers:
    """Threads that make the calls of all accounts, fairly. Used in the engine only."""

    def __init__(self, engine: Engine, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow `most` calls at the same time. A thread is started when it is needed for the first time."""
        self.most = most
        self.turned_quick: Callable[[str], None] = lambda _: None
        """Called with an account whose calls end quickly and did not before."""
        self._engine = engine
        self._clock = clock
        self._admission: Admission[tuple[Future[Any], Callable[[], Any], bool]] = Admission(most)
        self._calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._threads = 0

    @property
    def busy(self) -> int:
        """The number of calls under way."""
        return self._admission.busy

    def is_quick(self, account: str) -> bool:
        """Return whether the calls of an account end quickly, as far as is known."""
        return self._admission.is_quick(account, self._clock())

    def remove(self, account: str) -> None:
        """Forget an account that is no longer polled, once none of its calls is left."""
        self._admission.remove(account)

    def call(self, account: str, function: Callable[[], _T], *, of_api: bool = True) -> "Future[_T]":
        """Have a function called in a thread, when it is its account's turn. `of_api`: whether it asks the API."""
        future: Future[_T] = Future()
        self._admission.ask(account, (future, function, of_api), self._clock())
        self._hand_out()
        return future

    def _hand_out(self) -> None:
        now = self._clock()
        while (taken := self._admission.take(now)) is not None:
            account, (future, function, of_api) = taken
            has_thread = self._has_thread()
            call = functools.partial(fulfill, future, function if has_thread else _no_thread)
            done = functools.partial(self._done, account, now, of_api and has_thread)
            if has_thread:
                self._calls.put((call, done))
            else:
                self._make(call, done)

    def _has_thread(self) -> bool:
        """Return whether there is a thread for one more call. One is started if all of them have calls."""
        if self._admission.busy > self._threads:
            # Daemons: a request may take until its deadline, and Python would wait for it at exit.
            thread = threading.Thread(target=self._run, name=f"GET {self._threads + 1}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # The system has no thread left. The call waits for an existing one; the next call tries again.
                return self._threads > 0
            self._threads += 1
        return True

    def _done(self, account: str, began: float, of_api: bool) -> None:
        now = self._clock()
        before = self._admission.is_quick(account, now)
        self._admission.done(account, began, now, of_api=of_api)
        self._hand_out()
        if not before and self._admission.is_quick(account, now):
            self.turned_quick(account)

    def _run(self) -> None:
        while True:
            # Nothing of a call is left here while the thread waits for the next: its answer may be large.
            self._make(*self._calls.get())

    def _make(self, call: Callable[[], None], done: Callable[[], None]) -> None:
        try:
            call()
        finally:
            self._engine.post(done)


def _no_thread() -> None:
    raise no_thread()


class AccountRunner:
    """The `client.Runner` of an account's polls: it waits in the engine, and calls in the workers' threads."""

    def __init__(self, engine: Engine, workers: Workers, account: str, over: threading.Event) -> None:
        """`over` is set once to end the account's polls."""
        self._engine = engine
        self._workers = workers
        self._account = account
        self._over = over

    def pause(self, seconds: float) -> bool:
        if seconds > 0 and not self._over.is_set():
            self._engine.pause(seconds)
        return self._over.is_set()

    def call(self, function: Callable[[], _T]) -> _T:
        return self._result_of(self._workers.call(self._account, function))

    def read(self, function: Callable[[], _T]) -> _T:
        return self._result_of(self._workers.call(self._account, function, of_api=False))

    def _result_of(self, future: "Future[_T]") -> _T:
        try:
            return self._engine.result(future)
        except Stopping:
            future.cancel()
            raise

    def start(self, function: Callable[[], _T]) -> "Future[_T]":
        future: Future[_T] = Future()
        self._engine.spawn(self._over, lambda: fulfill(future, function))
        return future

    def result(self, future: "Future[_T]") -> _T:
        return self._engine.result_of_others(future)
