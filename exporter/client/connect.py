"""Connect to the first address of a host that answers (RFC 8305, "Happy Eyeballs")."""

import contextlib
import errno
import math
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence

from exporter.client.deadline import TICK_SECONDS, Deadline
from exporter.client.resolve import Address

STAGGER_SECONDS = 0.25
"""How long an address is tried alone before the next one is tried in parallel."""
_MOST_AT_ONCE = 4
"""Addresses that are tried in parallel. Each takes a file descriptor, and a name may have dozens of addresses."""
_LOCAL_ERRORS = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""No route and no such protocol: less informative than the answer of another address."""

SocketOption = tuple[int, int, int | bytes]


class ConnectTimeout(Exception):
    """No address answered in time."""


def connect(addresses: Sequence[Address], deadline: Deadline, options: Iterable[SocketOption] = ()) -> socket.socket:
    """Connect to the address that answers first, and return the non-blocking socket.

    The next address is tried when one fails, or in parallel after a quarter of a second without an answer; if four are
    being tried, the first of them is given up. All are tried within half of the time that is left. Raises OSError when
    all have failed, and ConnectTimeout.
    """
    if not addresses:
        raise OSError(errno.EADDRNOTAVAIL, "the host has no address")
    stagger = min(STAGGER_SECONDS, deadline.left / 2 / len(addresses))
    with contextlib.ExitStack() as stack:
        race = _Race(stack.enter_context(selectors.PollSelector()), tuple(options))
        stack.callback(race.close)
        return race.winner(deque(alternating(addresses)), deadline, stagger)


def alternating(addresses: Iterable[Address]) -> list[Address]:
    """Return the addresses with their families in turn, each in its own order, starting with the first one's family."""
    by_family: dict[int, deque[Address]] = {}
    for address in addresses:
        by_family.setdefault(address.family, deque()).append(address)
    ordered = []
    while any(by_family.values()):
        ordered += [left.popleft() for left in by_family.values() if left]
    return ordered


class _Race:
    """Connection attempts to several addresses."""

    def __init__(self, selector: selectors.PollSelector, options: Sequence[SocketOption]) -> None:
        self._selector = selector
        self._options = options
        self._errors: list[OSError] = []

    def winner(self, left: deque[Address], deadline: Deadline, stagger: float) -> socket.socket:
        """Return the socket of the first address that answers."""
        following = time.monotonic()
        while not deadline.over:
            under_way = bool(self._selector.get_map())
            if not (left or under_way):
                raise self._best_error()
            failed = len(self._errors)
            if left and (not under_way or time.monotonic() >= following):
                self._begin(left.popleft())
                following = time.monotonic() + stagger
            if len(self._errors) == failed:
                connected = self._next_connected(min(deadline.left, following - time.monotonic() if left else math.inf))
                if connected is not None:
                    return connected
            if len(self._errors) > failed:
                following = time.monotonic()
        raise ConnectTimeout

    def _next_connected(self, seconds: float) -> socket.socket | None:
        """Wait for one of the attempts to end, at most for a tick. Return its socket if it is connected."""
        for key, _ in self._selector.select(max(0.0, min(TICK_SECONDS, seconds))):
            connected = self._ended(key.fileobj)
            if connected is not None:
                return connected
        return None

    def close(self) -> None:
        """Cancel the attempts under way."""
        for key in tuple(self._selector.get_map().values()):
            _close(key.fileobj)

    def _begin(self, address: Address) -> None:
        under_way = self._selector.get_map()
        if len(under_way) >= _MOST_AT_ONCE:
            first = next(iter(under_way.values())).fileobj
            self._selector.unregister(first)
            _close(first)
        try:
            made = socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as error:
            self._errors.append(error)
            return
        try:
            for option in self._options:
                made.setsockopt(*option)
            made.setblocking(False)
            code = made.connect_ex(address.target)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
            self._selector.register(made, selectors.EVENT_WRITE)
        except OSError as error:
            made.close()
            self._errors.append(error)

    def _ended(self, file: object) -> socket.socket | None:
        """Return the socket if it is connected, and note the error otherwise."""
        if not isinstance(file, socket.socket):
            return None
        self._selector.unregister(file)
        code = file.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            return file
        file.close()
        self._errors.append(OSError(code, os.strerror(code)))
        return None

    def _best_error(self) -> OSError:
        """Return the most informative failure."""
        return min(self._errors, key=lambda error: error.errno in _LOCAL_ERRORS)


def _close(file: object) -> None:
    if isinstance(file, socket.socket):
        file.close()
