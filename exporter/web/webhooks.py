"""Receive webhooks: `POST /webhooks/ACCOUNT`. One whose signature is right lets the account be polled.

Nothing else is read from them. The body is only hashed for the signature: it is not parsed, kept or logged. A client
without the secret learns nothing, not even whether an account of this name exists.
"""

import hmac
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from hashlib import sha256

from exporter.exposition.webhook_metrics import NOBODY, WebhookResult
from exporter.web.asgi import Receive, Scope
from exporter.web.config import RateLimit
from exporter.web.messages import Response, text
from exporter.web.token_bucket import TokenBucket
from exporter.web.webhook_keys import Keys, Webhook

log = logging.getLogger(__name__)

PREFIX = "/webhooks/"
LARGEST_BODY_BYTES = 65536
"""The largest body. Webhooks of Inkit have two short fields."""
ACCEPTED = RateLimit(interval=0.1, burst=20)
"""The rate limit of one account. Webhooks cost little, because they share a poll, but somebody may replay one."""
LOG_SECONDS = 3600.0
"""How often refused webhooks of an account are logged."""

_REASONS = {
    WebhookResult.UNAUTHORIZED: "the signature is missing or wrong",
    WebhookResult.UNVERIFIABLE: "the secret can't be read",
    WebhookResult.TOO_LARGE: "the body is too large",
}
_UNKNOWN = "no account of this name has webhooks"
_SLOWER = ("retry-after", "1")


class Webhooks:
    """Answers webhooks. It is called in the event loop, but for `use`."""

    def __init__(
        self,
        poll: Callable[[str], bool],
        count: Callable[[str, WebhookResult], None] = lambda *_: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`poll` lets an account be polled, and returns False if another replica polls it. `count` counts results."""
        self._poll = poll
        self._count = count
        self._clock = clock
        self._keys = Keys(clock)
        self._nobody = secrets.token_bytes(32)
        """Takes the place of a key that is not known, so that an account that is not there takes as long as any."""
        self._accepted: defaultdict[str, TokenBucket] = defaultdict(TokenBucket)
        self._logged: dict[tuple[str, WebhookResult], float] = {}

    def use(self, webhooks: Mapping[str, Webhook]) -> None:
        """Receive the webhooks of these accounts from now on. Any thread may call this."""
        self._keys.use(webhooks)

    def receives(self, path: str) -> bool:
        """Return whether a path is one of webhooks, whatever account it names: none is if no account has any."""
        return path.startswith(PREFIX) and path != PREFIX and bool(self._keys.webhooks)

    async def answer(self, scope: Scope, receive: Receive) -> Response:
        """Return the response to a request for such a path."""
        if scope["method"] != "POST":
            return text(405, "Method not allowed.", ("allow", "POST"))
        account = scope["path"].removeprefix(PREFIX)
        webhook = self._keys.webhooks.get(account)
        named = NOBODY if webhook is None else account
        key = (await self._keys.current()).get(named)
        mac = hmac.new(self._nobody if key is None else key, digestmod=sha256)
        try:
            await _hash(scope, receive, mac.update)
        except _TooLarge:
            return self._refusal(named, WebhookResult.TOO_LARGE)
        except _Gone:
            return text(400, "The body is incomplete.")
        right = signature_is_right(scope, self._header(webhook), mac.hexdigest())
        if right and key is not None:
            return self._signed(account)
        unverifiable = webhook is not None and key is None
        return self._refusal(named, WebhookResult.UNVERIFIABLE if unverifiable else WebhookResult.UNAUTHORIZED)

    def _header(self, webhook: Webhook | None) -> str:
        """Return the name of the header with the signature; without a webhook that of any: it takes as long."""
        found = webhook or next(iter(self._keys.webhooks.values()), None)
        return "" if found is None else found.header

    def _signed(self, account: str) -> Response:
        if not self._accepted[account].allows(ACCEPTED, self._clock()):
            self._count(account, WebhookResult.RATE_LIMITED)
            return text(429, "Too many webhooks.", _SLOWER)
        if not self._poll(account):
            self._count(account, WebhookResult.NOT_OWNED)
            return text(503, "This replica does not poll the account.", _SLOWER)
        self._count(account, WebhookResult.ACCEPTED)
        log.debug("webhook accepted", extra={"account": account})
        return text(202, "Accepted.")

    def _refusal(self, account: str, result: WebhookResult) -> Response:
        """Return a response that depends on the request alone, not on the account."""
        now = self._clock()
        self._count(account, result)
        logged = self._logged.get((account, result))
        if logged is None or now - logged >= LOG_SECONDS:
            self._logged[account, result] = now
            reason = _UNKNOWN if account == NOBODY and result is WebhookResult.UNAUTHORIZED else _REASONS[result]
            log.warning("webhook refused", extra={"account": account or None, "reason": reason})
        if result is WebhookResult.TOO_LARGE:
            return text(413, f"The body is larger than {LARGEST_BODY_BYTES} bytes.")
        return text(401, "Unauthorized.", ("www-authenticate", "Signature"))


def signature_is_right(scope: Scope, header: str, expected: str) -> bool:
    """Return whether a request has the signature, which is in hex, in one header of this name. In constant time."""
    found = [value for name, value in scope["headers"] if name.lower() == header.lower().encode()]
    given = found[0].strip().lower() if len(found) == 1 else b""
    return hmac.compare_digest(given, expected.encode())


class _TooLarge(Exception):
    """The body is too large. The rest of it is not read."""


class _Gone(Exception):
    """The client has gone before it had sent the body."""


async def _hash(scope: Scope, receive: Receive, update: Callable[[bytes], None]) -> None:
    """Give the body to `update`, part by part. Raises _TooLarge and _Gone."""
    if _declared_length(scope) > LARGEST_BODY_BYTES:
        raise _TooLarge
    awaited: Callable[[bool], None] = scope.get("body_awaited") or (lambda _: None)
    awaited(True)
    try:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise _Gone
            size += len(message["body"])
            if size > LARGEST_BODY_BYTES:
                raise _TooLarge
            update(message["body"])
            more = message["more_body"]
    finally:
        awaited(False)


def _declared_length(scope: Scope) -> int:
    """Return the length of the body; 0 if it is sent in chunks. h11 accepts one header of digits, and no other."""
    lengths = [int(value) for name, value in scope["headers"] if name.lower() == b"content-length"]
    return max(lengths, default=0)
