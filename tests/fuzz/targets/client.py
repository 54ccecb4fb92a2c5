"""What a server answers the client, as bytes of a connection; and what a presigned URL may be."""

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress

from exporter.client import Request
from exporter.client.download import SecretUrl, download
from exporter.client.transport import FileTransport, RequestLimits
from exporter.model.record import FetchError
from exporter.model.tls import TLSConfig
from tests.fuzz.mutators import BYTES, json_values, lines, spliced, words
from tests.fuzz.target import Target, readable
from tests.support import hostile
from tests.support.canaries import canary, holds
from tests.support.hosts import at, ipv4
from tests.support.odd import SHAPES
from tests.support.patience import GENEROUS
from tests.support.rig import client

_TOKEN = canary("token.fuzz")
_SERVER = canary("server.fuzz")
_MOST_BYTES = 1024 * 1024
_DEADLINE = GENEROUS
"""The server ends each connection when it has sent the answer, so that none takes so long."""
_WORDS = words(
    *(
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        ": ",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 ",
        "HTTP/2 ",
        "HTTP/0.9 ",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ),
    *(
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: -1\r\n",
    ),
    *(
        "Content-Encoding: gzip\r\n",
        "Content-Encoding: deflate\r\n",
        "Content-Encoding: br\r\n",
        "Content-Encoding: zstd\r\n",
    ),
    *(
        "Content-Encoding: gzip, gzip, deflate\r\n",
        "Content-Encoding: identity, ,\r\n",
        "Connection: keep-alive\r\n",
        "Upgrade: h2c\r\n",
    ),
    *(
        "0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "-1\r\n",
        "5;x=y\r\n",
        "Location: http://[::1\r\n",
        "Set-Cookie: a=b; Domain=.\r\n",
    ),
    *(
        "Retry-After: 1e9\r\n",
        "X-RateLimit-Remaining: 0\r\n",
        "Content-Type: text/html; charset=\xff\r\n",
        " continued\r\n",
        "\x00",
        _SERVER,
    ),
    b"\x1f\x8b\x08\x00",
    b"\x28\xb5\x2f\xfd",
)


class _Server:
    """Answers each connection with the present bytes, and ends it."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(_DEADLINE)
            connection.recv(65_536)
            connection.sendall(self.answer)
            connection.shutdown(socket.SHUT_WR)
            # What the client still sends would make the system reset the connection, and drop the answer.
            while connection.recv(65_536):
                pass

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _bombs() -> Iterator[bytes]:
    """Yield answers that become large when they are decompressed."""
    zeros = b"0" * (64 * _MOST_BYTES)
    once, raw = gzip.compress(zeros), zlib.compress(zeros)
    yield hostile.http("200 OK", once[:60_000], "Content-Encoding: gzip")
    yield hostile.http("200 OK", gzip.compress(once), "Content-Encoding: gzip, gzip")
    yield hostile.http("200 OK", zlib.compress(raw), "Content-Encoding: deflate, deflate")
    yield hostile.http("500 Internal Server Error", gzip.compress(once), "Content-Encoding: gzip, gzip")


def _seeds() -> Iterator[bytes]:
    shape = SHAPES[0]
    page = shape.body([{"id": "rb_1", **shape.good}])
    yield hostile.http("200 OK", page, "Content-Type: application/json")
    yield hostile.http("200 OK", gzip.compress(page), "Content-Encoding: gzip")
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX: y\r\n\r\n" % (len(page), page)
    yield b"HTTP/1.1 200 OK\r\n\r\n" + page
    yield hostile.http(
        "429 Too Many Requests", "{}", "Retry-After: 7", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 9"
    )
    yield hostile.http(
        "401 Unauthorized", json.dumps({"message": _TOKEN, "status": 401, "code": _TOKEN, "errors": [1]})
    )
    yield from (answer(_TOKEN, _SERVER) for answer in hostile.KINDS.values())
    yield from _bombs()


def _quiet(error: FetchError, *secrets: str) -> None:
    readable(error)
    message = str(error)
    assert len(message) < 500
    assert not any(holds(message.encode(), secret) for secret in ("token.fuzz", *secrets)), message


@contextmanager
def _client() -> Iterator[Target]:
    server = _Server()
    asking = {
        system: client(
            server.url,
            token=lambda: _TOKEN,
            deadline=_DEADLINE,
            system=system,
            limits=RequestLimits(response_bytes=_MOST_BYTES),
        ).for_poll(1)
        for system in ("inkit", "packagex")
    }

    def check(data: bytes) -> None:
        server.answer = data
        for system, each in asking.items():
            try:
                answer = each.get(Request("/batch", "/batch"))
            except FetchError as error:
                # A message of PackageX is quoted in part.
                _quiet(error, *([] if system == "packagex" else ["server.fuzz"]))
            else:
                assert isinstance(answer, (dict, list))

    seeds = list(_seeds())
    try:
        yield Target(
            "client", check, seeds, (*BYTES, _WORDS, _WORDS, _WORDS, lines(b"\r\n"), spliced(seeds), _body), cost=8.0
        )
    finally:
        for each in asking.values():
            each.close()
        server.close()


def _body(data: bytes, source: object) -> bytes:
    """Change a value of the JSON in the body, and the length with it."""
    head, separator, body = data.partition(b"\r\n\r\n")
    changed = json_values(body, source)  # type: ignore[arg-type]
    return head.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % len(changed)) + separator + changed


@contextmanager
def _files() -> Iterator[Target]:
    server = _Server()
    # Every name leads here: nothing is sent to any other machine.
    transport = FileTransport(TLSConfig(), None, "127.0.0.1", at(ipv4(server.port)))

    def check(data: bytes) -> None:
        server.answer = hostile.http("200 OK", data)
        try:
            with download(transport, SecretUrl(data.decode("utf-8", "surrogateescape")), _DEADLINE) as body:
                assert b"".join(body.parts) == data
        except FetchError as error:
            readable(error, _SERVER)

    seeds = [
        f"http://127.0.0.1/files/{_SERVER}?sig=1".encode(),
        b"http://localhost:8080/",
        b"https://[::1]:4430/x%20y#z",
    ]
    seeds.append("http://b\u00fccher.example/\u6771?x=\u4eac".encode())
    vocabulary = words(
        *(
            "http://",
            "https://",
            "HTTP://",
            "@",
            ":",
            "/",
            "\\",
            "?",
            "#",
            "[",
            "]",
            "%",
            "127.0.0.1",
            ":8080",
            ":99999",
            " ",
            "\t",
        ),
        *("..", "\u3002", "xn--", "\u00df", "." * 70, "x" * 70, "%zz", "%00", "[::1%25x]", "0x7f.1", _SERVER),
    )
    try:
        yield Target("file-url", check, seeds, (*BYTES, vocabulary, vocabulary, spliced(seeds)), cost=4.0)
    finally:
        transport.close()
        server.close()


TARGETS: Mapping[str, Callable[[], AbstractContextManager[Target]]] = {"client": _client, "file-url": _files}
