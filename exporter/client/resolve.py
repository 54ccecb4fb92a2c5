"""Look up the addresses of a host, for no longer than the caller may wait."""

import concurrent.futures
import errno
import functools
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from exporter.client.deadline import TICK_SECONDS, Deadline

_SHARED_SECONDS = 30.0
"""A look-up that takes longer may never end, so the next caller starts another."""
_MOST_UNDER_WAY = 4
"""Look-ups of one name at the same time, however long the resolver takes."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address that a socket can connect to, as the system's resolver returns it."""

    family: int
    target: tuple[str | int | bytes, ...]
    """The argument of `socket.connect`: host and port, for IPv6 with flow and scope."""

    @property
    def host(self) -> str:
        """The IP address as text."""
        return str(self.target[0])


Resolve = Callable[[str, int], Sequence[Address]]
"""Returns the addresses of a host for a port, or never. Raises OSError, mostly socket.gaierror."""


def system_addresses(host: str, port: int, flags: int = 0) -> list[Address]:
    """Ask the system's resolver. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except ValueError:
        # A name that can't be encoded as a host name, or holds a NUL.
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return list(dict.fromkeys(Address(int(family), tuple(target)) for family, _, _, _, target in found))


class LookupTimeout(Exception):
    """The resolver did not answer in time."""


@dataclass(frozen=True, slots=True)
class _Lookup:
    begun: float
    addresses: Future[Sequence[Address]]


class HostResolver:
    """Looks names up in separate threads, so that no resolver delays a deadline or the end of the program.

    Requests for the same name share a look-up, so that a resolver that does not answer costs few threads.
    """

    def __init__(self, resolve: Resolve = system_addresses, clock: Callable[[], float] = time.monotonic) -> None:
        self._resolve = resolve
        self._clock = clock
        self._under_way: dict[tuple[str, int], tuple[_Lookup, ...]] = {}
        self._change = threading.Semaphore()
        """Held while `_under_way` is read and changed."""

    def addresses(self, host: str, port: int, deadline: Deadline) -> Sequence[Address]:
        """Return the addresses of a host. Raises OSError, and LookupTimeout when the deadline is over before."""
        try:
            return system_addresses(host, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            future = self._begun(host, port)
        while not deadline.over:
            concurrent.futures.wait([future], timeout=min(TICK_SECONDS, deadline.left))
            if future.done():
                return future.result()
        raise LookupTimeout

    def _begun(self, host: str, port: int) -> Future[Sequence[Address]]:
        """Return the result to come of a look-up that is under way, or of a new one."""
        name = (host, port)
        with self._change:
            under_way = self._under_way.get(name, ())
            fresh = under_way and self._clock() - under_way[-1].begun < _SHARED_SECONDS
            if fresh or len(under_way) >= _MOST_UNDER_WAY:
                return under_way[-1].addresses
            made = _Lookup(self._clock(), Future())
            try:
                # Not an executor: Python waits for its threads at exit.
                threading.Thread(
                    target=functools.partial(self._look_up, name, made), name="look-up", daemon=True
                ).start()
            except RuntimeError:
                raise OSError(errno.EAGAIN, "no thread can be had to look the host up in") from None
            self._under_way[name] = (*under_way, made)
            return made.addresses

    def _look_up(self, name: tuple[str, int], lookup: _Lookup) -> None:
        error: Exception = OSError(errno.EAGAIN, "the look-up has failed")
        found: Sequence[Address] | None = None
        try:
            found = self._resolve(*name)
        except OSError as failure:
            error = failure
        finally:
            self._forget(name, lookup)
            if found is None:
                lookup.addresses.set_exception(error)
            else:
                lookup.addresses.set_result(found)

    def _forget(self, name: tuple[str, int], ended: _Lookup) -> None:
        with self._change:
            left = tuple(lookup for lookup in self._under_way.get(name, ()) if lookup is not ended)
            if left:
                self._under_way[name] = left
            else:
                self._under_way.pop(name, None)


SYSTEM = HostResolver()
"""The system's resolver, shared by all accounts, so that a reload adds no look-ups to one that does not answer."""
