"""What the exporter's pages answer: metrics, the landing page, and the two probes. How HTTP carries it: app.py."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from exporter import __version__
from exporter.exposition import Exposition
from exporter.snapshot import Board
from exporter.web.landing import Link, content_security_policy, page
from exporter.web.messages import Handler, Request, Response, text

_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Probes:
    """What the rest of the program tells about itself. Called at each request: to be quick, and never to raise."""

    healthy: Callable[[], bool]
    """Are the poll loops alive."""
    ready: Callable[[], bool]
    """Has every collector that there should be read its window once."""


def routes(
    exposition: Exposition,
    board: Board,
    probes: Probes,
    telemetry_path: str,
    clock: Callable[[], float] = time.time,
) -> dict[str, dict[str, Handler]]:
    """The table of routes, to which others may be added. The metrics win where two want the same path."""

    def landing(_: Request) -> Response:
        html = page(__version__, board.snapshot, _links(telemetry_path), clock())
        return Response(200, _HTML, (html,), (("content-security-policy", content_security_policy()),))

    return {
        "/": {"GET": landing},
        "/-/healthy": {"GET": lambda _: _healthy(probes)},
        "/-/ready": {"GET": lambda _: _ready(probes, board)},
        telemetry_path: {"GET": lambda request: _metrics(exposition, request)},
    }


def _links(telemetry_path: str) -> tuple[Link, ...]:
    return (
        Link(telemetry_path, "Metrics", "what Prometheus scrapes"),
        Link("/-/healthy", "Healthy", "whether the exporter works"),
        Link("/-/ready", "Ready", "whether every collector has read its window once"),
    )


def _metrics(exposition: Exposition, request: Request) -> Response:
    scrape = exposition.render(
        request.headers.get("accept", ""),
        request.headers.get("accept-encoding", ""),
        request.query.get("name[]", ()),
    )
    encoding = (("content-encoding", scrape.content_encoding),) if scrape.content_encoding else ()
    return Response(200, scrape.content_type, scrape.chunks, (*encoding, ("vary", "Accept, Accept-Encoding")))


def _healthy(probes: Probes) -> Response:
    if probes.healthy():
        return text(200, "batch-exporter is healthy.")
    return text(503, "batch-exporter is not healthy: a poll loop has ended; its log says why.")


def _ready(probes: Probes, board: Board) -> Response:
    if probes.ready():
        return text(200, "batch-exporter is ready.")
    reading = [f"{c.account}/{c.collector}" for c in board.snapshot.collectors if not c.health.ready]
    what = f"still reading the window: {', '.join(reading)}" if reading else "some collectors were never polled yet"
    return text(503, f"batch-exporter is not ready: {what}.")
