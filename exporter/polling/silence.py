"""Decide how long to wait for an API that does not answer. Pure."""

import zlib
from dataclasses import dataclass

from exporter.model.record import STATE_REASONS, Reason

PATIENCE = 3
"""The number of polls in a row without a usable answer after which polls back off."""

LONGEST_INTERVALS = 10
LONGEST_SECONDS = 300.0
"""The longest time between two polls, in intervals and in seconds; the shorter one applies. The windows of alerts are
ten minutes long, so that each has two polls.

If the interval itself is that long, polls are two intervals apart; `batch_exporter_poll_backoff_seconds` shows it.
"""

_JITTER = 0.2


@dataclass(slots=True)
class Silence:
    """How long an API has not answered a collector."""

    interval: float
    """Seconds between two polls while the API answers."""
    name: str
    """The collector's name: it spreads the polls of collectors whose APIs fell silent at the same moment."""
    polls: int = 0
    """How many polls in a row failed without one usable answer."""

    @property
    def is_long(self) -> bool:
        """Whether a poll should find out with one request whether the API answers again."""
        return self.polls >= PATIENCE

    def failed(self, reason: Reason, answers: int) -> bool:
        """Note a poll that failed, and how many usable answers it had. Return whether that ends a long silence.

        What is not the API's fault is no silence.
        """
        if answers:
            return self._end()
        if reason not in STATE_REASONS and reason is not Reason.INTERNAL:
            self.polls += 1
        return False

    def succeeded(self, requests: int) -> bool:
        """Note a poll that succeeded. Return whether that ends a long silence: not if there was nothing to request."""
        return self._end() if requests else False

    def _end(self) -> bool:
        was_long, self.polls = self.is_long, 0
        return was_long

    def wait(self) -> float:
        """Return for how many seconds from now no poll is due: 0 until the silence is long."""
        if not self.is_long:
            return 0.0
        longest = min(LONGEST_INTERVALS * self.interval, max(2 / (1 - _JITTER) * self.interval, LONGEST_SECONDS))
        # The exponent is bounded: an API may be silent for weeks.
        doubled = self.interval * 2.0 ** min(self.polls - PATIENCE + 1, 10)
        chance = zlib.crc32(f"{self.name} {self.polls}".encode()) / 2**32
        return min(longest, doubled) * (1 - _JITTER * chance)
