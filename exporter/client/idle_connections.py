"""Limit the connections that wait for their next request, whatever the number of accounts."""

import threading
import weakref

from urllib3.connection import HTTPConnection

_MOST = 256


class IdleConnections:
    """Limits the idle connections of all accounts. Beyond the limit, the one that is idle for longest is closed.

    So those of an account that reads page after page are kept. A pool connects a closed one again when it is needed.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._idle: weakref.WeakKeyDictionary[HTTPConnection, None] = weakref.WeakKeyDictionary()
        """The one that is idle for longest comes first."""
        self._change = threading.Semaphore()

    def add(self, connection: HTTPConnection) -> None:
        """Note that a connection is idle. Call this before others can take it from its pool."""
        with self._change:
            self._idle[connection] = None
            while len(self._idle) > self._most:
                first = next(iter(self._idle))
                del self._idle[first]
                # Within the block: who takes it meanwhile waits, and then sees that it is closed.
                first.close()

    def take(self, connection: HTTPConnection) -> None:
        """Note that a connection is in use again, so that it is not closed."""
        with self._change:
            self._idle.pop(connection, None)
