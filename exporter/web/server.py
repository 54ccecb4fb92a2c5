"""Serves the application on its sockets from one background thread. Who may stay for how long: connection.py."""

import socket
import threading
from collections.abc import Sequence

import uvicorn

from exporter.web.app import App
from exporter.web.connection import DEFAULTS, Connection, Limits
from exporter.web.listening import ListenError, listen

__all__ = ["Limits", "ListenError", "Server", "listen"]

_LINGER_SECONDS = 1
"""For what is still open after all connections were cut; there should be nothing."""


class Server:
    """A uvicorn server in a thread with its own event loop.

    On an event loop a silent client costs a file descriptor; where each connection has a thread of a pool, a few
    silent clients keep scrapes waiting.
    """

    def __init__(self, app: App, sockets: Sequence[socket.socket], limits: Limits = DEFAULTS) -> None:
        """Takes over the sockets, which listen already, and closes them at the end."""
        self._sockets = list(sockets)
        self._server = uvicorn.Server(_config(app, limits))
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


def _config(app: App, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=type("LimitedConnection", (Connection,), {"limits": limits}),
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
