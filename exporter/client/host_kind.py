"""Classify IP addresses by the kind of their host. Pure.

The tables are from IANA's registries of special-purpose addresses. Those of the `ipaddress` module differ between
versions of Python.
"""

import ipaddress
from enum import StrEnum


class HostKind(StrEnum):
    """The kinds of hosts, in words for operators."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    LINK_LOCAL = "link-local"
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"
    RESERVED = "reserved"


_V4 = tuple(
    (ipaddress.IPv4Network(network), kind)
    for kind, networks in {
        HostKind.UNSPECIFIED: ("0.0.0.0/8",),
        HostKind.LOOPBACK: ("127.0.0.0/8",),
        HostKind.LINK_LOCAL: ("169.254.0.0/16",),
        HostKind.PRIVATE: ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
        HostKind.MULTICAST: ("224.0.0.0/4",),
        HostKind.RESERVED: (
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
        ),
    }.items()
    for network in networks
)
_V6 = tuple(
    (ipaddress.IPv6Network(network), kind)
    for kind, networks in {
        HostKind.UNSPECIFIED: ("::/128",),
        HostKind.LOOPBACK: ("::1/128",),
        HostKind.LINK_LOCAL: ("fe80::/10",),
        HostKind.PRIVATE: ("fc00::/7", "fec0::/10"),
        HostKind.MULTICAST: ("ff00::/8",),
        # Teredo and other protocols, documentation, 6to4: no file is served from these.
        HostKind.RESERVED: ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    }.items()
    for network in networks
)
_V6_PUBLIC = ipaddress.IPv6Network("2000::/3")
_V4_IN_V6 = tuple(ipaddress.IPv6Network(network) for network in ("::ffff:0:0/96", "64:ff9b::/96"))
"""Networks of IPv4 addresses: mapped, and translated by NAT64."""


def host_kind(address: str) -> HostKind:
    """Return the kind of an IP address, with or without a scope. Raises ValueError for any other text."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if not any(parsed in network for network in _V4_IN_V6):
            other = HostKind.PUBLIC if parsed in _V6_PUBLIC else HostKind.RESERVED
            return next((kind for network, kind in _V6 if parsed in network), other)
        parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
    return next((kind for network, kind in _V4 if parsed in network), HostKind.PUBLIC)
