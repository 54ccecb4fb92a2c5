"""What a mock API can be told to do wrong; how that is put on the wire is in delivery.py."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import Any, Literal

from exporter.demo.http_types import Answer


class Delivery(Enum):
    """How an answer goes out."""

    WHOLE = auto()
    TRUNCATED = auto()
    """Half of the body, then the end of the connection."""
    DRIPPED = auto()
    """The head at once, then a byte at a time."""
    DRIPPED_HEAD = auto()
    """The status line and headers, too, a byte at a time."""
    HUGE = auto()
    RESET = auto()
    """A TCP reset in the place of an answer."""
    HUNG = auto()
    """Nothing, and the connection stays open."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one answer."""

    answer: Answer | None = None
    """In the place of the true one."""
    latency: float = 0.0
    """Seconds before anything is sent."""
    delivery: Delivery = Delivery.WHOLE
    every: float = 0.0
    """Seconds between two dripped bytes."""
    size: int = 0
    """Bytes of a huge body."""
    declared: bool = True
    """Whether a huge body's size is said in its head."""


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"{}") -> Fault:
    """A status, as 429 with `{"Retry-After": "3"}`, or 503."""
    return Fault(Answer(code, body, {"Content-Type": "application/json", **(headers or {})}))


def redirect(location: str, code: int = 301) -> Fault:
    return status(code, {"Location": location})


def html(code: int = 200) -> Fault:
    """A page for people, as proxies and maintenance windows answer."""
    body = b"<!DOCTYPE html><html><body><h1>We'll be back soon</h1></body></html>"
    return Fault(Answer(code, body, {"Content-Type": "text/html; charset=utf-8"}))


def raw(body: bytes, code: int = 200) -> Fault:
    """Any bytes under a JSON content type: `null`, `[]`, `{"items": 3}`, or nothing at all."""
    return Fault(Answer(code, body))


def empty() -> Fault:
    return raw(b"")


def huge(size: int, *, declared: bool = True) -> Fault:
    """A body of `size` bytes, sent as fast as it is read; undeclared, it has no Content-Length."""
    return Fault(Answer(200), delivery=Delivery.HUGE, size=size, declared=declared)


def truncated() -> Fault:
    """The true answer, whose second half is missing."""
    return Fault(delivery=Delivery.TRUNCATED)


def reset() -> Fault:
    return Fault(delivery=Delivery.RESET)


def hang() -> Fault:
    return Fault(delivery=Delivery.HUNG)


def drip(every: float, *, head: bool = False) -> Fault:
    """The true answer, a byte each `every` seconds: no read times out, and it takes for ever."""
    return Fault(delivery=Delivery.DRIPPED_HEAD if head else Delivery.DRIPPED, every=every)


def latency(seconds: float) -> Fault:
    """The true answer, late."""
    return Fault(latency=seconds)


@dataclass(frozen=True, slots=True)
class Lies:
    """What is untrue in the lists, while each answer for itself looks right."""

    order: Literal["ascending", "descending", "shuffled"] | None = None
    """The order of every list by creation, whatever was asked for or read."""
    ignore_page_size: bool = False
    """Every page has the default size."""
    ignore_filters: bool = False
    """Every list has all records."""
    total_count: int | Literal["missing"] | None = None
    page_count: int | None = None
    """Of Inkit's lists: PackageX does not say it."""
    has_more: bool | None = None
    """Of PackageX's lists, on every page; otherwise it is true, also where `total_count` is not."""
    repeat_ids: bool = False
    """Each page but the first begins with the last record of the page before."""
    before_page: Callable[[Any, int], None] | None = None
    """Called with the list's kind (a Kind, or "batches" for PackageX's list) and the number of each page before it is
    read, to change the world between two pages."""


@dataclass(slots=True)
class _Plan:
    pattern: str
    fault: Fault
    left: int | None


class Faults:
    """The faults in force. They may be changed while the mock API serves."""

    def __init__(self) -> None:
        self.lies = Lies()
        self._plans: list[_Plan] = []
        # A test adds while the server's threads take.
        self._lock = threading.Lock()

    def add(self, fault: Fault, path: str = "*", times: int | None = None) -> None:
        """Let a fault befall the next `times` requests (or all) for paths like `/invoke` or `/batch/*`.

        Paths are those below `/v1`, and `/files/*` for downloads. Of several faults for a path, the one added first
        is used up first.
        """
        with self._lock:
            self._plans.append(_Plan(path, fault, times))

    def clear(self) -> None:
        """End all faults and lies."""
        with self._lock:
            self._plans.clear()
        self.lies = Lies()

    def take(self, path: str) -> Fault:
        """The fault that befalls a request for `path` now."""
        with self._lock:
            for plan in self._plans:
                if plan.left != 0 and fnmatchcase(path, plan.pattern):
                    if plan.left is not None:
                        plan.left -= 1
                    return plan.fault
        return Fault()
