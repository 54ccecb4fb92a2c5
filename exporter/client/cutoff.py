"""Ending requests at their deadlines. What a request is, and what its end is called, is not known here."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from urllib3 import connection

_TICK_SECONDS = 0.1


class Cutoff:
    """Ends a request at its deadline, whatever it is doing.

    The timeouts of sockets are for one read each: a server that sends a byte now and then, of the body, of the
    headers or of a TLS handshake, would hold the caller for ever. Shutting the socket down from a thread wakes it.
    """

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self._connection: connection.HTTPConnection | None = None
        self._socket: object = None
        self.expired = False

    def attach(self, used: connection.HTTPConnection) -> None:
        self._connection = used
        # The connection lets go of it when an answer says "Connection: close", before the body is read.
        self._socket = used.sock or self._socket
        if self.expired:
            self.cut()

    def cut(self) -> None:
        self.expired = True
        held = getattr(self._connection, "sock", None) or self._socket
        # In TLS through a TLS proxy the socket proper is one step further in.
        inner = held if isinstance(held, socket.socket) else getattr(held, "socket", None)
        if isinstance(inner, socket.socket):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(inner, socket.SHUT_RDWR)


class Watch:
    """Cuts requests off in time: one thread for all, while there are any. To start one for each would cost a third of
    a quick request.
    """

    def __init__(self) -> None:
        self._open: set[Cutoff] = set()
        self._unwatched = threading.Semaphore()
        self._closed = False

    @contextlib.contextmanager
    def over(self, cutoff: Cutoff) -> Iterator[None]:
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
                time.sleep(min(_TICK_SECONDS, max(0.0, left)))
                for cutoff in watched:
                    if cutoff.at <= time.monotonic() and cutoff in self._open:
                        cutoff.cut()
                        self._open.discard(cutoff)
            self._unwatched.release()
            # One that came between the two lines above has found this thread still there.
            if not self._open or not self._unwatched.acquire(blocking=False):
                return
