"""Take over sockets that systemd listens on, for --web.systemd-socket.

The protocol: sd_listen_fds(3). File descriptors from 3 on, as many as LISTEN_FDS says, if LISTEN_PID is this process.
"""

import os
import socket
from collections.abc import Mapping

from exporter.web.server.listen import ListenError

FIRST_DESCRIPTOR = 3


def inherited(environ: Mapping[str, str], first: int = FIRST_DESCRIPTOR) -> list[socket.socket]:
    """Return the sockets that systemd passed. Raises ListenError if there are none, or one that can't be served on."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal() or int(count) == 0:
        raise ListenError(
            "no socket activation file descriptors found: start the exporter by a systemd .socket unit, "
            "or leave --web.systemd-socket out"
        )
    return [_listening(descriptor) for descriptor in range(first, first + int(count))]


def _listening(descriptor: int) -> socket.socket:
    try:
        handed = socket.socket(fileno=descriptor)
        listens = handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    except OSError as error:
        raise ListenError(f"file descriptor {descriptor}, which systemd handed over, is no socket") from error
    if handed.type != socket.SOCK_STREAM or not listens:
        handed.detach()
        raise ListenError(
            f"file descriptor {descriptor}, which systemd handed over, does not listen for connections: "
            "its .socket unit needs ListenStream= and Accept=no"
        )
    handed.set_inheritable(False)
    return handed
