"""Which hosts are this machine itself: what is sent to them in plain HTTP, nobody on the way can read."""

import ipaddress


def is_loopback(host: str) -> bool:
    """By its name or address alone; nothing is looked up."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
