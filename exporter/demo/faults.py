"""The faults that a mock API can have; delivery.py writes them to the connection."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import Any, Literal

from exporter.demo.http_types import Answer


class Delivery(Enum):
    """How a response is sent."""

    WHOLE = auto()
    TRUNCATED = auto()
    """Send half of the body, then close the connection."""
    DRIPPED = auto()
    """The head at once, then one byte at a time."""
    DRIPPED_HEAD = auto()
    """The status line and headers, too, one byte at a time."""
    HUGE = auto()
    RESET = auto()
    """A TCP reset instead of a response."""
    HUNG = auto()
    """No response; the connection stays open."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of one response."""

    answer: Answer | None = None
    """Sent instead of the true response."""
    latency: float = 0.0
    """Seconds before the first byte is sent."""
    delivery: Delivery = Delivery.WHOLE
    every: float = 0.0
    """Seconds between two bytes."""
    size: int = 0
    """The size of a huge body, in bytes."""
    declared: bool = True
    """Whether a huge body has a Content-Length."""


@dataclass(frozen=True, slots=True)
class ListFaults:
    """How lists contradict themselves, each other or the request, while each response on its own looks right."""

    order: Literal["ascending", "descending", "shuffled"] | None = None
    """The order of every list by creation, whatever the request asks for."""
    ignore_page_size: bool = False
    """Whether every page has the default size."""
    ignore_filters: bool = False
    """Whether every list has all records."""
    total_count: int | Literal["missing"] | None = None
    page_count: int | None = None
    """The page count that Inkit's lists report; PackageX has none."""
    has_more: bool | None = None
    """The `has_more` of every page of PackageX's lists. By default it is correct, even where `total_count` is not."""
    repeat_ids: bool = False
    """Whether each page but the first begins with the last record of the page before."""
    before_page: Callable[[Any, int], None] | None = None
    """Called before each page is read, to change the world between two pages: with the list's kind (a Kind, or
    "batches" for PackageX's list) and the page number."""


@dataclass(slots=True)
class _Plan:
    pattern: str
    fault: Fault
    left: int | None


class Faults:
    """The current faults. They may be changed while the mock API serves."""

    def __init__(self) -> None:
        self.list_faults = ListFaults()
        self._plans: list[_Plan] = []
        # A test adds faults while the server's threads take them.
        self._lock = threading.Lock()

    def add(self, fault: Fault, path: str = "*", times: int | None = None) -> None:
        """Apply a fault to the next `times` requests (or all) for paths like `/invoke` or `/batch/*`.

        Paths are those below `/v1`, and `/files/*` for downloads. Of several faults for a path, the one added first
        is used up first.
        """
        with self._lock:
            self._plans.append(_Plan(path, fault, times))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._plans.clear()
        self.list_faults = ListFaults()

    def take(self, path: str) -> Fault:
        """Return the fault for a request for `path` and use it up."""
        with self._lock:
            for plan in self._plans:
                if plan.left != 0 and fnmatchcase(path, plan.pattern):
                    if plan.left is not None:
                        plan.left -= 1
                    return plan.fault
        return Fault()
