"""The page that lets the program do something: `/-/reload`, as Prometheus has it. What a reload does is not here.

Source: prometheus.io/docs/prometheus/latest/management_api.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

from exporter.config.diff import Outcome
from exporter.web.messages import Handler, Request, Response, text

Reload = Callable[[], "Future[Outcome]"]
"""Asks for a reload. The outcome comes from another thread, in its own time."""

PATIENCE_SECONDS = 60.0
"""How long a client waits for its reload, which a disk that hangs may hold up for ever."""

MAX_WAITING = 16
"""Clients that wait for a reload. More are sent away: each holds a place among the connections."""

_OURS = ("none", "same-origin")


def lifecycle(reload: Reload | None, patience: float = PATIENCE_SECONDS) -> dict[str, dict[str, Handler]]:
    """The table of routes. Without `reload` they answer that they are not enabled. `patience` is in seconds."""
    waiting: set[Future[Outcome]] = set()

    async def reloaded(request: Request) -> Response:
        if reload is None:
            return text(403, "Lifecycle API is not enabled.")
        # A form on any page can post here from the browser of somebody who reaches this port. Browsers say so.
        if request.headers.get("sec-fetch-site", "none") not in _OURS:
            return text(403, "A page of another site may not reload the configuration.")
        if len(waiting) >= MAX_WAITING:
            return text(503, "Too many clients wait for a reload.")
        asked = reload()
        waiting.add(asked)
        try:
            # The reload itself goes on: what it comes to is in the log and in the metrics.
            outcome = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(asked)), patience)
        except TimeoutError:
            return text(500, f"The reload has not ended within {patience:g} seconds; it goes on. See the log.")
        finally:
            waiting.discard(asked)
        return text(200 if outcome.successful else 500, outcome.message)

    return {"/-/reload": {"POST": reloaded, "PUT": reloaded}}
