"""The exporter serving made-up series, at rest or while it polls, in a process of its own. Nothing is judged."""

import gzip
import itertools
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_exposition

from benchmarks import measure, series
from exporter.exposition.scrape import LIVE_SECONDS, Exposition
from exporter.exposition.snapshot import SnapshotStore
from exporter.web.app import App
from exporter.web.messages import Request, Response
from exporter.web.routes import Probes
from exporter.web.server.listen import listen
from exporter.web.server.server import Server

METRICS, FILE = "/metrics", "/file"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""The Accept header of Prometheus 3."""


@dataclass(frozen=True, slots=True)
class Form:
    """A format and a compression, as a scraper asks for them."""

    openmetrics: bool
    compressed: bool

    def __str__(self) -> str:
        return f"{'OpenMetrics' if self.openmetrics else 'text'}, {'gzip' if self.compressed else 'not compressed'}"

    @property
    def accept(self) -> str:
        return PROMETHEUS if self.openmetrics else "text/plain;version=0.0.4"

    @property
    def codings(self) -> str:
        return "gzip" if self.compressed else "identity"

    @property
    def headers(self) -> dict[str, str]:
        return {"Accept": self.accept, "Accept-Encoding": self.codings}


FORMS = [Form(openmetrics, compressed) for openmetrics in (False, True) for compressed in (False, True)]


@dataclass(frozen=True, slots=True)
class Rendered:
    """Seconds for making a scrape, and how much it is."""

    kept: float
    """By the exporter, where no line of the collectors has changed; with the live metrics rendered again."""
    full: float
    """By the exporter, where every family has."""
    library: float
    series: int
    size: int


def rendered(count: int, form: Form, rounds: int) -> Rendered:
    """Render so many series with the exporter and with the client library, in turns, and return the medians."""
    store = _store(count)
    live = series.live(count, store)
    later = itertools.count(0.0, 2 * LIVE_SECONDS)
    library = series.Library(count, live.registry)
    encode = openmetrics_exposition.generate_latest if form.openmetrics else generate_latest

    def exposition() -> Exposition:
        return Exposition(store, series.families(), live.registry, lambda: next(later))

    def scrape(exposition: Exposition) -> bytes:
        return b"".join(exposition.render(form.accept, form.codings).chunks)

    def theirs() -> bytes:
        plain: bytes = encode(library)
        return gzip.compress(plain) if form.compressed else plain

    used = exposition()
    size = len(scrape(used))
    works = (lambda: scrape(used), lambda: scrape(exposition()), theirs)
    turns = [[_taken(work) for work in works] for _ in range(rounds)]
    kept, full, of_library = (statistics.median(each) for each in zip(*turns, strict=True))
    shown = sum(not line.startswith(b"#") for line in encode(library).splitlines())
    return Rendered(kept, full, of_library, shown, size)


@contextmanager
def served(count: int, polled: tuple[str, Path] | None, apart: bool = True) -> Iterator[tuple[str, int]]:
    """Serve so many series until the end, and yield the address. `polled`: an API to poll meanwhile, and a folder.

    `apart`: in a process of its own, otherwise in a thread.
    """
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    worker = (
        spawning.Process(target=_serve, args=(theirs, count, polled), daemon=True)
        if apart
        else threading.Thread(target=_serve, args=(theirs, count, polled), daemon=True)
    )
    worker.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        worker.join()


def _serve(connection: "Connection[object, object]", count: int, polled: tuple[str, Path] | None) -> None:
    store = _store(count)
    live = series.live(count, store)
    exposition = Exposition(store, series.families(), live.registry)
    app = App(exposition, store, Probes(lambda: True, lambda: None), telemetry_path=METRICS)
    app.routes[FILE] = {"GET": _file(exposition)}
    sockets = listen("127.0.0.1:0")
    server = Server(app, sockets)
    stop = threading.Event()
    polling = [] if polled is None else _polling(*polled, store, stop)
    server.start()
    for thread in polling:
        thread.start()
    connection.send(sockets[0].getsockname()[:2])
    connection.recv()
    stop.set()
    server.stop()
    for thread in polling:
        thread.join(1.0)


def _store(count: int) -> SnapshotStore:
    store = SnapshotStore()
    for snapshot in series.snapshots(count):
        store.publish(snapshot)
    return store


def _file(exposition: Exposition) -> Callable[[Request], Response]:
    """Return a page that serves scrapes rendered beforehand, whatever changes: it does the least possible work."""
    bodies = {
        form.accept + form.codings: b"".join(exposition.render(form.accept, form.codings).chunks) for form in FORMS
    }

    def page(request: Request) -> Response:
        return Response(200, "text/plain", (bodies[request.headers["accept"] + request.headers["accept-encoding"]],))

    return page


def _polling(url: str, folder: Path, store: SnapshotStore, stop: threading.Event) -> list[threading.Thread]:
    """Return two threads: one backfills a collector again and again, the other polls one each second, until `stop`."""

    def read() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            measure.read_window(url, _made(folder / f"{number}"), "invocations", store)

    def poll() -> None:
        measure.poll_each_second(url, _made(folder / "polled"), "document_batches", store, stop)

    return [threading.Thread(target=work, daemon=True) for work in (read, poll)]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _taken(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
