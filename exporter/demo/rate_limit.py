"""A rate limit of the mock APIs: so many requests in a window, stated in the headers of each answer."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Literal

from exporter.demo.http_types import Answer
from exporter.demo.inkit_api import error

Style = Literal["seconds", "epoch", "milliseconds", "date", "dictionary", "policy"]
"""How the limit is stated: `X-RateLimit-*` with a reset in seconds from now, as a Unix time in s or ms, or as a date;
or the IETF's `RateLimit` in its old form (`limit=10, remaining=5, reset=3`) or its present one (`"default";r=5;t=3`).
"""


class RateLimit:
    """Counts requests in windows of a fixed length. Any thread may use it."""

    def __init__(
        self, limit: int, window: float, style: Style = "seconds", clock: Callable[[], float] = time.time
    ) -> None:
        """Allow `limit` requests in each `window` seconds; `clock` returns epoch seconds."""
        self._limit = limit
        self._window = window
        self._style = style
        self._clock = clock
        self._began = -math.inf
        self._used = 0
        # The server answers in several threads.
        self._lock = threading.Lock()

    def apply(self, answer: Answer) -> Answer:
        """Count a request. Return its answer with the headers, or a 429 if no request was left."""
        with self._lock:
            now = self._clock()
            if now - self._began >= self._window:
                self._began, self._used = now, 0
            refused = self._used >= self._limit
            self._used += not refused
            headers = self._headers(self._limit - self._used, self._began + self._window, now)
        answer = error(429, "Too many requests") if refused else answer
        return replace(answer, headers={**answer.headers, **headers})

    def _headers(self, remaining: int, reset: float, now: float) -> Mapping[str, str]:
        left = math.ceil(reset - now)
        if self._style == "policy":
            policy = f'"default";q={self._limit};w={math.ceil(self._window)}'
            return {"RateLimit": f'"default";r={remaining};t={left}', "RateLimit-Policy": policy}
        if self._style == "dictionary":
            return {"RateLimit": f"limit={self._limit}, remaining={remaining}, reset={left}"}
        resets = {
            "seconds": str(left),
            "epoch": str(math.ceil(reset)),
            "milliseconds": str(math.ceil(reset * 1000)),
            "date": formatdate(math.ceil(reset), usegmt=True),
        }
        return {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": resets[self._style],
        }
