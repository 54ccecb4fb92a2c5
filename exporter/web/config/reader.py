"""Reading the web configuration beside the event loop: a disk that hangs must not keep a scrape waiting."""

import asyncio
import contextlib
import logging
import queue
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.web.config.model import WebConfig
from exporter.web.config.watch import Current

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.5
"""How long a request waits for the files to be read. A file in the system's cache takes less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the files held when they were read last."""

    config: WebConfig | None
    """None if the file can't be used: nobody is let in."""
    context: ssl.SSLContext | None = None
    """For new connections; None for plain HTTP."""
    allowed_sans: frozenset[str] | None = None
    """A client's certificate must be for one of these names; None allows all."""


def _seen(current: Current, config: WebConfig | None) -> Seen:
    tls = current.config.tls
    return Seen(config, current.made_context, None if tls is None else tls.allowed_sans)


class BackgroundReader:
    """Reads the files in a thread of its own, for one event loop.

    Who asks gets what the files hold at that moment; if they can't be read in time, what they held before.
    """

    def __init__(self, current: Current, patience: float = PATIENCE_SECONDS) -> None:
        """Begin with what has been read already. `patience` is in seconds."""
        self._current = current
        self._patience = patience
        self._seen = _seen(current, current.config)
        self._asked: queue.SimpleQueue[asyncio.Future[None] | None] = queue.SimpleQueue()
        self._overdue = False
        self._thread: threading.Thread | None = None

    @property
    def serves_tls(self) -> bool:
        """Whether connections speak TLS, which does not change while the program runs."""
        return self._current.config.tls is not None

    async def now(self) -> Seen:
        """Return what the files hold now, or held last if they can't be read within the time for it."""
        if not self._overdue:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._ask(done)
            try:
                await asyncio.wait_for(done, self._patience)
            except TimeoutError:
                self._is_overdue()
        return self._seen

    def stop(self) -> None:
        """End the thread, as soon as it has read what it is reading. It is not waited for."""
        self._asked.put(None)

    def _ask(self, done: "asyncio.Future[None]") -> None:
        self._asked.put(done)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="web configuration", daemon=True)
            self._thread.start()

    def _is_overdue(self) -> None:
        if not self._overdue:
            self._overdue = True
            log.warning("the web configuration takes long to read: the last one stays in use")

    def _run(self) -> None:
        while asked := self._all_asked():
            try:
                config = self._current.now()
                self._current.context()
            except Exception:
                # A mistake of ours: what can't be judged lets nobody in. The next one asks again.
                log.exception("a mistake in the exporter")
                config = None
            self._seen = _seen(self._current, config)
            with contextlib.suppress(RuntimeError):  # The loop has ended.
                asked[0].get_loop().call_soon_threadsafe(self._have_read, asked)

    def _all_asked(self) -> "list[asyncio.Future[None]]":
        """Wait until somebody asks. Whoever else has asked by then is content with the same; empty at the end."""
        asked = []
        one = self._asked.get()
        while one is not None:
            asked.append(one)
            try:
                one = self._asked.get_nowait()
            except queue.Empty:
                return asked
        self._asked.put(None)  # For the next call, which ends the thread.
        return asked

    def _have_read(self, asked: "Sequence[asyncio.Future[None]]") -> None:
        if self._overdue:
            self._overdue = False
            log.info("the web configuration can be read in time again")
        for done in asked:
            if not done.done():
                done.set_result(None)
