"""Which addresses are public, and which belong to this machine or its network."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client.host_kind import HostKind, host_kind

NOT_PUBLIC = {
    HostKind.LOOPBACK: ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"],
    HostKind.PRIVATE: [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "fc00::1",
        "fdff::1",
        "fec0::1",
        "::ffff:10.1.2.3",
        "64:ff9b::192.168.0.1",
    ],
    HostKind.LINK_LOCAL: ["169.254.169.254", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:169.254.169.254"],
    HostKind.MULTICAST: ["224.0.0.1", "239.255.255.255", "ff02::1", "::ffff:224.0.0.1"],
    HostKind.UNSPECIFIED: ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
    HostKind.RESERVED: [
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "240.0.0.1",
        "255.255.255.255",
        "::127.0.0.1",
        "2002:7f00:1::",
        "2002:0808:0808::",
        "2001:0:7f00:1::",
        "2001:0:808:808::",
        "64:ff9b:1::7f00:1",
        "2001:db8::1",
        "3fff::1",
        "100::1",
        "4000::1",
        "5f00::1",
    ],
}
PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450::1", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize(("address", "kind"), [(host, kind) for kind, some in NOT_PUBLIC.items() for host in some])
def test_an_address_of_a_special_network_is_of_its_kind(address: str, kind: HostKind) -> None:
    assert host_kind(address) is kind


@pytest.mark.parametrize("address", PUBLIC)
def test_any_other_is_public(address: str) -> None:
    assert host_kind(address) is HostKind.PUBLIC


@given(st.ip_addresses())
def test_nothing_that_python_calls_local_is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    local = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    private = address.is_private and not str(address).startswith("64:ff9b:") and not _mapped(address)
    # Python makes distinctions within some protocol networks. None of their addresses is the host of a file.
    assert not (local or private) or host_kind(str(address)) is not HostKind.PUBLIC


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_an_ipv6_one_is_of_its_own_kind(address: ipaddress.IPv4Address) -> None:
    kind = host_kind(str(address))
    assert host_kind(f"::ffff:{address}") is kind
    assert host_kind(f"64:ff9b::{address}") is kind
    assert host_kind(f"::{address}") is not HostKind.PUBLIC
    assert host_kind(str(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80)))) is not HostKind.PUBLIC
    assert host_kind(str(ipaddress.IPv6Address((0x20010000 << 96) | int(address)))) is not HostKind.PUBLIC


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "1.2.3", "::g"])
def test_what_is_no_address_has_no_kind(text: str) -> None:
    with pytest.raises(ValueError, match="IP"):
        host_kind(text)


def _mapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
