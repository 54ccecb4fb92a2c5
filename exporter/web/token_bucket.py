"""Limit how often something happens."""

from exporter.web.config import RateLimit


class TokenBucket:
    """Limits the requests of all clients together. Tokens come back with time, up to a burst; a request takes one.

    Counts like golang.org/x/time/rate, which the exporter-toolkit uses. A new limit begins with a full bucket.
    """

    def __init__(self) -> None:
        self._limit: RateLimit | None = None
        self._tokens = 0.0
        self._at = 0.0

    def allows(self, limit: RateLimit | None, now: float) -> bool:
        """Take a token if there is one. `now` is in seconds of a clock that is never set back."""
        if limit is None:
            self._limit = None
            return True
        if limit != self._limit:
            self._limit, self._tokens, self._at = limit, limit.burst, now
        self._tokens = min(limit.burst, self._tokens + (now - self._at) / limit.interval)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
