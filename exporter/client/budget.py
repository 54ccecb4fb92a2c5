"""How fast an account may ask: requests per second, requests at once, and the server's own "later, please"."""

import queue
import threading
from collections.abc import Callable


class Budget:
    """The pace all collectors of one account share.

    The time of the next free slot lies in a queue of length one: who takes it out is the only one who can
    reserve, and puts the next time back. Waiting itself is the caller's.
    """

    def __init__(self, per_second: float, at_once: int, clock: Callable[[], float]) -> None:
        self._interval = 1.0 / per_second
        self._clock = clock
        self._next_free: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._next_free.put(clock())
        self.at_once = at_once
        self.places = threading.BoundedSemaphore(at_once)
        """Held while a request is under way."""

    def reserve(self) -> float:
        """Take the next slot. Returns the seconds to wait until it begins."""
        next_free = self._next_free.get()
        now = self._clock()
        slot = max(now, next_free)
        self._next_free.put(slot + self._interval)
        return slot - now

    def hold(self, seconds: float) -> None:
        """Let no slot begin for that long: the server has asked for a pause, and means all of the account."""
        next_free = self._next_free.get()
        self._next_free.put(max(next_free, self._clock() + seconds))
