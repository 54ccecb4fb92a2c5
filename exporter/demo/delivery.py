"""Write a response to a connection, with or without a fault."""

import socket
import struct
import threading

from exporter.demo.faults import Delivery, Fault
from exporter.demo.http_types import Answer

_CHUNK = b" " * 65_536
_LINGER_0 = struct.pack("ii", 1, 0)


def deliver(connection: socket.socket, answer: Answer, fault: Fault, stopped: threading.Event) -> bool:
    """Send a response with a fault; waiting ends when `stopped` is set.

    Return whether the connection can take another request. Raises OSError if the client has gone.
    """
    if stopped.wait(fault.latency) if fault.latency else stopped.is_set():
        return False
    match fault.delivery:
        case Delivery.WHOLE:
            connection.sendall(answer.head(len(answer.body)) + answer.body)
            return True
        case Delivery.TRUNCATED:
            connection.sendall(answer.head(len(answer.body)) + answer.body[: len(answer.body) // 2])
        case Delivery.DRIPPED:
            connection.sendall(answer.head(len(answer.body)))
            return _drip(connection, answer.body, fault.every, stopped)
        case Delivery.DRIPPED_HEAD:
            return _drip(connection, answer.head(len(answer.body)) + answer.body, fault.every, stopped)
        case Delivery.HUGE:
            _pour(connection, answer, fault, stopped)
        case Delivery.RESET:
            # With a linger time of 0, closing sends a reset instead of a FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        case Delivery.HUNG:
            stopped.wait()
    return False


def _drip(connection: socket.socket, content: bytes, every: float, stopped: threading.Event) -> bool:
    for byte in content:
        if stopped.wait(every):
            return False
        connection.sendall(bytes([byte]))
    return True


def _pour(connection: socket.socket, answer: Answer, fault: Fault, stopped: threading.Event) -> None:
    connection.sendall(answer.head(fault.size if fault.declared else None))
    left = fault.size
    while left > 0 and not stopped.is_set():
        connection.sendall(_CHUNK[: min(left, len(_CHUNK))])
        left -= len(_CHUNK)
