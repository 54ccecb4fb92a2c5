"""What the web configuration demands of each request before the application sees it. Passwords: basic_auth.py.

In the order of the exporter-toolkit (web/handler.go): the configuration, the rate limit, the headers, the password.
Every path is behind it, /-/healthy too.
"""

import time
from collections.abc import Awaitable, Callable, Mapping

from exporter.web.app import Receive, Scope, Send, respond
from exporter.web.config import BackgroundReader, WebConfig
from exporter.web.messages import Response, text
from exporter.web.server.basic_auth import Busy, Checker
from exporter.web.server.rate_limit import Bucket

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Middleware:
    """An application in front of another, which sees only the requests that the web configuration lets through."""

    def __init__(self, app: Application, files: BackgroundReader, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._files = files
        self._clock = clock
        self._bucket = Bucket()
        self._checker = Checker()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        config = (await self._files.now()).config
        if config is None:
            await respond(scope, send, text(500, "Internal Server Error"))
            return
        if not self._bucket.allows(config.rate_limit, self._clock()):
            await respond(scope, send, text(429, "Too Many Requests"))
            return
        with_headers = _adding(config.headers, send)
        refused = await self._refused(config, scope)
        if refused is None:
            await self._app(scope, receive, with_headers)
        else:
            await respond(scope, with_headers, refused)

    async def _refused(self, config: WebConfig, scope: Scope) -> Response | None:
        if not config.users:
            return None
        authorization = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), None)
        try:
            admitted = await self._checker.admits(config.users, authorization)
        except Busy:
            return text(503, "Service Unavailable: too many passwords are being checked.")
        return None if admitted else text(401, "Unauthorized", ("www-authenticate", "Basic"))


def _adding(headers: Mapping[str, str], send: Send) -> Send:
    """Sends with these headers in the place of the application's own of the same names."""
    added = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    names = {name for name, _ in added}

    async def sending(message: dict[str, object]) -> None:
        own = message.get("headers")
        if isinstance(own, list):
            message = {**message, "headers": [one for one in own if one[0] not in names] + added}
        await send(message)

    return sending
