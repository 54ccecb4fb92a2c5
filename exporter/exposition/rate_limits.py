"""Keep what an account's API states of its own rate limit, for as long as that holds."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.exposition.boot_clock import ticks as boot_ticks
from exporter.exposition.request_families import PAUSED_UNTIL, RATE_LIMIT, RATE_LIMIT_REMAINING, RATE_LIMIT_RESET
from exporter.exposition.text_format import line_start, rendered_number
from exporter.model.family import Family

KEEP_SECONDS = 600.0
"""How long a limit is exposed after the last answer that stated it, unless the account says otherwise."""


@dataclass(frozen=True, slots=True)
class _Stated:
    """What an answer stated, and when each value no longer holds, in seconds of the boot clock."""

    values: Mapping[str, float]
    """The stated values by family."""
    limit_until: float
    window_until: float

    def value(self, family: Family, now: float) -> float | None:
        """Return the value of a family; None if there is none, or it no longer holds."""
        until = self.limit_until if family is RATE_LIMIT else self.window_until
        return self.values.get(family.name) if now < until else None


class StatedRateLimit:
    """The rate limit of one account, as its API states it. Any thread may call it."""

    __slots__ = ("_clock", "_labels", "_lines", "_paused_until", "_stated", "_ticks", "keep", "paused_for")

    def __init__(
        self,
        account: str,
        system: str,
        ticks: Callable[[], float] = boot_ticks,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`ticks` measures elapsed time, `clock` returns epoch seconds."""
        self._labels = account, system
        self._ticks = ticks
        self._clock = clock
        self._stated: _Stated | None = None
        self._lines: dict[str, tuple[float, bytes]] = {}
        """The line that was rendered last of each family, with its value."""
        self.keep = KEEP_SECONDS
        """How long a limit holds, in seconds, if no other answer states it."""

        self.paused_for: Callable[[], float] = lambda: 0.0
        """Returns the remaining seconds of the API's pause. Another account with the token may have received it."""
        self._paused_until = -math.inf
        """When the pause ends that was exposed last, epoch seconds."""

    @property
    def known(self) -> bool:
        """Whether an answer has ever stated a limit, or the API has asked for a pause."""
        return self._stated is not None or self.paused_for() > 0

    def note(self, limit: float | None, remaining: float | None, reset_in: float | None) -> None:
        """Replace what was stated before. What the answer does not state is None."""
        now = self._ticks()
        reset_at = None if reset_in is None else self._clock() + reset_in
        named = zip((RATE_LIMIT, RATE_LIMIT_REMAINING, RATE_LIMIT_RESET), (limit, remaining, reset_at), strict=True)
        values = {family.name: value for family, value in named if value is not None}
        until = now + self.keep
        self._stated = _Stated(values, until, min(until, now + (math.inf if reset_in is None else reset_in)))

    def forget(self) -> None:
        """Expose nothing until the next answer that states a limit."""
        self._stated = None

    def values(self, family: Family) -> Mapping[tuple[str, ...], float]:
        """Return the value of one of the families by its labels; none if it is not known now."""
        value = self._value(family)
        return {} if value is None else {self._labels: value}

    def rendered(self, family: Family) -> bytes:
        """Return the line of one of the families; empty if its value is not known now."""
        value = self._value(family)
        if value is None:
            return b""
        before, line = self._lines.get(family.name, (None, b""))
        if value != before:
            start = line[: line.rindex(b" ") + 1] if line else line_start(family, self._labels)
            line = start + rendered_number(value) + b"\n"
            self._lines[family.name] = value, line
        return line

    def _value(self, family: Family) -> float | None:
        if family is PAUSED_UNTIL:
            return self._pause_end()
        stated = self._stated
        return None if stated is None else stated.value(family, self._ticks())

    def _pause_end(self) -> float | None:
        """Return when the pause ends, epoch seconds; None if there is none. It is the same as long as the pause is."""
        left = self.paused_for()
        if left <= 0:
            return None
        end = self._clock() + left
        if abs(end - self._paused_until) > 1.0:
            self._paused_until = round(end, 3)
        return self._paused_until
