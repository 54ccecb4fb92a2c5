"""The order of tests: what waits for processes and for time begins first, beside what needs the processor."""

from collections.abc import Callable, Iterable
from typing import TypeVar

_Test = TypeVar("_Test")


def slow_first(
    tests: Iterable[_Test], module: Callable[[_Test], str], slow: Callable[[_Test], bool], workers: int
) -> list[_Test]:
    """Return the tests in an order in which each of so many equal parts, one after the other, begins with slow modules.

    xdist gives each worker a part. Tests of a module stay together: they share fixtures.
    """
    modules: dict[str, list[_Test]] = {}
    for test in tests:
        modules.setdefault(module(test), []).append(test)
    are_slow = {name: any(map(slow, members)) for name, members in modules.items()}
    quick = [test for name, members in modules.items() if not are_slow[name] for test in members]
    parts: list[list[_Test]] = [[] for _ in range(workers)]
    for number, name in enumerate(name for name in modules if are_slow[name]):
        parts[number % workers].extend(modules[name])
    most = -(-(len(quick) + sum(map(len, parts))) // workers)
    ordered: list[_Test] = []
    for part in parts:
        count = max(0, most - len(part))
        ordered += [*part, *quick[:count]]
        del quick[:count]
    return [*ordered, *quick]


def workers_of(workerinput: object) -> int:
    """Return how many workers share the tests, from what xdist tells a worker; 1 without it."""
    return int(workerinput["workercount"]) if isinstance(workerinput, dict) else 1
