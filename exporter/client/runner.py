"""How a client waits and makes blocking calls: in plain threads here; polls do it on the engine of `polling`."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class Runner(Protocol):
    """Waits, and runs what blocks."""

    def pause(self, seconds: float) -> bool:
        """Wait. Return whether the program is stopping."""

    def call(self, function: Callable[[], _T]) -> _T:
        """Run a function that may block. Return or raise what it does; raise Stopping if the caller must end."""

    def read(self, function: Callable[[], _T]) -> _T:
        """Do as `call`, for a function that reads a file: how long it takes says nothing about an API."""

    def start(self, function: Callable[[], _T]) -> "Future[_T]":
        """Run a function beside the caller. It may use the runner itself."""

    def result(self, future: "Future[_T]") -> _T:
        """Wait for a future. Return or raise what it holds; raise Stopping if the caller must end."""


class ThreadRunner:
    """Blocks the thread of the caller, and starts a thread for each function beside it."""

    def __init__(self, wait: Callable[[float], bool]) -> None:
        """`wait` sleeps for some seconds and returns True if the program is stopping meanwhile."""
        self.pause = wait

    def call(self, function: Callable[[], _T]) -> _T:
        return function()

    def read(self, function: Callable[[], _T]) -> _T:
        return function()

    def start(self, function: Callable[[], _T]) -> "Future[_T]":
        future: Future[_T] = Future()
        # Not an executor: Python waits for its threads at exit, and a request may take until its deadline.
        threading.Thread(target=fulfill, args=(future, function), name="GET", daemon=True).start()
        return future

    def result(self, future: "Future[_T]") -> _T:
        return future.result()


def fulfill(future: "Future[_T]", function: Callable[[], _T]) -> None:
    """Run a function, unless its future was canceled, and put what it returns or raises into the future."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        value = function()
    except BaseException as error:
        future.set_exception(error)
        if not isinstance(error, Exception):
            raise
    else:
        future.set_result(value)


class Gate:
    """Lets a number of callers in at the same time, and the others in the order in which they came.

    It waits with the caller's runner. It needs no lock: taking from a list is atomic. An empty deque would take more
    memory, and every account has two gates.
    """

    def __init__(self, places: int) -> None:
        self._free = [None] * places
        self._waiting: list[Future[None]] = []

    @contextmanager
    def entered(self, result: Callable[["Future[None]"], None] = Future.result) -> Iterator[None]:
        """Wait for a place and hold it. `result` waits for a future. Raises what `result` raises."""
        turn: Future[None] = Future()
        self._waiting.append(turn)
        self._let_in()
        try:
            result(turn)
            yield
        finally:
            # A caller that gives up before its turn holds no place.
            if not turn.cancel():
                self._free.append(None)
                self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            try:
                place = self._free.pop()
            except IndexError:
                return
            try:
                turn = self._waiting.pop(0)
            except IndexError:
                self._free.append(place)
                continue
            if turn.set_running_or_notify_cancel():
                turn.set_result(None)
            else:
                self._free.append(place)
