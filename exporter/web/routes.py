"""What the exporter's pages answer: metrics, the pages for people, and the two probes. How HTTP carries it: app.py."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from exporter import __version__
from exporter.config.diff import Outcome
from exporter.exposition.boot_clock import ticks as boot_ticks
from exporter.exposition.negotiation import everything_refused, json_preferred
from exporter.exposition.scrape import Exposition
from exporter.exposition.snapshot import Snapshot, SnapshotStore
from exporter.web.messages import Handler, Request, Response, text
from exporter.web.pages.failures import failures_page
from exporter.web.pages.failures_query import BadQuery, Query, as_json, choose
from exporter.web.pages.html import Link, headers, page
from exporter.web.pages.landing import landing
from exporter.web.pages.problems import problems
from exporter.web.pages.runbooks import PAGE as RUNBOOKS
from exporter.web.pages.runbooks import runbooks_page

_VARY = ("vary", "Accept, Accept-Encoding")


@dataclass(frozen=True, slots=True)
class Probes:
    """What the rest of the program tells about itself. Called at each request: to be quick, and never to raise."""

    healthy: Callable[[], bool]
    """Are the poll loops alive."""
    ready: Callable[[], bool]
    """Has every collector that there should be read its window once."""
    reload_failed: Callable[[], Outcome | None] = lambda: None
    """How the last reload failed; None if it did not."""


def routes(
    exposition: Exposition,
    board: SnapshotStore,
    probes: Probes,
    telemetry_path: str,
    clock: Callable[[], float] = time.time,
    ticks: Callable[[], float] = boot_ticks,
) -> dict[str, dict[str, Handler]]:
    """The table of routes, to which others may be added. The metrics win where two want the same path."""
    links = (
        Link("/", "Overview"),
        Link("/failures", "Failed records"),
        Link(RUNBOOKS, "Runbooks"),
        Link(telemetry_path, "Metrics"),
        Link("/-/healthy", "Healthy"),
        Link("/-/ready", "Ready"),
    )

    def overview(_: Request) -> Response:
        snapshot, now = board.snapshot, clock()
        found = problems(snapshot, now, ticks(), healthy=probes.healthy(), reload_failed=probes.reload_failed())
        return _html(page("batch-exporter", links, "/", landing(__version__, found, snapshot.collectors, now)))

    def failed(request: Request) -> Response:
        return _failures(request, board.snapshot, links, clock())

    # Read at the start: an incident is too late to find that the file is missing.
    runbooks = _html(page("Runbooks - batch-exporter", links, RUNBOOKS, runbooks_page()))

    return {
        "/": {"GET": overview},
        "/failures": {"GET": failed},
        RUNBOOKS: {"GET": lambda _: runbooks},
        "/-/healthy": {"GET": lambda _: _healthy(probes)},
        "/-/ready": {"GET": lambda _: _ready(probes, board)},
        telemetry_path: {
            "GET": lambda request: _metrics(exposition, request, functools.partial(board.scraped, ticks()))
        },
    }


def _html(body: bytes) -> Response:
    return Response(200, "text/html; charset=utf-8", (body,), (*headers(), ("vary", "Accept")))


def _failures(request: Request, snapshot: Snapshot, links: Sequence[Link], now: float) -> Response:
    """In the format that is named; where none is, in the one that is accepted."""
    try:
        query = Query.of(request.query)
    except BadQuery as error:
        return text(400, f"{error}.")
    chosen = choose(snapshot.collectors, query)
    if query.format == "json" or (not query.format and json_preferred(request.headers.get("accept", ""))):
        return Response(200, "application/json", (as_json(chosen),), (("vary", "Accept"),))
    html = failures_page(snapshot.collectors, query, chosen, now)
    return _html(page("Failed records - batch-exporter", links, "/failures", html))


def _metrics(exposition: Exposition, request: Request, on_sent: Callable[[], None]) -> Response:
    codings = request.headers.get("accept-encoding", "")
    if everything_refused(codings):
        return text(406, "Not acceptable: ask for gzip or identity, or leave Accept-Encoding out.", _VARY)
    # Other parameters are ignored, as every exporter does: Prometheus' `params` may be meant for a proxy before it.
    names = [one for one in request.query.get("name[]", ()) if one]
    scrape = exposition.render(request.headers.get("accept", ""), codings, names)
    encoding = (("content-encoding", scrape.content_encoding),) if scrape.content_encoding else ()
    return Response(200, scrape.content_type, scrape.chunks, (*encoding, _VARY), on_sent)


def _healthy(probes: Probes) -> Response:
    if probes.healthy():
        return text(200, "batch-exporter is healthy.")
    return text(503, "batch-exporter is not healthy: a poll loop has ended; its log says why.")


def _ready(probes: Probes, board: SnapshotStore) -> Response:
    if probes.ready():
        return text(200, "batch-exporter is ready.")
    reading = [f"{c.account}/{c.collector}" for c in board.snapshot.collectors if not c.health.ready]
    what = f"still reading the window: {', '.join(reading)}" if reading else "some collectors were never polled yet"
    return text(503, f"batch-exporter is not ready: {what}.")
