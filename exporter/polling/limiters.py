"""Keep the rate limiter of each account: a pause that its API asked for outlives a reload, and a lease that returns."""

import time
import weakref
from collections.abc import Collection

from exporter.client.rate_limit import Pause, RateLimiter
from exporter.config import Account
from exporter.config.token import Token


def limiter(account: Account, pause: Pause | None = None) -> RateLimiter:
    """Build the rate limiter of an account."""
    return RateLimiter(account.max_requests_per_second, account.max_concurrent_requests, time.monotonic, pause)


class Limiters:
    """The last limiter of each account, by name, with the address and the token that it was for."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, Token, RateLimiter]] = {}
        self._pauses: weakref.WeakValueDictionary[tuple[str, Token], Pause] = weakref.WeakValueDictionary()
        """The pause of each address and token: an API counts the requests of a token, from all accounts that use it."""

    def made(self, account: Account) -> tuple[RateLimiter, bool]:
        """Build a limiter that goes on with the pause of the account's last one, unless its API or token is another.

        Return it, and whether they are the same. Accounts with the same API and token share their pauses.
        """
        allowance = account.base_url, account.token
        new = limiter(account, self._pauses.setdefault(allowance, Pause()))
        before = self._last.get(account.name)
        continues = before is not None and before[:2] == allowance
        if before is not None and continues:
            new.follow(before[2])
        self._last[account.name] = *allowance, new
        return new, continues

    def keep(self, accounts: Collection[str]) -> None:
        """Forget all accounts but these."""
        names = frozenset(accounts)
        self._last = {name: last for name, last in self._last.items() if name in names}
