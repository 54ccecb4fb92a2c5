"""Ports for programs that cannot be told to choose one themselves and say which."""

import functools
import itertools
import os
import random
import socket
from pathlib import Path

_GIVEN_BY_THE_SYSTEM = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LEAST, _MOST = 10_000, 32_000
_AT_A_TIME = 200


def free_port() -> int:
    """Return a port that nothing listens at, that the system gives to no connection, and that no other process gets.

    A program takes it seconds later, or leaves it for a while and takes it again. So each process that gives ports
    has claimed some for as long as it lives, and gives one again only after all the others.
    """
    return next(port for port in _claimed(os.getpid()) if _is_free(port))


@functools.cache
def _claimed(_process: int) -> "itertools.cycle[int]":
    """Return the ports that this process has claimed, again and again; one that was forked from it claims others."""
    return itertools.cycle(_claim())


def _claim() -> range:
    """Claim ports that no other process has claimed.

    Raises `OSError` where there are none.
    """
    below = int(_GIVEN_BY_THE_SYSTEM.read_text().split()[0])
    if below < _LEAST + _AT_A_TIME:
        # The system gives away all: then the chance is small enough.
        below = _MOST
    starts = list(range(_LEAST, below - _AT_A_TIME + 1, _AT_A_TIME))
    for start in random.SystemRandom().sample(starts, len(starts)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            # An abstract name: it has no file, and the kernel gives it back when the process ends in any way.
            claim.bind(f"\0batch-exporter-tests-ports-{start}")
        except OSError:
            claim.close()
            continue
        _CLAIMS.append(claim)
        return range(start, start + _AT_A_TIME)
    raise OSError("all ports for tests are claimed")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


_CLAIMS: list[socket.socket] = []
"""Open until the process ends."""
