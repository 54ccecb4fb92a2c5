"""What the service manager is told: sd_notify(3), as systemd has it for Type=notify, in plain Python."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

_VARIABLE = "NOTIFY_SOCKET"


class ServiceManager:
    """Tells the service manager what the program is doing, where there is one that wants to know."""

    def __init__(self, environ: Mapping[str, str] = os.environ, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock` gives nanoseconds of CLOCK_MONOTONIC."""
        self._address = _address(environ.get(_VARIABLE, ""))
        self._clock = clock

    def ready(self) -> None:
        """Say that the program serves, or that a reload is over."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that a reload begins. `ready` must follow."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={self._clock() // 1000}")

    def stopping(self) -> None:
        """Say that the program ends."""
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
            log.warning(
                "the service manager can't be told", extra={"err": str(error), "told": message.partition("=")[0]}
            )


def _address(name: str) -> str | None:
    """From the variable to a socket's address: a path, or a name of Linux's abstract namespace, which begins with @."""
    if name.startswith("@"):
        return f"\0{name[1:]}"
    return name if name.startswith("/") else None
