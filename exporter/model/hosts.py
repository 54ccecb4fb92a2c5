"""Loopback hosts: plain HTTP to them can't be read on the way."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or address alone; nothing is looked up."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
