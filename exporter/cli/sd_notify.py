"""Notify the service manager: sd_notify(3), the protocol of systemd's Type=notify, in plain Python."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

_VARIABLE = "NOTIFY_SOCKET"


class ServiceManager:
    """Notifies the service manager of the program's state, where NOTIFY_SOCKET names its socket."""

    def __init__(self, environ: Mapping[str, str] = os.environ, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock` gives nanoseconds of CLOCK_MONOTONIC."""
        self._address = _address(environ.get(_VARIABLE, ""))
        self._clock = clock

    def ready(self) -> None:
        """Report that the program serves, or that a reload is over."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Report that a reload begins. `ready` must follow."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={self._clock() // 1000}")

    def stopping(self) -> None:
        """Report that the program ends."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sending:
                sending.settimeout(1.0)
                sending.connect(self._address)
                sending.sendall(message.encode())
        except OSError as error:
            extra = {"err": str(error), "state": message.partition("=")[0]}
            log.warning("notifying the service manager failed", extra=extra)


def _address(name: str) -> str | None:
    """Return the socket's address for a path, or for `@` and a name in Linux's abstract namespace; else None."""
    if name.startswith("@"):
        return f"\0{name[1:]}"
    return name if name.startswith("/") else None
