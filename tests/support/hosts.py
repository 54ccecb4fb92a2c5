"""Addresses as there are in the world: some drop what is sent, refuse it or can't be routed to."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from exporter.client.resolve import Address, HostResolver
from tests.support.ports import free_port


def ipv4(port: int, host: str = "127.0.0.1") -> Address:
    return Address(socket.AF_INET, (host, port))


def no_route(number: int = 1) -> Address:
    """One of IPv6 to which nothing can be connected: the system says at once that it can't be reached.

    It is a multicast one. Whether any other has a route depends on the machine.
    """
    return Address(socket.AF_INET6, (f"ff0e::{number:x}", 443, 0, 0))


def refusing() -> Address:
    """One where nobody listens."""
    return ipv4(free_port())


@contextmanager
def black_hole() -> Iterator[Address]:
    """One whose queue of connections is full: the system drops what else asks to connect."""
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
    """A resolver that knows these addresses of every name."""

    def resolve(_host: str, _port: int) -> Sequence[Address]:
        return addresses

    return HostResolver(resolve)
