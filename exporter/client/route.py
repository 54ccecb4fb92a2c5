"""Connect a socket to a host and a port, within a request's deadline, if the host is permitted."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.client.connect import ConnectTimeout, SocketOption, connect
from exporter.client.deadline import Deadline
from exporter.client.host_kind import HostKind, host_kind
from exporter.client.resolve import SYSTEM, Address, HostResolver, LookupTimeout, system_addresses
from exporter.model.record import FetchError, Reason


@dataclass(frozen=True, slots=True)
class Route:
    """Connects to any host or, with `api_host`, to public hosts and those of the same kind as this one."""

    resolver: HostResolver = SYSTEM
    api_host: str | None = None

    def connected(
        self, host: str, port: int, deadline: Deadline, options: Iterable[SocketOption], *, proxy: bool
    ) -> socket.socket:
        """Return a socket connected to the host. A `proxy` may be of any kind.

        Raises OSError, and FetchError for a timeout or a host that is not permitted.
        """
        addresses: Sequence[Address] = ()
        try:
            addresses = self.resolver.addresses(host, port, deadline)
            if self.api_host is not None and not proxy:
                addresses = self._permitted(addresses, port, deadline)
            made = connect(addresses, deadline, options)
        except LookupTimeout:
            raise FetchError(
                Reason.TIMEOUT, "no connection in time: the name server has not answered for the host"
            ) from None
        except ConnectTimeout:
            count = f"its {len(addresses)} addresses" if len(addresses) > 1 else "its address"
            whose = "the proxy" if proxy else "the host"
            raise FetchError(Reason.TIMEOUT, f"no connection in time: {whose} did not answer at {count}") from None
        deadline.hold(made)
        # For the TLS handshake and the proxy's answer, which follow.
        made.settimeout(max(0.001, deadline.left))
        return made

    def check_unresolved(self, host: str) -> None:
        """Raise FetchError for a host that is not permitted, if its kind is known without a look-up.

        Where a proxy looks names up, nothing else can be checked.
        """
        kind = _literal_kind(host)
        api_kind = None if self.api_host is None else _literal_kind(self.api_host)
        if self.api_host is not None and kind not in (None, HostKind.PUBLIC, api_kind):
            raise _not_permitted(kind)

    def _permitted(self, addresses: Sequence[Address], port: int, deadline: Deadline) -> Sequence[Address]:
        """Return the permitted addresses. Raises FetchError if there are none."""
        kinds = {address: host_kind(address.host) for address in addresses}
        allowed = {HostKind.PUBLIC}
        if not allowed.issuperset(kinds.values()):
            allowed |= self._api_kinds(port, deadline)
        permitted = [address for address in addresses if kinds[address] in allowed]
        if addresses and not permitted:
            raise _not_permitted(kinds[addresses[0]])
        return permitted

    def _api_kinds(self, port: int, deadline: Deadline) -> set[HostKind]:
        try:
            found = self.resolver.addresses(self.api_host or "", port, deadline)
        except OSError:
            return set()
        return {host_kind(address.host) for address in found}


def _literal_kind(host: str) -> HostKind | None:
    """Return the kind of a host that needs no look-up; None for any other."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return HostKind.LOOPBACK
    try:
        # As `connect` reads it: 127.1 and 0x7f000001 are addresses too.
        return host_kind(system_addresses(name, 0, socket.AI_NUMERICHOST)[0].host)
    except OSError:
        return None


def _not_permitted(kind: HostKind | None) -> FetchError:
    return FetchError(
        Reason.MALFORMED, f"the file's URL leads to a {kind} address, which that of base_url is not, and is not used"
    )
