"""Serve the application on its sockets from one background thread. Limits of connections: connection.py."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence

import uvicorn

from exporter.web.app import App
from exporter.web.asgi import Receive, Scope, Send
from exporter.web.config import BackgroundReader, WebConfigFile
from exporter.web.server.accept import Acceptor
from exporter.web.server.connection import DEFAULTS, Connection, ConnectionLimiter, Limits
from exporter.web.server.middleware import Application, Middleware
from exporter.web.server.tls import TlsProtocol

_LINGER_SECONDS = 1
"""How long uvicorn waits for connections after all were cut off; there should be none."""


class Server:
    """A uvicorn server in a thread with its own event loop.

    On an event loop a silent client costs a file descriptor. With a pool of threads, one for each connection, a few
    silent clients would keep scrapes waiting.
    """

    def __init__(
        self,
        app: App,
        sockets: Sequence[socket.socket],
        limits: Limits = DEFAULTS,
        current: WebConfigFile | None = None,
        *,
        open_health: bool = False,
    ) -> None:
        """Take over listening sockets, which `stop` closes.

        Without a web configuration the server answers everybody in plain HTTP. With `open_health` the pages of
        probes need no password.
        """
        self._sockets = list(sockets)
        self._files = None if current is None else BackgroundReader(current)
        application = (
            app
            if self._files is None
            else Middleware(app, self._files, open_health=open_health, is_signed=app.is_signed)
        )
        self._server = _Uvicorn(
            _config(_ignoring_cancellation(application), limits), ConnectionLimiter(limits), self._files
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": self._sockets}, name="web", daemon=True
        )

    def start(self) -> None:
        """Begin to answer, also clients that have connected since the sockets listen."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the server's thread is running."""
        return self._thread.is_alive()

    def stop(self, timeout: float = 2.0) -> bool:
        """Stop at once, whatever clients are doing. Return False if it takes longer than `timeout` seconds."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(timeout)
        if self._files is not None:
            self._files.stop()
        for listening in self._sockets:
            listening.close()
        return not self.alive


class _Uvicorn(uvicorn.Server):
    """A uvicorn server whose connections are accepted by `Acceptor`."""

    def __init__(self, config: uvicorn.Config, limiter: ConnectionLimiter, files: BackgroundReader | None) -> None:
        super().__init__(config)
        self._limiter = limiter
        self._files = files
        self._acceptor: Acceptor | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Replace uvicorn's own, which lets asyncio accept."""
        self.servers = []
        self._acceptor = Acceptor(sockets or [], self._limiter, self._protocol)
        self._acceptor.start()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is not None:
            self._acceptor.stop()
        await super().shutdown(sockets)

    def _protocol(self, peer: str) -> asyncio.Protocol:
        connection = Connection(
            self._limiter, peer, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        files = self._files
        return connection if files is None or not files.serves_tls else TlsProtocol(connection, files)


def _ignoring_cancellation(app: Application) -> Application:
    """Wrap the application, so that a response that is canceled when the server stops is not logged as an error."""

    async def ignoring(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return ignoring


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
