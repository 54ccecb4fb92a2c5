"""Addresses as there are in the world: some drop what is sent, refuse it or can't be routed to."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from exporter.client.resolve import Address, HostResolver
from tests.support.ports import free_port


def ipv4(port: int, host: str = "127.0.0.1") -> Address:
    return Address(socket.AF_INET, (host, port))


def no_route(number: int = 1) -> Address:
    """Return an IPv6 address that the system reports at once as unreachable.

    It is a multicast address. Whether any other address has a route depends on the machine.
    """
    return Address(socket.AF_INET6, (f"ff0e::{number:x}", 443, 0, 0))


def refusing() -> Address:
    """Return an address where nothing listens."""
    return ipv4(free_port())


@contextmanager
def black_hole() -> Iterator[Address]:
    """Yield an address whose queue of connections is full: the system drops further attempts to connect."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = ipv4(listener.getsockname()[1])
        fillers = [socket.socket() for _ in range(3)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(address.target)
            yield address
        finally:
            for filler in fillers:
                filler.close()


def at(*addresses: Address) -> HostResolver:
    """Return a resolver that has these addresses for every name."""

    def resolve(_host: str, _port: int) -> Sequence[Address]:
        return addresses

    return HostResolver(resolve)
