"""Share the connections of all accounts that reach their APIs in the same way."""

import threading
from dataclasses import dataclass

from exporter.client.connections import Session, new_session
from exporter.client.idle_connections import IdleConnections
from exporter.model.tls import TLSConfig

_Way = tuple[TLSConfig, str | None]
"""TLS settings and proxy."""


@dataclass(slots=True)
class _Open:
    session: Session
    users: int = 0


class Sessions:
    """One session for all accounts with the same TLS settings and proxy.

    A thousand accounts of one API need a few connections, each in use all the time. Connections of their own would wait
    for a minute between two requests, and many servers close them before. Nothing of an account is in a session: its
    token is a header of each request.
    """

    def __init__(self, idle: IdleConnections) -> None:
        """`idle` limits the connections that are kept."""
        self._idle = idle
        self._open: dict[_Way, _Open] = {}
        self._change = threading.Semaphore()

    def take(self, tls: TLSConfig, proxy_url: str | None) -> Session:
        """Return the session for these settings. Call `release` with the same settings when it is no longer needed."""
        with self._change:
            found = self._open.get((tls, proxy_url))
            if found is None:
                found = self._open[tls, proxy_url] = _Open(new_session(tls, proxy_url, self._idle))
            found.users += 1
            return found.session

    def release(self, tls: TLSConfig, proxy_url: str | None) -> None:
        """Close the session's idle connections, unless others need it."""
        with self._change:
            found = self._open[tls, proxy_url]
            found.users -= 1
            if found.users == 0:
                del self._open[tls, proxy_url]
                found.session.close()
