"""Name this process among all replicas."""

import secrets
import socket


def holder_id() -> str:
    """Return a name for this process that no other process has ever had, beginning with the name of the host."""
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"
