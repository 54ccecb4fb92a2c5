"""The HTTP server of the mock APIs: connections, threads and the request log."""

import gzip
import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Protocol, Self

from exporter.demo.delivery import deliver
from exporter.demo.faults import Delivery, Faults, ListFaults
from exporter.demo.http_types import Answer, LoggedRequest, Request, read_request
from exporter.demo.inkit_api import InkitApi, error
from exporter.demo.listing import Readings
from exporter.demo.rate_limit import RateLimit
from exporter.demo.world import World

BASE = "/v1"
_SILENT = (Delivery.RESET, Delivery.HUNG)
_LOGGED = 100_000


class Api(Protocol):
    """The interface of an API that the server serves."""

    @property
    def base(self) -> str:
        """Return the path below which it answers, such as `/v1`."""

    def answer(self, request: Request, list_faults: ListFaults) -> Answer | None:
        """Return the response, None if the path is not one of this API; `request.path` is relative to the base.

        Each API checks its own token.
        """


class MockApi:
    """A server of mock APIs on its own port: Inkit's, and any others.

    `port` 0 takes a free one; OSError is raised if the port is not available. `compress` allows gzip responses. `apis`
    are tried in this order, after Inkit's. With a `rate_limit`, all requests count, and each answer states it.
    """

    def __init__(
        self,
        world: World,
        token: str = "demo-token",  # noqa: S107 (a word that opens nothing)
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        readings: Readings | None = None,
        apis: Sequence[Api] = (),
        compress: bool = False,
        rate_limit: RateLimit | None = None,
    ) -> None:
        self.world = world
        self.faults = faults or Faults()
        self.requests: deque[LoggedRequest] = deque(maxlen=_LOGGED)
        """The answered requests, oldest first; `clear()` empties it."""
        self._apis: tuple[Api, ...] = (InkitApi(world, token, readings or Readings()), *apis)
        self._compress = compress
        self._rate_limit = rate_limit
        self._stopped = threading.Event()
        self._connections: dict[socket.socket, threading.Thread] = {}
        # Connections come in the threads that serve them and are closed from the one that stops.
        self._lock = threading.Lock()
        self._listener = socket.create_server((host, port), backlog=256)
        self._thread = threading.Thread(target=self._accept, name="mock API", daemon=True)

    @property
    def url(self) -> str:
        """Return the base URL of the APIs, without a trailing slash."""
        host, port = self._listener.getsockname()
        return f"http://{host}:{port}{BASE}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Abort all responses, those that never come included, and wait for their threads."""
        self._stopped.set()
        if self._thread.is_alive():
            # Another connection wakes the thread that waits for one.
            socket.create_connection(self._listener.getsockname()).close()
            self._thread.join()
        self._listener.close()
        with self._lock:
            open_now = dict(self._connections)
        for connection, thread in open_now.items():
            # It may have been closed meanwhile.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            connection, _ = self._listener.accept()
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        """Answer the requests of one connection until either side ends it."""
        # A client may go away at any time.
        with connection, self._remembered(connection), suppress(OSError), connection.makefile("rb") as stream:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self._stopped.is_set():
                request = read_request(stream)
                if request is None or not self._serve(connection, request):
                    return

    def _serve(self, connection: socket.socket, request: Request) -> bool:
        path = request.path.removeprefix(BASE)
        fault = self.faults.take(path)
        answer = fault.answer or self._answer(request)
        if request.method == "HEAD":
            answer = replace(answer, body=b"")
        status = 0 if fault.delivery in _SILENT else answer.status
        self.requests.append(LoggedRequest(request.method, path, request.params, status))
        if self._compress and fault.answer is None and "gzip" in request.headers.get("accept-encoding", ""):
            headers = {**answer.headers, "Content-Encoding": "gzip"}
            answer = Answer(answer.status, gzip.compress(answer.body, 1), headers)
        kept = deliver(connection, answer, fault, self._stopped)
        return kept and request.headers.get("connection", "").lower() != "close"

    def _answer(self, request: Request) -> Answer:
        answer = self._true_answer(request)
        return answer if self._rate_limit is None else self._rate_limit.apply(answer)

    def _true_answer(self, request: Request) -> Answer:
        for api in self._apis:
            if request.path.startswith(f"{api.base}/"):
                below = replace(request, path=request.path.removeprefix(api.base))
                answer = api.answer(below, self.faults.list_faults)
                if answer is not None:
                    return answer
        return error(404, "Not found")

    @contextmanager
    def _remembered(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._connections[connection] = threading.current_thread()
        try:
            yield
        finally:
            with self._lock:
                del self._connections[connection]
