"""Limit the requests of an account: per second, at the same time, and by pauses that the server asks for."""

import math
import queue
from collections.abc import Callable
from concurrent.futures import Future

from exporter.client.runner import Gate


class Pause:
    """The end of a pause that an API asked for. Rate limiters of accounts that the API counts together share one."""

    def __init__(self) -> None:
        self._until: queue.SimpleQueue[float] = queue.SimpleQueue()
        """Holds one time, as `RateLimiter._next_free` does."""
        self._until.put(-math.inf)
        self.asked_for = False
        """Whether the API has ever asked for a pause. It is read without a lock."""

    @property
    def until(self) -> float:
        """When the pause ends, in seconds of the limiters' clock."""
        until = self._until.get()
        self._until.put(until)
        return until

    def extend(self, until: float) -> None:
        """Pause until then, or longer if that was asked for before."""
        self._until.put(max(self._until.get(), until))
        self.asked_for = True


class RateLimiter:
    """The limit that all collectors of one account share.

    A request first acquires `concurrency`, and then takes its turn. So at most `per_second` requests begin in a second
    also after requests that were slow.
    """

    def __init__(self, per_second: float, at_once: int, clock: Callable[[], float], pause: Pause | None = None) -> None:
        """`pause` is one of its own by default."""
        self._pause = pause or Pause()
        self._interval = 1.0 / per_second
        self._clock = clock
        self._next_free: queue.SimpleQueue[float] = queue.SimpleQueue()
        """Holds the time of the next slot. Whoever takes it out may change it, and puts it back."""
        self._next_free.put(clock())
        self._first = Gate(1)
        """Held by the request whose turn is next."""
        self.at_once = at_once
        self.concurrency = Gate(at_once)
        """Held while a request waits for its turn or is under way."""

    def take_turn(
        self, wait: Callable[[float], None], result: Callable[["Future[None]"], None] = Future.result
    ) -> float:
        """Wait for the next slot and take it. Return the seconds waited.

        `wait` waits for some seconds, and `result` for a future. Raises what they raise.
        """
        waited = 0.0
        with self._first.entered(result):
            slot = self._slot()
            while (left := slot - self._clock()) > 0:
                wait(left)
                waited += left
                due, slot = slot, self._slot()
                if slot <= due:
                    break
            slot = self._next_free.get()
            self._next_free.put(max(slot, self._clock()) + self._interval)
        return waited

    def pause(self, seconds: float) -> None:
        """Start no request for so many seconds, as the server has asked for."""
        self._pause.extend(self._clock() + seconds)

    def paused_for(self) -> float:
        """Return the seconds for which the API wants no request."""
        return max(0.0, self._pause.until - self._clock()) if self._pause.asked_for else 0.0

    @property
    def next_slot(self) -> float:
        """When the next slot begins if the API asks for no pause, in seconds of the clock."""
        next_free = self._next_free.get()
        self._next_free.put(next_free)
        return next_free

    def follow(self, before: "RateLimiter") -> None:
        """Begin with the next slot of the account's limiter before this one, which has the same pause."""
        self._next_free.get()
        self._next_free.put(before.next_slot)

    def _slot(self) -> float:
        return max(self.next_slot, self._pause.until)
