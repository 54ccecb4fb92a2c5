"""A TCP proxy to a Unix socket that can become a black hole: in one direction, or in both."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

REQUESTS, ANSWERS = "requests", "answers"
_SIZE = 65536


class TcpProxy:
    """Forward connections on a free port. What a black hole holds back arrives once it is closed, as on a network."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._open = {REQUESTS: threading.Event(), ANSWERS: threading.Event()}
        self._ended = False
        self._trap: bytes | None = None
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.forward()

    def hold(self, *directions: str) -> None:
        """Forward nothing in these directions, the end of a connection included."""
        for direction in directions:
            self._open[direction].clear()

    def hold_at(self, text: bytes) -> None:
        """Become a black hole in both directions with the next request that has this text. It is held back, too."""
        self._trap = text

    @property
    def forwards(self) -> bool:
        """Whether it is no black hole."""
        return all(opened.is_set() for opened in self._open.values())

    def forward(self) -> None:
        """Forward all, beginning with what was held back."""
        for opened in self._open.values():
            opened.set()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self.forward()

    def _start(self, function: object, *arguments: object) -> None:
        threading.Thread(target=function, args=arguments, daemon=True).start()  # type: ignore[arg-type]

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.socket(socket.AF_UNIX)
        with client, server:
            with self._lock:
                self._sockets |= {client, server}
            try:
                server.connect(self._target)
                answers = threading.Thread(target=self._copy, args=(server, client, ANSWERS), daemon=True)
                answers.start()
                self._copy(client, server, REQUESTS)
                answers.join()
            except OSError:
                # There is no database at the moment: the client sees its connection end.
                pass
            finally:
                with self._lock:
                    self._sockets -= {client, server}

    def _copy(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        """Copy until the end. If either side is gone, the other one learns of it, too."""
        data = b"-"
        while data:
            try:
                data = source.recv(_SIZE)
            except OSError:
                data = b""
            if direction == REQUESTS and self._trap is not None and self._trap in data:
                self._trap = None
                self.hold(REQUESTS, ANSWERS)
            self._open[direction].wait()
            try:
                if data:
                    target.sendall(data)
                else:
                    target.shutdown(socket.SHUT_WR if direction == REQUESTS else socket.SHUT_RDWR)
            except OSError:
                data = b""
