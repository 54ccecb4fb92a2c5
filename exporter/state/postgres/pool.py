"""Execute statements in threads, each with a connection of its own, so that a poll never waits in a system call.

libpq has no deadline for a statement. One thread looks after all others, and shuts the socket of a call that takes too
long.
"""

import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import psycopg

from exporter.model.record import StateError
from exporter.state.postgres.errors import closed, hanging, unavailable, understood

Connection = psycopg.Connection[tuple[Any, ...]]
_T = TypeVar("_T")

CALL_SECONDS = 4.0
"""How long a call may take before its connection is cut."""
_GRACE_SECONDS = 1.0
"""How long a cut call may take to end before its caller gets the error: resolving a name can't be cut."""
_LOOK_SECONDS = 0.1
"""How often the calls are looked at."""
_PAUSE_SECONDS = 1.0
"""How long no connection is tried after one could not be opened: calls that wait fail with the same error."""
_CLOSE_SECONDS = 0.5
"""How long closing waits for the threads."""


class _Call:
    """A function to be called with a connection, and where its result goes."""

    def __init__(self, function: Callable[[Connection], Any], seconds: float) -> None:
        self.function = function
        self.seconds = seconds
        self.future: Future[Any] = Future()
        self.cut = False

    def succeed(self, value: object) -> None:
        with contextlib.suppress(InvalidStateError):
            self.future.set_result(value)

    def fail(self, error: BaseException) -> None:
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(error)


class _Line:
    """A second descriptor of a connection's socket. It is closed when nobody refers to it any more.

    So the number of the descriptor can't belong to another file while the socket is shut.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)

    def shut(self) -> None:
        borrowed = socket.socket(fileno=self._descriptor)
        try:
            with contextlib.suppress(OSError):
                borrowed.shutdown(socket.SHUT_RDWR)
        finally:
            borrowed.detach()

    def __del__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            os.close(self._descriptor)


class Pool:
    """Threads with connections to one database."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        place: str,
        size: int = 4,
        seconds: float = CALL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        observe: Callable[[float], None] | None = None,
    ) -> None:
        """Start the threads. A connection is opened by `connect` when a call needs one, and after an error again.

        `place` names the database in messages. `seconds` is the longest time of a call. `connect` must end by itself.
        `observe` is called with the seconds from each `submit` until its result, in any thread.
        """
        # Its messages name users and quote what the server says.
        logging.getLogger("psycopg").setLevel(logging.CRITICAL)
        self._connect = connect
        self._place = place
        self._seconds = seconds
        self._clock = clock
        self._observe = observe
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._pause: tuple[float, StateError] | None = None
        self._end = threading.Event()
        self._workers = [_Worker(self, number) for number in range(size)]
        self._watchman = _started(self._watch, "state watch")

    def submit(self, function: Callable[[Connection], _T], seconds: float | None = None) -> "Future[_T]":
        """Call a function with a connection in autocommit. Its future raises StateError instead of psycopg's errors.

        `seconds` replaces the longest time of a call, for work that takes long.
        """
        call = _Call(function, self._seconds if seconds is None else seconds)
        if self._observe is not None:
            self._time(call.future, self._observe)
        self._calls.put(call)
        if self._end.is_set():
            call.fail(closed(self._place))
        return call.future

    def close(self) -> None:
        """End in less than a second: calls under way and calls that wait raise StateError."""
        if self._end.is_set():
            return
        self._end.set()
        self._drop_waiting()
        until = time.monotonic() + _CLOSE_SECONDS
        for worker in self._workers:
            worker.abort(closed(self._place))
            self._calls.put(None)
        for thread in (self._watchman, *(worker.thread for worker in self._workers)):
            thread.join(max(0.0, until - time.monotonic()))

    def _time(self, future: "Future[Any]", observe: Callable[[float], None]) -> None:
        started = self._clock()
        future.add_done_callback(lambda _: observe(self._clock() - started))

    def _drop_waiting(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                call = self._calls.get_nowait()
                if call is not None:
                    call.fail(closed(self._place))

    def _watch(self) -> None:
        while not self._end.wait(_LOOK_SECONDS):
            now = self._clock()
            for worker in self._workers:
                worker.look(now)

    # What the workers use.

    def next_call(self) -> _Call | None:
        call = self._calls.get()
        if self._end.is_set():
            if call is not None:
                call.fail(closed(self._place))
            return None
        return call

    def deadline(self, call: _Call) -> float:
        return self._clock() + call.seconds

    def late(self, call: _Call) -> StateError:
        return hanging(self._place, call.seconds)

    def meaning(self, call: _Call, error: Exception) -> Exception:
        if self._end.is_set():
            return closed(self._place)
        if call.cut:
            return self.late(call)
        return understood(self._place, error) or error

    def opened(self) -> Connection:
        """Open a connection. Raises StateError, at once while the last attempt has just failed."""
        pause = self._pause
        if pause is not None and self._clock() < pause[0]:
            error = pause[1]
            raise StateError(str(error), passing=error.passing, reason=error.reason)
        try:
            connection = self._connect()
        except StateError as error:
            meant = error
        except Exception as error:
            found = unavailable(self._place, error)
            if found is None:
                raise
            meant = found
        else:
            self._pause = None
            return connection
        self._pause = (self._clock() + _PAUSE_SECONDS, meant)
        raise meant


class _Worker:
    """One thread with one connection."""

    def __init__(self, pool: Pool, number: int) -> None:
        self._pool = pool
        self._connection: Connection | None = None
        self._line: _Line | None = None
        self._busy: tuple[_Call, float] | None = None
        self.thread = _started(self._run, f"state {number + 1}")

    def look(self, now: float) -> None:
        """Cut a call that takes too long. Called from the thread that watches."""
        busy = self._busy
        if busy is None or now < busy[1]:
            return
        call, deadline = busy
        if not call.cut:
            call.cut = True
            self._shut()
        elif now >= deadline + _GRACE_SECONDS:
            call.fail(self._pool.late(call))

    def abort(self, error: StateError) -> None:
        """End the call under way with this error."""
        busy = self._busy
        if busy is not None:
            self._shut()
            busy[0].fail(error)

    def _shut(self) -> None:
        line = self._line
        if line is not None:
            line.shut()

    def _run(self) -> None:
        while (call := self._pool.next_call()) is not None:
            if call.future.set_running_or_notify_cancel():
                self._execute(call)
        self._disconnect()

    def _execute(self, call: _Call) -> None:
        try:
            self._busy = (call, self._pool.deadline(call))
            connection = self._connected()
            if call.future.done():
                # The caller has its error: what it asked for must not happen any more.
                self._busy = None
                return
            # The time to connect has a limit of its own.
            call.cut = False
            self._busy = (call, self._pool.deadline(call))
            value = call.function(connection)
        except BaseException as error:
            self._busy = None
            self._disconnect()
            if not isinstance(error, Exception):
                call.fail(error)
                raise
            call.fail(error if isinstance(error, StateError) else self._pool.meaning(call, error))
        else:
            self._busy = None
            if call.cut:
                self._disconnect()
            call.succeed(value)

    def _connected(self) -> Connection:
        if self._connection is not None and _readable(self._connection):
            # Nothing was asked: the server has ended it.
            self._disconnect()
        if self._connection is None:
            connection = self._pool.opened()
            self._line = _Line(connection.fileno())
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection, self._line = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()


def _readable(connection: Connection) -> bool:
    """Return whether a connection with nothing under way has something to read, or was closed."""
    try:
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        return bool(waiting.poll(0))
    except (OSError, psycopg.Error):
        return True


def _started(function: Callable[[], None], name: str) -> threading.Thread:
    # Not an executor: Python waits for its threads at exit, and a call may hang.
    thread = threading.Thread(target=function, name=name, daemon=True)
    thread.start()
    return thread
