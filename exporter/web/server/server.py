"""Serves the application on its sockets from one background thread. Who may stay for how long: connection.py."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence

import uvicorn

from exporter.web.app import App, Receive, Scope, Send
from exporter.web.config import BackgroundReader, Current
from exporter.web.server.accept import Acceptor
from exporter.web.server.connection import Connection, Limits, Places, default_limits
from exporter.web.server.listen import ListenError, listen
from exporter.web.server.middleware import Application, Middleware
from exporter.web.server.tls import TlsProtocol

__all__ = ["Limits", "ListenError", "Server", "listen"]

_LINGER_SECONDS = 1
"""For what is still open after all connections were cut; there should be nothing."""


class Server:
    """A uvicorn server in a thread with its own event loop.

    On an event loop a silent client costs a file descriptor; where each connection has a thread of a pool, a few
    silent clients keep scrapes waiting.
    """

    def __init__(
        self,
        app: App,
        sockets: Sequence[socket.socket],
        limits: Limits | None = None,
        current: Current | None = None,
    ) -> None:
        """Takes over the sockets, which listen already, and closes them at the end.

        Without a web configuration it serves plain HTTP to everybody.
        """
        self._sockets = list(sockets)
        limits = limits or default_limits()
        self._files = None if current is None else BackgroundReader(current)
        guarded = app if self._files is None else Middleware(app, self._files)
        self._server = _Uvicorn(_config(_until_the_end(guarded), limits), Places(limits), self._files)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": self._sockets}, name="web", daemon=True
        )

    def start(self) -> None:
        """Begin to answer. Clients that have connected since the sockets listen were only kept waiting."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self, timeout: float = 2.0) -> bool:
        """End at once, whatever clients are doing; False if it took longer than `timeout` seconds."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(timeout)
        if self._files is not None:
            self._files.stop()
        for each in self._sockets:
            each.close()
        return not self.alive


class _Uvicorn(uvicorn.Server):
    """A server that takes in connections by rules of its own."""

    def __init__(self, config: uvicorn.Config, places: Places, files: BackgroundReader | None) -> None:
        super().__init__(config)
        self._places = places
        self._files = files
        self._acceptor: Acceptor | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """In the place of uvicorn's own, which has asyncio accept for it."""
        self.servers = []
        self._acceptor = Acceptor(sockets or [], self._places, self._protocol)
        self._acceptor.start()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is not None:
            self._acceptor.stop()
        await super().shutdown(sockets)

    def _protocol(self, peer: str) -> asyncio.Protocol:
        connection = Connection(
            self._places, peer, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        files = self._files
        return connection if files is None or not files.serves_tls else TlsProtocol(connection, files)


def _until_the_end(app: Application) -> Application:
    """The application without complaints when the server ends while an answer has to wait: nobody is left to get it."""

    async def ending(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return ending


def _config(app: Application, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        interface="asgi3",
        loop="asyncio",
        ws="none",
        lifespan="off",
        workers=1,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=limits.head_bytes,
        timeout_graceful_shutdown=_LINGER_SECONDS,
    )
