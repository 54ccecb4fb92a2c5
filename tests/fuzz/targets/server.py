"""What clients send to the server, as bytes of a connection to one that runs."""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager

from prometheus_client.registry import CollectorRegistry

from exporter.config.diff import Outcome
from exporter.exposition.scrape import Exposition
from exporter.exposition.snapshot import SnapshotStore
from exporter.web.app import App
from exporter.web.routes import Probes
from exporter.web.server.connection import Limits
from exporter.web.server.listen import listen
from exporter.web.server.server import Server
from tests.fuzz.mutators import BYTES, lines, spliced, words
from tests.fuzz.target import Target
from tests.support.examples import with_problems
from tests.support.patience import GENEROUS
from tests.support.serving import GET, WIDE, Place, connect, read_answers, read_to_end

_MARK = "<qzcanary>"
_STATUSES = {200, 400, 403, 404, 405, 406, 408, 429, 501, 503}
_ANSWER = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*\r\n")
_LIMITS = Limits(request_seconds=GENEROUS, answer_seconds=GENEROUS)
_WORDS = words(
    *(
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        ": ",
        " ",
        "\t",
        "GET ",
        "HEAD ",
        "POST ",
        "OPTIONS ",
        "TRACE ",
        "PRI ",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
    ),
    *(
        "/metrics",
        "/failures",
        "/-/ready",
        "/-/reload",
        "/runbooks",
        "//",
        "/../",
        "%2e%2e",
        "%00",
        "%",
        "?",
        "&",
        "=",
        "#",
        "name[]=",
        _MARK,
    ),
    *(
        "account=",
        "limit=",
        "format=json",
        "limit=9",
        "collector=",
        "destination=",
        "Host: x\r\n",
        "Host: \r\n",
        "Expect: 100-continue\r\n",
    ),
    *(
        "Content-Length: 5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
    ),
    *(
        "Accept: application/json\r\n",
        "Accept-Encoding: gzip\r\n",
        "Accept-Encoding: *;q=0\r\n",
        "Authorization: Basic Og==\r\n",
    ),
    *(
        "Sec-Fetch-Site: cross-site\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        " folded\r\n",
        "\x00",
        "\xff",
    ),
)
_SEEDS = [
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text;q=0.5\r\nAccept-Encoding: gzip\r\n\r\n",
    b"GET /metrics?name[]=inkit_batches&name[]=x HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /failures?account={_MARK}&limit=10&format=json HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    b"GET /failures?collector=batches&destination=sepire HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n",
    f"GET /{_MARK} HTTP/1.1\r\nHost: {_MARK}\r\n\r\n".encode(),
    b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + GET,
    b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /-/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    GET * 3,
]


class _Complaints(logging.Handler):
    """Keeps what is logged that is more than a warning, or has a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno > logging.WARNING:
            self.found.append(f"{record.getMessage()} {record.exc_info}")


def _app() -> App:
    store: SnapshotStore = with_problems()

    def reload() -> "Future[Outcome]":
        done: Future[Outcome] = Future()
        done.set_result(Outcome(True, "reloaded"))
        return done

    return App(
        Exposition(store, [WIDE], CollectorRegistry()),
        store,
        Probes(lambda: True, lambda: "backfilling"),
        reload=reload,
        max_requests=5,
    )


@contextmanager
def _server() -> Iterator[Target]:
    complaints = _Complaints()
    root = logging.getLogger()
    level = root.level
    root.addHandler(complaints)
    root.setLevel(logging.WARNING)
    sockets = listen("127.0.0.1:0")
    place: Place = sockets[0].getsockname()
    server = Server(_app(), sockets, _LIMITS)
    server.start()

    def check(data: bytes) -> None:
        complaints.found.clear()
        with connect(place) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(data)
            with contextlib.suppress(OSError):
                client.shutdown(1)
            answer = read_to_end(client)
        assert not answer or _ANSWER.match(answer), answer[:200]
        assert {int(status) for status in _ANSWER.findall(answer)} <= _STATUSES, answer[:200]
        assert _MARK.encode() not in answer
        with connect(place) as client:
            client.sendall(GET)
            read_answers(client, 1)
        assert not complaints.found

    try:
        yield Target(
            "server", check, _SEEDS, (*BYTES, _WORDS, _WORDS, _WORDS, lines(b"\r\n"), spliced(_SEEDS)), cost=4.0
        )
    finally:
        assert server.stop(GENEROUS)
        root.removeHandler(complaints)
        root.setLevel(level)


TARGETS: Mapping[str, Callable[[], AbstractContextManager[Target]]] = {"server": _server}
