"""Ports for programs that cannot be told to choose one themselves and say which."""

import random
import socket
from pathlib import Path

_GIVEN_BY_THE_SYSTEM = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LEAST, _MOST = 10_000, 32_000


def free_port() -> int:
    """Return a port that nothing listens at, and that the system gives to no connection before the program takes it."""
    below = int(_GIVEN_BY_THE_SYSTEM.read_text().split()[0])
    if below <= _LEAST:
        # The system gives away all: then the chance is small enough.
        below = _MOST
    while True:
        port = random.SystemRandom().randrange(_LEAST, below)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
