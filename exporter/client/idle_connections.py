"""Limit the connections that wait for their next request, whatever the number of accounts."""

import math
import threading
import time
import weakref
from collections.abc import Callable

from urllib3.connection import HTTPConnection

_MOST = 256

LONGEST_SECONDS = 90.0
"""How long a connection may be idle and still be used. Most servers close it before. But firewalls, load balancers and
NAT gateways drop it silently after some minutes: the next request on it would get no answer."""

LONGEST_USE_SECONDS = 900.0
"""How long after its first request a connection may be used. What is behind a host changes, and a connection that is
in use all the time would stay with an address, or an old version of the API, that nobody else is sent to."""


class IdleConnections:
    """Limits the idle connections of all accounts. Beyond the limit, the one that is idle for longest is closed.

    So those of an account that reads page after page are kept. A pool connects a closed one again when it is needed.
    One that is idle, or in use, for too long is closed when it is taken.
    """

    def __init__(self, most: int = _MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._idle: weakref.WeakKeyDictionary[HTTPConnection, float] = weakref.WeakKeyDictionary()
        """Since when each is idle. The one that is idle for longest comes first."""
        self._first: weakref.WeakKeyDictionary[HTTPConnection, float] = weakref.WeakKeyDictionary()
        """When each became idle for the first time since it was connected."""
        self._change = threading.Semaphore()

    def add(self, connection: HTTPConnection) -> None:
        """Note that a connection is idle. Call this before others can take it from its pool."""
        with self._change:
            now = self._idle[connection] = self._clock()
            self._first.setdefault(connection, now)
            while len(self._idle) > self._most:
                first = next(iter(self._idle))
                del self._idle[first]
                # Close it within the block: a thread that takes it meanwhile waits, and then finds it closed.
                first.close()

    def take(self, connection: HTTPConnection) -> None:
        """Note that a connection is in use again, so that it is not closed for others."""
        with self._change:
            since, first = self._idle.pop(connection, math.inf), self._first.get(connection, math.inf)
            now = self._clock()
            if now - since > LONGEST_SECONDS or now - first > LONGEST_USE_SECONDS:
                connection.close()
            if connection.sock is None:
                # It reconnects for its next request.
                self._first.pop(connection, None)
