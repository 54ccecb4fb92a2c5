"""A server that sends just the bytes a test wants, also those that no proper server sends."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Scripted:
    """What it was asked, and where it is."""

    url: str
    asked: list[bytes] = field(default_factory=list)
    """The heads of the requests."""
    sent: int = 0
    """Bytes, of all answers together."""


@contextmanager
def scripted(
    *pieces: bytes, every: float = 0.0, before: Callable[[int], object] = lambda _: None
) -> Iterator[Scripted]:
    """Answer each connection with the pieces, `every` so many seconds, and end it. Yields the server.

    `before` is called with the number of each piece before that is sent.
    """
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    server = Scripted(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def converse(connection: socket.socket) -> None:
        # A client may close its connection early.
        with connection, suppress(OSError):
            server.asked.append(connection.recv(65_536))
            for number, piece in enumerate(pieces):
                before(number)
                connection.sendall(piece)
                server.sent += len(piece)
                if ended.wait(every):
                    return

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=converse, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        ended.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
