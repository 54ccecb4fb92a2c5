"""Ending requests at their deadlines. What a request is, and what its end is called, is not known here."""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator

from urllib3 import connection

TICK_SECONDS = 0.1
"""How late a deadline, or an end from outside, may be noticed."""


class Deadline:
    """Ends a request at its deadline, whatever it is doing.

    The timeouts of sockets are for one read each: a server that sends a byte now and then, of the body, of the
    headers or of a TLS handshake, would hold the caller for ever. Shutting the socket down from a thread wakes it.
    """

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self._connection: connection.HTTPConnection | None = None
        self._socket: object = None
        self._connecting: socket.socket | None = None
        self.expired = False

    @property
    def left(self) -> float:
        """Seconds until the deadline; 0 after it."""
        return max(0.0, self.at - time.monotonic())

    @property
    def over(self) -> bool:
        """Has the deadline passed, or has the request been cut off."""
        return self.expired or self.left <= 0

    def attach(self, used: connection.HTTPConnection) -> None:
        self._connection = used
        # The connection lets go of it when an answer says "Connection: close", before the body is read.
        self._socket = used.sock or self._socket
        if self.expired:
            self.cut()

    def hold(self, connected: socket.socket) -> None:
        """Let a new connection be ended too before it has its socket, which goes through the TLS handshake first."""
        self.let_go()
        # A duplicate: the handshake takes the descriptor away from the socket that it is given.
        self._connecting = connected.dup()
        if self.expired:
            self.cut()

    def let_go(self) -> None:
        """Close what `hold` has kept."""
        held, self._connecting = self._connecting, None
        if held is not None:
            held.close()

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Stop the clock meanwhile: what happens in here is not the server's time."""
        left = self.left
        self.at = math.inf
        try:
            yield
        finally:
            self.at = time.monotonic() + left

    def cut(self) -> None:
        self.expired = True
        held = getattr(self._connection, "sock", None) or self._socket
        # In TLS through a TLS proxy the socket proper is one step further in.
        inner = held if isinstance(held, socket.socket) else getattr(held, "socket", None)
        for one in (inner, self._connecting):
            if isinstance(one, socket.socket):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)


class DeadlineWatcher:
    """Cuts requests off in time: one thread for all, while there are any. To start one for each would cost a third of
    a quick request.
    """

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._unwatched = threading.Semaphore()
        self._closed = False

    @contextlib.contextmanager
    def over(self, cutoff: Deadline) -> Iterator[None]:
        """Cut it off within a tenth of a second after its deadline, unless the body ends before."""
        self._open.add(cutoff)
        try:
            if self._closed:
                cutoff.cut()
            if self._unwatched.acquire(blocking=False):
                self._start()
            yield
        finally:
            self._open.discard(cutoff)
            cutoff.let_go()

    def close(self) -> None:
        """Cut off whatever is open, and whatever still begins."""
        self._closed = True
        for cutoff in tuple(self._open):
            cutoff.cut()

    def _start(self) -> None:
        try:
            threading.Thread(target=self._run, name="deadlines", daemon=True).start()
        except RuntimeError:
            # The system has no thread to give now; the next request tries again.
            self._unwatched.release()
            raise

    def _run(self) -> None:
        while True:
            while watched := tuple(self._open):
                left = min(cutoff.at for cutoff in watched) - time.monotonic()
                time.sleep(min(TICK_SECONDS, max(0.0, left)))
                for cutoff in watched:
                    if cutoff.at <= time.monotonic() and cutoff in self._open:
                        cutoff.cut()
                        self._open.discard(cutoff)
            self._unwatched.release()
            # One that came between the two lines above has found this thread still there.
            if not self._open or not self._unwatched.acquire(blocking=False):
                return
