"""Apply the web configuration to each request before the application sees it. Passwords: basic_auth.py.

The order is that of the exporter-toolkit (web/handler.go): configuration, rate limit, headers, password. All paths are
behind it, /-/healthy too; a flag lets probes through without a password.
"""

import time
from collections.abc import Awaitable, Callable, Mapping

from exporter.web.app import respond
from exporter.web.asgi import Receive, Scope, Send
from exporter.web.config import BackgroundReader, WebConfig
from exporter.web.messages import Response, text
from exporter.web.server.basic_auth import Busy, PasswordChecker
from exporter.web.token_bucket import TokenBucket

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEALTH = (b"/-/healthy", b"/-/ready")
"""The open paths, exactly as sent: other spellings need a password."""


class Middleware:
    """An application before another one, which gets only the requests that the web configuration allows."""

    def __init__(
        self,
        app: Application,
        files: BackgroundReader,
        *,
        open_health: bool,
        is_signed: Callable[[Scope], bool],
    ) -> None:
        """Put the web configuration before an application. With `open_health` two paths need no password.

        Nor does a request for which `is_signed` returns True, because the application refuses it without a signature.
        """
        self._app = app
        self._files = files
        self._open_health = open_health
        self._is_signed = is_signed
        self._bucket = TokenBucket()
        self._passwords = PasswordChecker()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        config = (await self._files.current()).config
        if config is None:
            await respond(scope, send, text(500, "Internal Server Error"))
            return
        if not self._bucket.allows(config.rate_limit, time.monotonic()):
            await respond(scope, send, text(429, "Too Many Requests"))
            return
        send_with_headers = _with_headers(config.headers, send)
        rejection = await self._rejection(config, scope)
        if rejection is None:
            await self._app(scope, receive, send_with_headers)
        else:
            await respond(scope, send_with_headers, rejection)

    async def _rejection(self, config: WebConfig, scope: Scope) -> Response | None:
        if not config.users or self._is_signed(scope):
            return None
        authorization = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), None)
        is_open = self._open_health and scope["method"] in ("GET", "HEAD") and scope["raw_path"] in _HEALTH
        try:
            allowed = await self._passwords.allows(config.users, authorization)
        except Busy:
            if not is_open:
                return text(503, "Service Unavailable: too many passwords are being checked.")
            allowed = False
        if is_open:
            # A wrong password is ignored here: a probe must keep working when passwords change.
            scope["anonymous"] = not allowed
            return None
        return None if allowed else text(401, "Unauthorized", ("www-authenticate", "Basic"))


def _with_headers(headers: Mapping[str, str], send: Send) -> Send:
    """Return a `send` that replaces the application's headers of the same names with these, and adds the others."""
    configured = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    names = {name for name, _ in configured}

    async def sending(message: dict[str, object]) -> None:
        given = message.get("headers")
        if isinstance(given, list):
            message = {**message, "headers": [header for header in given if header[0] not in names] + configured}
        await send(message)

    return sending
