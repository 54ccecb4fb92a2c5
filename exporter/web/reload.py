"""The lifecycle API: `/-/reload`, as Prometheus has it. What a reload does is not here.

Source: prometheus.io/docs/prometheus/latest/management_api.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

from exporter.config.diff import Outcome
from exporter.web.messages import Handler, Request, Response, text

Reload = Callable[[], "Future[Outcome]"]
"""Starts a reload, whose outcome another thread sets."""

PATIENCE_SECONDS = 60.0
"""How long a client waits for its reload, which may never end if a disk does not respond."""

MAX_WAITING = 16
"""The maximum number of clients that wait for a reload: each takes a connection."""

_SAME_SITE = ("none", "same-origin")


def lifecycle(reload: Reload | None, patience: float = PATIENCE_SECONDS) -> dict[str, dict[str, Handler]]:
    """Return the table of routes. Without `reload` it is not enabled and they answer 403. `patience` is in seconds."""
    waiting: set[Future[Outcome]] = set()

    async def reloaded(request: Request) -> Response:
        if reload is None:
            return text(403, "Lifecycle API is not enabled.")
        # A form on any site can post here from a browser that reaches this port. Browsers send this header.
        if request.headers.get("sec-fetch-site", "none") not in _SAME_SITE:
            return text(403, "Another site must not reload the configuration.")
        if len(waiting) >= MAX_WAITING:
            return text(503, "Too many clients are waiting for a reload.")
        pending = reload()
        waiting.add(pending)
        try:
            # The reload continues after the time out: its outcome is in the log and in the metrics.
            outcome = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(pending)), patience)
        except TimeoutError:
            return text(500, f"The reload has not ended within {patience:g} seconds and continues. See the log.")
        finally:
            waiting.discard(pending)
        return text(200 if outcome.successful else 500, outcome.message)

    return {"/-/reload": {"POST": reloaded, "PUT": reloaded}}
