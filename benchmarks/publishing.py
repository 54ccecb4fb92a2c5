"""The figures of many collectors: publishing, scrapes and pages with thousands of them. Printing is not here."""

import gc
import itertools
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks import asking, load
from benchmarks.bench import Bench
from benchmarks.crowd import Crowd
from benchmarks.measure import memory
from benchmarks.report import Row, mebibytes, milliseconds, number
from benchmarks.serving import METRICS, Form
from exporter.exposition.catalog import catalog
from exporter.exposition.scrape import Exposition
from exporter.systems import families
from exporter.web.app import App
from exporter.web.routes import Probes
from exporter.web.server.listen import listen
from exporter.web.server.server import Server

_PROMETHEUS = Form(openmetrics=True, compressed=True)
_SCRAPERS = 2
_POLLS_PER_SECOND = 100
_SCRAPE_SECONDS = 1.0
_PROBE_SECONDS = 0.05
_SHARE = 4
"""One in so many collectors polls between two scrapes: at 60 s and 15 s."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of CPU time, but for the memory in bytes."""

    quiet: float
    changed: float
    kept: float
    """A scrape after a share of the collectors has polled, without changes."""
    anew: float
    """A scrape with nothing kept."""
    memory: int
    """Of the process, above what it was before."""


def figures(bench: Bench) -> Iterator[Row]:
    """Yield all rows of the table as they are measured."""
    many, few = bench.sizes.crowd, 1
    bench.tell(f"{number(3 * many)} collectors that publish")
    large, small = (bench.alone(costs, accounts, bench.sizes.polls, bench.sizes.rounds) for accounts in (many, few))
    where = f"{number(3 * many)} collectors"
    yield Row(
        "publishing a quiet poll",
        where,
        milliseconds(large.quiet),
        f"{3 * few}: {milliseconds(small.quiet)}",
        f"{large.quiet / small.quiet:.2f}",
        "at most 2",
    )
    yield Row(
        "publishing a quiet poll, not one after which all has changed",
        where,
        milliseconds(large.quiet),
        f"all changed: {milliseconds(large.changed)}",
        f"{large.quiet / large.changed:.2f}",
        "at most 0.2",
    )
    yield Row(
        f"a scrape made after 1/{_SHARE} of the collectors have polled ({_PROMETHEUS})",
        where,
        milliseconds(large.kept),
        f"nothing kept: {milliseconds(large.anew)}",
        f"{large.kept / large.anew:.2f}",
        "at most 0.3",
    )
    yield Row("memory of what is published and scraped", where, mebibytes(large.memory), "", "", "at most 150 MiB")
    bench.tell(f"requests of {number(many)} accounts")
    asked = bench.alone(asking.costs, many, bench.sizes.rounds)
    yield Row(
        "metrics about requests in a scrape, after 3/4 of the accounts have made one (OpenMetrics, not compressed)",
        f"{number(many)} accounts, {number(asked.series)} series",
        milliseconds(asked.ours),
        f"prometheus_client: {milliseconds(asked.library)}",
        f"1/{asked.library / asked.ours:,.0f}",
        "at most 1/20",
    )
    bench.tell(f"scrapes of {number(3 * many)} collectors beside their polls")
    scrapes, probes = _held(bench, many)
    yield Row(
        f"a scrape served beside polls ({_PROMETHEUS})",
        f"{where}, {_POLLS_PER_SECOND} polls a second, {_SCRAPERS} scrapers each second, the longest",
        milliseconds(scrapes),
        "",
        "",
        "at most 1 s",
    )
    yield Row(
        "a probe beside these scrapes",
        f"{where}, the longest",
        milliseconds(probes),
        f"the scrape: {milliseconds(scrapes)}",
        f"{probes / scrapes:.2f}",
        "",
    )


def costs(accounts: int, polls: int, rounds: int) -> Costs:
    """Return what publishing and scraping cost with so many accounts: the medians of so many rounds."""
    before = memory()[0]
    later = itertools.count(0.0, 2.0)
    crowd = Crowd(accounts, lambda: 0.0)

    def exposition() -> Exposition:
        return Exposition(crowd.store, catalog(families()), crowd.live.registry, lambda: next(later))

    def scrape(exposition: Exposition) -> None:
        exposition.render(_PROMETHEUS.accept, _PROMETHEUS.codings)

    def poll() -> None:
        for member in itertools.islice(itertools.cycle(crowd.members), polls):
            member.poll()

    used = exposition()
    scrape(used)
    gc.collect()
    held = memory()[0] - before
    turns = []
    for turn in range(rounds):
        for member in crowd.members[:polls]:
            member.records = 1_000 + turn
        changed = _spent(poll) / polls
        quiet = _spent(poll) / polls
        scrape(used)
        for member in crowd.members[::_SHARE]:
            member.ask()
            member.poll()
        turns.append((quiet, changed, _spent(lambda: scrape(used)), _spent(lambda: scrape(exposition()))))
    quiet, changed, kept, anew = (statistics.median(each) for each in zip(*turns, strict=True))
    return Costs(quiet, changed, kept, anew, held)


def _spent(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _held(bench: Bench, accounts: int) -> tuple[float, float]:
    """Return the seconds of the longest of several scrapes at once, and of the longest probe, while accounts poll."""
    scrapes: list[float] = []
    probes: list[float] = []
    over = threading.Event()

    def ask(path: str, connections: int) -> list[float]:
        return load.hold(address, path, _PROMETHEUS.headers, connections, 0.0)

    def probe() -> None:
        while not over.wait(_PROBE_SECONDS):
            probes.extend(ask("/-/healthy", 1))

    with _served(accounts, bench.apart) as address:
        # The first scrape compresses everything.
        ask(METRICS, 1)
        probing = threading.Thread(target=probe)
        probing.start()
        for _ in range(bench.sizes.scrape_rounds):
            over.wait(_SCRAPE_SECONDS)
            scrapes.extend(ask(METRICS, _SCRAPERS))
        over.set()
        probing.join()
    return max(scrapes), max(probes)


@contextmanager
def _served(accounts: int, apart: bool) -> Iterator[tuple[str, int]]:
    """Serve so many accounts that poll, and yield the address."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    kind = spawning.Process if apart else threading.Thread
    worker = kind(target=_serve, args=(theirs, accounts), daemon=True)
    worker.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        worker.join()


def _serve(connection: "Connection[object, object]", accounts: int) -> None:
    crowd = Crowd(accounts)
    exposition = Exposition(crowd.store, catalog(families()), crowd.live.registry)
    sockets = listen("127.0.0.1:0")
    server = Server(App(exposition, crowd.store, Probes(lambda: True, lambda: None), telemetry_path=METRICS), sockets)
    server.start()
    connection.send(sockets[0].getsockname()[:2])
    for member in itertools.cycle(crowd.members):
        if connection.poll(1 / _POLLS_PER_SECOND):
            break
        member.ask()
        member.poll()
    server.stop()
