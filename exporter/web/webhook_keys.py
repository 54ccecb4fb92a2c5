"""Read the secrets of webhooks in a thread: a disk that does not respond must not block the event loop."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.config import TokenError, WebhookSecret
from exporter.web.background import in_thread

log = logging.getLogger(__name__)

KEPT_SECONDS = 1.0
"""How long the secrets count as read."""
PATIENCE_SECONDS = 3.0
"""How long a request waits for them to be read. Those after it do not wait until they are."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """The webhooks of an account."""

    header: str
    """The name of the header with the signature."""
    secret: WebhookSecret


class Keys:
    """The keys of the signatures, by account, as their files hold them.

    All are read together, so that it can't be seen from outside which account was asked for.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.webhooks: Mapping[str, Webhook] = {}
        self._clock = clock
        self._keys: Mapping[str, bytes] = {}
        """The usable keys, by account."""
        self._read_at: float | None = None
        self._read_of: Mapping[str, Webhook] = {}
        """The webhooks whose secrets were read then."""
        self._reading: asyncio.Task[None] | None = None
        self._late = False
        self._problems: dict[str, str] = {}

    def use(self, webhooks: Mapping[str, Webhook]) -> None:
        """Read the secrets of these from now on. Any thread may call this."""
        self.webhooks = dict(webhooks)

    async def current(self) -> Mapping[str, bytes]:
        """Return the keys that can be used; if their files take too long to read, those from before."""
        while not (self._late or self._is_current()):
            # One that is under way may be of the accounts before a reload.
            if self._reading is None:
                self._reading = asyncio.ensure_future(self._read())
            reading = self._reading
            await asyncio.wait({reading}, timeout=PATIENCE_SECONDS)
            if not (self._late or reading.done()):
                self._late = True
                log.warning("reading the secrets of webhooks takes too long: keeping the previous ones")
        return self._keys

    def _is_current(self) -> bool:
        recent = self._read_at is not None and self._clock() - self._read_at < KEPT_SECONDS
        return recent and self._read_of is self.webhooks

    async def _read(self) -> None:
        webhooks = self.webhooks
        keys: Mapping[str, bytes] = {}
        try:
            keys, problems = await in_thread(lambda: _read_all(webhooks), "webhook secrets")
            self._log(problems)
        except Exception:
            # A bug: without a key nobody is let in.
            log.exception("internal error")
        finally:
            self._reading, self._late = None, False
            self._keys, self._read_of, self._read_at = keys, webhooks, self._clock()

    def _log(self, problems: dict[str, str]) -> None:
        """Log each problem once, and when it is over."""
        for account, problem in problems.items():
            if self._problems.get(account) != problem:
                log.error("webhooks of the account can't be verified", extra={"account": account, "err": problem})
        for account in self._problems.keys() - problems.keys():
            log.info("webhooks of the account can be verified again", extra={"account": account})
        self._problems = problems


def _read_all(webhooks: Mapping[str, Webhook]) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the keys of accounts, and the problems of those whose secrets can't be used."""
    keys, problems = {}, {}
    for account, webhook in webhooks.items():
        try:
            keys[account] = webhook.secret.read()
        except TokenError as error:
            problems[account] = str(error)
    return keys, problems
