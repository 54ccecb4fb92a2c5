"""The page that lets the program do something: `/-/reload`, as Prometheus has it. What a reload does is not here.

Source: prometheus.io/docs/prometheus/latest/management_api.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

from exporter.changes import Outcome
from exporter.web.messages import Handler, Request, Response, text

Reload = Callable[[], "Future[Outcome]"]
"""Asks for a reload. The outcome comes from another thread, in its own time."""

_OURS = ("none", "same-origin")


def lifecycle(reload: Reload | None) -> dict[str, dict[str, Handler]]:
    """The table of routes. Without `reload` they answer that they are not enabled."""

    async def reloaded(request: Request) -> Response:
        if reload is None:
            return text(403, "Lifecycle API is not enabled.")
        # A form on any page can post here from the browser of somebody who reaches this port. Browsers say so.
        if request.headers.get("sec-fetch-site", "none") not in _OURS:
            return text(403, "A page of another site may not reload the configuration.")
        outcome = await asyncio.wrap_future(reload())
        return text(200 if outcome.successful else 500, outcome.message)

    return {"/-/reload": {"POST": reloaded, "PUT": reloaded}}
