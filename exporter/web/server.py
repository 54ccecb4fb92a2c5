"""Serves the application on its sockets from one background thread. Who may stay for how long: connection.py."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import uvicorn

from exporter.web.app import App, Receive, Scope, Send
from exporter.web.connection import DEFAULTS, Connection, Limits
from exporter.web.guard import Application, Guard
from exporter.web.listening import ListenError, listen
from exporter.web.tls import TlsProtocol
from exporter.web_config import Current

__all__ = ["Limits", "ListenError", "Server", "listen"]

_LINGER_SECONDS = 1
"""For what is still open after all connections were cut; there should be nothing."""


class Server:
    """A uvicorn server in a thread with its own event loop.

    On an event loop a silent client costs a file descriptor; where each connection has a thread of a pool, a few
    silent clients keep scrapes waiting.
    """

    def __init__(
        self, app: App, sockets: Sequence[socket.socket], limits: Limits = DEFAULTS, current: Current | None = None
    ) -> None:
        """Takes over the sockets, which listen already, and closes them at the end.

        Without a web configuration it serves plain HTTP to everybody.
        """
        self._sockets = list(sockets)
        guarded = app if current is None else Guard(app, current)
        self._server = uvicorn.Server(_config(_until_the_end(guarded), _protocols(limits, current), limits))
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
        for each in self._sockets:
            each.close()
        return not self.alive


def _protocols(limits: Limits, current: Current | None) -> Callable[..., asyncio.Protocol]:
    """What makes a protocol for each connection, of what uvicorn gives it."""

    def protocol(**given: Any) -> asyncio.Protocol:
        connection = Connection(limits, **given)
        context = None if current is None else current.context()
        if current is None or current.config.tls is None or context is None:
            return connection
        return TlsProtocol(connection, context, current.config.tls.allowed_sans)

    return protocol


def _until_the_end(app: Application) -> Application:
    """The application without complaints when the server ends while an answer has to wait: nobody is left to get it."""

    async def ending(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return ending


def _config(app: Application, protocol: Callable[..., asyncio.Protocol], limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        # uvicorn has it a class, but only calls it.
        http=cast("type[asyncio.Protocol]", protocol),
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
