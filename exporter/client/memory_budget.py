"""How many bytes of answers may be under way in the program at once, from their first byte until they are decoded."""

import threading
import time
import weakref

from exporter.client.deadline import Deadline

ROOM_BYTES = 16 * 1024 * 1024
_TICK_SECONDS = 0.02


class MemoryBudget:
    """Bounds the bytes of answers under way, whatever their number.

    Where they would become more, only the answer that began first goes on; the others wait, and their servers with
    them. So there are never more than these bytes and one answer, and no two answers wait for each other.
    """

    def __init__(self, most: int = ROOM_BYTES) -> None:
        self._most = most
        self._sizes: weakref.WeakKeyDictionary[Place, int] = weakref.WeakKeyDictionary()
        """Of the answers under way, in the order of their beginnings. One that nobody has any more is gone from here
        too: it can't keep the others waiting.
        """
        self._change = threading.Semaphore()

    def begin(self) -> "Place":
        """Give an answer its place."""
        return Place(self)

    @property
    def bytes(self) -> int:
        """How many bytes are under way."""
        with self._change:
            return sum(self._sizes.values())

    def set_size(self, place: "Place", size: int) -> bool:
        """Note how large an answer is by now. False if it has to wait."""
        with self._change:
            before = self._sizes.setdefault(place, 0)
            others = sum(self._sizes.values()) - before
            if others + size > self._most and next(iter(self._sizes)) is not place:
                return False
            self._sizes[place] = size
            return True

    def leave(self, place: "Place") -> None:
        """Forget an answer."""
        with self._change:
            self._sizes.pop(place, None)


class Place:
    """The room of one answer."""

    def __init__(self, room: MemoryBudget) -> None:
        self._room = room

    def grow(self, size: int, cutoff: Deadline) -> bool:
        """Wait until the answer may have this size. False if its request was cut off meanwhile.

        The time is not the server's, and does not count for its deadline.
        """
        if self._room.set_size(self, size):
            return True
        with cutoff.suspended():
            while not cutoff.expired:
                if self._room.set_size(self, size):
                    return True
                time.sleep(_TICK_SECONDS)
        return False

    def leave(self) -> None:
        """Make room for others; the answer is decoded, or given up."""
        self._room.leave(self)


SHARED = MemoryBudget()
"""That of the program, for all accounts."""
