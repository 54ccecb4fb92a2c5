"""Ports for programs that can't say which free one they took."""

import contextlib
import random
import socket

_RANDOM = random.SystemRandom()
"""Tests set the seed of the other one, all alike."""


def free_port() -> int:
    """Return a port that is free, and that no connection gets before the program has it: below the ephemeral ones."""
    while True:
        port = _RANDOM.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
