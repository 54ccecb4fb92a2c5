"""End requests at their deadlines."""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator

from urllib3 import connection

from exporter.client.errors import no_thread

TICK_SECONDS = 0.1
"""How late a deadline or a stop may be noticed."""


class Deadline:
    """Ends a request after so many seconds, whatever it is doing.

    A socket's timeout applies to each read. A server that sends a byte now and then, of the body, the headers or a
    TLS handshake, would block the caller forever. Shutting the socket down from another thread wakes the caller.
    """

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self._connection: connection.HTTPConnection | None = None
        self._socket: object = None
        self._connecting: socket.socket | None = None
        self._change = threading.Semaphore()
        """Held while sockets are shut down, and while they are let go: then they may be another request's."""
        self.expired = False

    @property
    def left(self) -> float:
        """Seconds until the deadline; 0 after it."""
        return max(0.0, self.at - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether the deadline has passed or the request was cut off."""
        return self.expired or self.left <= 0

    def attach(self, used: connection.HTTPConnection) -> None:
        """Apply to a connection. Cuts it off at once if the deadline has expired."""
        self._connection = used
        # After "Connection: close" the connection drops its socket before the body is read.
        self._socket = used.sock or self._socket
        if self.expired:
            self.cut()

    def hold(self, connected: socket.socket) -> None:
        """Apply to a socket that is still in the TLS handshake, before its connection has it."""
        self._close_duplicate()
        # A duplicate, because the handshake detaches the descriptor of the original.
        self._connecting = connected.dup()
        if self.expired:
            self.cut()

    def let_go(self) -> None:
        """Apply to no connection any more: the request is over, and from now on others may use the one that it had."""
        with self._change:
            self._connection = self._socket = None
            self._close_duplicate()

    def _close_duplicate(self) -> None:
        held, self._connecting = self._connecting, None
        if held is not None:
            held.close()

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Stop the clock in this block, whose time is not the server's."""
        left = self.left
        self.at = math.inf
        try:
            yield
        finally:
            self.at = time.monotonic() + left

    def cut(self) -> None:
        """Shut the request's sockets down."""
        self.expired = True
        with self._change:
            held = getattr(self._connection, "sock", None) or self._socket
            # In TLS through a TLS proxy the real socket is one level deeper.
            inner = held if isinstance(held, socket.socket) else getattr(held, "socket", None)
            for candidate in (inner, self._connecting):
                if isinstance(candidate, socket.socket):
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(candidate, socket.SHUT_RDWR)


class DeadlineWatcher:
    """Cuts requests off at their deadlines, with one thread for all of them while there are any.

    A thread for each request would cost a third of the time of a quick request, and one for each account as much
    where an account makes a request a minute.
    """

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._unwatched = threading.Semaphore()

    @contextlib.contextmanager
    def over(self, deadline: Deadline) -> Iterator[None]:
        """Cut a request off within a tenth of a second after its deadline, unless this block ends before.

        Raises FetchError if the system has no thread to give.
        """
        self._open.add(deadline)
        try:
            if self._unwatched.acquire(blocking=False):
                self._start()
            yield
        finally:
            self._open.discard(deadline)
            deadline.let_go()

    def _start(self) -> None:
        try:
            threading.Thread(target=self._run, name="deadlines", daemon=True).start()
        except RuntimeError:
            # The next request tries to start the thread again.
            self._unwatched.release()
            raise no_thread() from None

    def _run(self) -> None:
        while True:
            while watched := tuple(self._open):
                left = min(deadline.at for deadline in watched) - time.monotonic()
                time.sleep(min(TICK_SECONDS, max(0.0, left)))
                for deadline in watched:
                    if deadline.at <= time.monotonic() and deadline in self._open:
                        deadline.cut()
                        self._open.discard(deadline)
            self._unwatched.release()
            # A request that came between the two lines above has found this thread still running.
            if not self._open or not self._unwatched.acquire(blocking=False):
                return


SHARED = DeadlineWatcher()
"""Watches the requests of all accounts."""


class RequestsUnderWay:
    """The deadlines of the requests of one session, which can be closed."""

    def __init__(self, watcher: DeadlineWatcher = SHARED) -> None:
        self._watcher = watcher
        self._open: set[Deadline] = set()
        self._closed = False

    @contextlib.contextmanager
    def over(self, deadline: Deadline) -> Iterator[None]:
        """Cut a request off at its deadline or when the session is closed, unless this block ends before."""
        self._open.add(deadline)
        try:
            if self._closed:
                deadline.cut()
            with self._watcher.over(deadline):
                yield
        finally:
            self._open.discard(deadline)

    def close(self) -> None:
        """Cut off all open requests, and those that begin later."""
        self._closed = True
        for deadline in tuple(self._open):
            deadline.cut()
