"""Keep the rate limiter of each account: a pause that its API asked for outlives a reload, and a lease that returns."""

import time
from collections.abc import Collection

from exporter.client.rate_limit import RateLimiter
from exporter.config import Account
from exporter.config.token import Token


def limiter(account: Account) -> RateLimiter:
    """Build the rate limiter of an account."""
    return RateLimiter(account.max_requests_per_second, account.max_concurrent_requests, time.monotonic)


class Limiters:
    """The last limiter of each account, by name, with the address and the token that it was for."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, Token, RateLimiter]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def made(self, account: Account) -> RateLimiter:
        """Build a limiter that goes on with the pause of the account's last one, unless its API or token is another."""
        new = limiter(account)
        before = self._last.get(account.name)
        if before is not None and before[:2] == (account.base_url, account.token):
            new.pause(before[2].held_for())
        self._last[account.name] = account.base_url, account.token, new
        return new

    def held_for(self, account: str) -> float:
        """Return for how many seconds an account may send no request, because its API asked for that."""
        last = self._last.get(account)
        return 0.0 if last is None else last[2].held_for()

    def keep(self, accounts: Collection[str]) -> None:
        """Forget all accounts but these."""
        names = frozenset(accounts)
        self._last = {name: last for name, last in self._last.items() if name in names}
