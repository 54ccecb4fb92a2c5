"""Limit the bytes of all answers under way, from their first byte until they are decoded."""

import contextlib
import ctypes
import threading
import time
import weakref

from exporter.client.deadline import Deadline

BUDGET_BYTES = 16 * 1024 * 1024
_TICK_SECONDS = 0.02
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Parameters of glibc's mallopt (malloc.h)."""
_LARGE_BLOCK_BYTES = 128 * 1024
_HEAPS = 4


class MemoryBudget:
    """Limits the bytes of answers under way, whatever their number.

    Above the limit, only the answer that began first goes on, and the others wait with their servers. So there are
    never more than these bytes plus one answer, and no two answers wait for each other.
    """

    def __init__(self, most: int = BUDGET_BYTES) -> None:
        self._most = most
        self._sizes: weakref.WeakKeyDictionary[Reservation, int] = weakref.WeakKeyDictionary()
        """The bytes of the answers in progress, in the order in which they began.

        A reservation that nobody refers to any more disappears, so that it can't keep others waiting.
        """
        self._change = threading.Semaphore()

    def reserve(self) -> "Reservation":
        """Return a reservation for one answer."""
        return Reservation(self)

    @property
    def bytes(self) -> int:
        """The number of bytes under way."""
        with self._change:
            return sum(self._sizes.values())

    def set_size(self, reservation: "Reservation", size: int) -> bool:
        """Set the size of an answer. Return False if it has to wait."""
        with self._change:
            before = self._sizes.setdefault(reservation, 0)
            others = sum(self._sizes.values()) - before
            if others + size > self._most and next(iter(self._sizes)) is not reservation:
                return False
            self._sizes[reservation] = size
            return True

    def release(self, reservation: "Reservation") -> None:
        """Remove an answer."""
        with self._change:
            self._sizes.pop(reservation, None)


class Reservation:
    """The share of one answer."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget

    def grow(self, size: int, deadline: Deadline) -> bool:
        """Wait until the answer may have this size. Return False if its request was cut off meanwhile.

        This time does not count towards the deadline, because it is not the server's.
        """
        if self._budget.set_size(self, size):
            return True
        with deadline.suspended():
            while not deadline.expired:
                if self._budget.set_size(self, size):
                    return True
                time.sleep(_TICK_SECONDS)
        return False

    def release(self) -> None:
        """Free the memory for others, once the answer is decoded or dropped."""
        self._budget.release(self)


def save_memory() -> None:
    """Let the C library return large blocks to the system when they are freed, and use few heaps, from now on.

    glibc begins so, and raises the limit when a larger block is freed. Then answers come from the heaps of the threads,
    which keep what they once needed: twice as much for twenty accounts with pages of 10 MB. It would also give each
    worker a heap of its own. Other libraries are left alone.
    """
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
        library.mallopt(_M_ARENA_MAX, _HEAPS)


def return_memory() -> None:
    """Return what is free in the C library's heaps to the system: a millisecond or two for some hundred megabytes.

    Answers come and go between what is kept, and glibc returns by itself only what is free at the end of a heap.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
