"""Answer the exporter's paths: metrics, the pages for people, and the two probes. HTTP itself is in app.py."""

import asyncio
import functools
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from exporter import __version__
from exporter.config.diff import Outcome
from exporter.exposition.boot_clock import ticks as boot_ticks
from exporter.exposition.negotiation import everything_refused, gzip_preferred, json_preferred, openmetrics_preferred
from exporter.exposition.scrape import LIVE_SECONDS, Exposition, Scrape, content_type
from exporter.exposition.snapshot import Elsewhere, SnapshotStore
from exporter.model.replica_status import ReplicaStatus
from exporter.web.background import OneAtATime, Shared
from exporter.web.messages import Answer, Handler, Request, Response, text
from exporter.web.pages.failures import failures_page
from exporter.web.pages.failures_query import BadQuery, Query, as_json, choose
from exporter.web.pages.html import Link, headers, render
from exporter.web.pages.landing import landing_page
from exporter.web.pages.problems import problems
from exporter.web.pages.replicas import replica_problems
from exporter.web.pages.runbooks import PAGE as RUNBOOKS
from exporter.web.pages.runbooks import runbooks_page

_VARY = ("vary", "Accept, Accept-Encoding")


FindElsewhere = Callable[[Collection[str], Collection[str]], Elsewhere]
"""Finds failures of accounts but those in the first collection, of those in the second alone if any is there."""


@dataclass(frozen=True, slots=True)
class Probes:
    """The status of the program, called at each request. The functions never raise, and all but one must be quick."""

    healthy: Callable[[], bool]
    """Whether the poll loops are alive."""
    not_ready: Callable[[], str | None]
    """Returns why the exporter is not ready; None if it is."""
    reload_failed: Callable[[], Outcome | None] = lambda: None
    """Return how the last reload failed, or None if it did not."""
    replicas: Callable[[], ReplicaStatus] | None = None
    """Return what is known of this replica and the others; None where there are no replicas."""
    elsewhere: FindElsewhere | None = None
    """Find the failures of the accounts of other replicas. It may take seconds; one thread at a time calls it."""


def routes(
    exposition: Exposition,
    store: SnapshotStore,
    probes: Probes,
    telemetry_path: str,
    clock: Callable[[], float] = time.time,
    ticks: Callable[[], float] = boot_ticks,
) -> dict[str, dict[str, Handler]]:
    """Return the table of routes. If `telemetry_path` is another page's path, it has the metrics."""
    links = (
        Link("/", "Overview"),
        Link("/failures", "Failed records"),
        Link(RUNBOOKS, "Runbooks"),
        Link(telemetry_path, "Metrics"),
        Link("/-/healthy", "Healthy"),
        Link("/-/ready", "Ready"),
    )

    page_headers = headers()
    scrapes: Shared[Scrape] = Shared("scrape")
    pages, searches = OneAtATime("page"), OneAtATime("failures elsewhere")

    def html(body: bytes) -> Response:
        return Response(200, "text/html; charset=utf-8", (body,), (*page_headers, ("vary", "Accept")))

    def overview() -> Response:
        snapshot, now = store.snapshot, clock()
        found = problems(snapshot, now, ticks(), healthy=probes.healthy(), reload_failed=probes.reload_failed())
        replicas = None if probes.replicas is None else probes.replicas()
        if replicas is not None:
            found = [*replica_problems(replicas, now), *found]
        return html(landing_page(links, __version__, found, snapshot.collectors, now, replicas))

    async def failures(request: Request) -> Response:
        """Return failed records in the format that the query names, or else in the one that the client accepts."""
        try:
            query = Query.of(request.query)
        except BadQuery as error:
            return text(400, f"{error}.")
        elsewhere = Elsewhere()
        if probes.elsewhere is not None:
            here = {collector.account for collector in store.snapshot.collectors}
            # Not with the other pages: they do not wait for a database.
            elsewhere = await searches.run(functools.partial(probes.elsewhere, here, query.accounts))
        as_asked = json_preferred(request.headers.get("accept", "")) if not query.format else query.format == "json"
        return await pages.run(functools.partial(rendered, query, elsewhere, as_json_asked=as_asked))

    def rendered(query: Query, elsewhere: Elsewhere, *, as_json_asked: bool) -> Response:
        own = store.snapshot.collectors
        here = {collector.account for collector in own}
        # One that was claimed meanwhile is in both.
        collectors = (*own, *(collector for collector in elsewhere.collectors if collector.account not in here))
        chosen = choose(collectors, query)
        if as_json_asked:
            return Response(200, "application/json", (as_json(chosen, elsewhere.error),), (("vary", "Accept"),))
        return html(failures_page(links, collectors, query, chosen, clock(), elsewhere))

    # Read at the start: an incident is too late to find that the file is missing.
    runbooks = html(render("runbooks.html", links, RUNBOOKS, runbooks=runbooks_page()))

    return {
        "/": {"GET": lambda _: pages.run(overview)},
        "/failures": {"GET": failures},
        RUNBOOKS: {"GET": lambda _: runbooks},
        "/-/healthy": _probed(lambda _: _healthy(probes)),
        "/-/ready": _probed(lambda request: _ready(probes, request)),
        telemetry_path: {
            "GET": lambda request: _metrics(exposition, scrapes, request, functools.partial(store.scraped, ticks()))
        },
    }


def _metrics(exposition: Exposition, scrapes: Shared[Scrape], request: Request, on_sent: Callable[[], None]) -> Answer:
    accept, codings = request.headers.get("accept", ""), request.headers.get("accept-encoding", "")
    if everything_refused(codings):
        return text(406, "Not acceptable: ask for gzip or identity, or leave Accept-Encoding out.", _VARY)
    # Other parameters are ignored, as every exporter does: Prometheus' `params` may be meant for a proxy before it.
    names = [name for name in request.query.get("name[]", ()) if name]
    kept = None if names else exposition.kept(accept, codings)
    if kept is not None:
        return _scraped(kept, accept, on_sent)

    form = openmetrics_preferred(accept), gzip_preferred(codings), *sorted(names)

    async def rendered() -> Response:
        scrape = await scrapes.run(form, lambda: exposition.render(accept, codings, names))
        while not exposition.may_send(scrape):
            scrape = await scrapes.run(form, lambda: exposition.render(accept, codings, names))
        asyncio.get_running_loop().call_later(2 * LIVE_SECONDS, exposition.drop_expired)
        return _scraped(scrape, accept, on_sent)

    return rendered()


def _scraped(scrape: Scrape, accept: str, on_sent: Callable[[], None]) -> Response:
    encoding = (("content-encoding", scrape.content_encoding),) if scrape.content_encoding else ()
    return Response(200, content_type(accept), scrape.chunks, (*encoding, _VARY), on_sent, scrape.size)


def _probed(handler: Handler) -> dict[str, Handler]:
    """Return the methods of a probe. A load balancer that asks with OPTIONS wants to know the same."""
    return {"GET": handler, "OPTIONS": handler}


def _healthy(probes: Probes) -> Response:
    if probes.healthy():
        return text(200, "batch-exporter is healthy.")
    return text(503, "batch-exporter is not healthy: a poll loop has ended; its log says why.")


def _ready(probes: Probes, request: Request) -> Response:
    why = probes.not_ready()
    if why is None:
        return text(200, "batch-exporter is ready.")
    if request.anonymous:
        # The reason names accounts, and what a database answered.
        return text(503, "batch-exporter is not ready.")
    return text(503, f"batch-exporter is not ready: {why}.")
