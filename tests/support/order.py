"""The order of tests: what waits for processes and for time begins first, beside what needs the processor."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest

_Test = TypeVar("_Test")


def slow_first(
    tests: Iterable[_Test], module: Callable[[_Test], str], slow: Callable[[_Test], float], workers: int
) -> list[_Test]:
    """Return the tests in an order in which each of so many equal parts, one after the other, begins with slow modules.

    `slow` is 0 for a test that is not; the modules with the highest figures come first. xdist gives each worker a part.
    Tests of a module stay together: they share fixtures.
    """
    modules: dict[str, list[_Test]] = {}
    for test in tests:
        modules.setdefault(module(test), []).append(test)
    slowness = {name: max(map(slow, members)) for name, members in modules.items()}
    quick = [test for name, members in modules.items() if not slowness[name] for test in members]
    parts: list[list[_Test]] = [[] for _ in range(workers)]
    slowest = sorted((name for name in modules if slowness[name]), key=lambda name: -slowness[name])
    for number, name in enumerate(slowest):
        parts[number % workers].extend(modules[name])
    most = -(-(len(quick) + sum(map(len, parts))) // workers)
    ordered: list[_Test] = []
    for part in parts:
        count = max(0, most - len(part))
        ordered += [*part, *quick[:count]]
        del quick[:count]
    return [*ordered, *quick]


def slowness(marker: pytest.Mark | None) -> float:
    """Return how slow a test is by its mark `slow`: what the mark says in `seconds`, or else 1; 0 without the mark."""
    return float(marker.kwargs.get("seconds", 1.0)) if marker is not None else 0.0


def workers_of(workerinput: object) -> int:
    """Return how many workers share the tests, from what xdist tells a worker; 1 without it."""
    return int(workerinput["workercount"]) if isinstance(workerinput, dict) else 1
