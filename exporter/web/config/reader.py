"""Read the web configuration in a thread: a disk that does not respond must not block the event loop."""

import asyncio
import contextlib
import logging
import queue
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.web.config.model import WebConfig
from exporter.web.config.watch import WebConfigFile

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.5
"""How long a request waits for the files to be read. A file in the system's cache takes less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the files held when they were last read."""

    config: WebConfig | None
    """The configuration; None if the file can't be used. Then all requests are refused."""
    context: ssl.SSLContext | None = None
    """The TLS context for new connections; None for plain HTTP."""
    allowed_sans: frozenset[str] | None = None
    """The names of which a client's certificate must have one. None allows all."""


def _loaded(file: WebConfigFile, config: WebConfig | None) -> Loaded:
    tls = file.config.tls
    return Loaded(config, file.last_context, None if tls is None else tls.allowed_sans)


class BackgroundReader:
    """Reads the files in a thread of its own, for one event loop, whenever a request or connection needs them."""

    def __init__(self, file: WebConfigFile, patience: float = PATIENCE_SECONDS) -> None:
        """Begin with what the file has loaded already. `patience` is in seconds."""
        self._file = file
        self._patience = patience
        self._last = _loaded(file, file.config)
        self._requests: queue.SimpleQueue[asyncio.Future[None] | None] = queue.SimpleQueue()
        self._overdue = False
        self._thread: threading.Thread | None = None

    @property
    def serves_tls(self) -> bool:
        """Whether connections use TLS. It does not change while the program runs."""
        return self._file.config.tls is not None

    async def current(self) -> Loaded:
        """Return what the files hold now or, if reading takes longer than `patience`, what they held before."""
        if not self._overdue:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._request(done)
            try:
                await asyncio.wait_for(done, self._patience)
            except TimeoutError:
                self._set_overdue()
        return self._last

    def stop(self) -> None:
        """End the thread after what it is reading, without waiting for it."""
        self._requests.put(None)

    def _request(self, done: "asyncio.Future[None]") -> None:
        self._requests.put(done)
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="web configuration", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # The system has no thread left: the loop waits for the disk, and the next request tries again.
                self._read(self._all_requests())
            else:
                self._thread = thread

    def _set_overdue(self) -> None:
        if not self._overdue:
            self._overdue = True
            log.warning("reading the web configuration takes too long: keeping the previous one")

    def _run(self) -> None:
        while requests := self._all_requests():
            self._read(requests)

    def _read(self, requests: "Sequence[asyncio.Future[None]]") -> None:
        try:
            config = self._file.current()
            self._file.current_context()
        except Exception:
            # A bug: what can't be checked lets nobody in. The next request tries again.
            log.exception("internal error")
            config = None
        self._last = _loaded(self._file, config)
        with contextlib.suppress(RuntimeError):  # The loop has ended.
            requests[0].get_loop().call_soon_threadsafe(self._have_read, requests)

    def _all_requests(self) -> "list[asyncio.Future[None]]":
        """Wait for a request, and return it with all that are waiting: one read answers them. Empty at the end."""
        requests = []
        request = self._requests.get()
        while request is not None:
            requests.append(request)
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return requests
        self._requests.put(None)  # For the next call, which ends the thread.
        return requests

    def _have_read(self, requests: "Sequence[asyncio.Future[None]]") -> None:
        if self._overdue:
            self._overdue = False
            log.info("the web configuration is read in time again")
        for done in requests:
            if not done.done():
                done.set_result(None)
