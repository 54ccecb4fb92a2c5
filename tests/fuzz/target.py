"""What a fuzz target is, and how one input is put to it."""

import base64
import os
import random
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

MOST_BYTES = 64 * 1024
"""The longest input."""
_SECONDS = 2.0
_SECONDS_A_BYTE = 2e-4
"""CPU time that an input may take. PyYAML, the slowest of all, needs a quarter of it."""
_MOST_GROWTH = 256 * 1024 * 1024
"""Bytes by which the process may grow at one input."""

Mutator = Callable[[bytes, random.Random], bytes]
"""Returns a changed input."""


@dataclass(frozen=True, slots=True)
class Target:
    """A function of the exporter, as one that takes any bytes."""

    name: str
    check: Callable[[bytes], object]
    """Puts the input to the function. Raises whatever the function must not raise, and AssertionError."""
    seeds: Sequence[bytes]
    """Good inputs, and those that once were too much."""
    mutators: Sequence[Mutator]
    cost: float = 1.0
    """How expensive an input is: tests try fewer of those above 1."""


class Broken(Exception):
    """An input to which a target has not done what it should."""

    def __init__(self, target: str, data: bytes) -> None:
        kept = base64.b64encode(data).decode() if len(data) <= 1_000 else f"{len(data)} bytes"
        super().__init__(f"{target}: {data[:300]!r}; whole, in Base64: {kept}")
        self.data = data


def put(target: Target, data: bytes) -> None:
    """Put an input to a target. Raises Broken, also where it takes too much time or memory."""
    began, grown = time.thread_time(), _peak()
    try:
        target.check(data)
        spent = time.thread_time() - began
        assert spent <= _SECONDS + _SECONDS_A_BYTE * len(data), f"{len(data)} bytes took {spent:.1f} s of CPU time"
        assert _peak() - grown <= _MOST_GROWTH, f"{len(data)} bytes took {_peak() - grown} bytes of memory"
    except Exception as error:
        raise Broken(target.name, data) from error


def readable(error: Exception, *secrets: str) -> None:
    """Assert that the message of a declared error is one line for a terminal, and holds none of these words."""
    message = str(error)
    assert message, "an error without a message"
    assert message.isprintable(), message
    assert not any(secret in message for secret in secrets), message


def _peak() -> int:
    """Return the most memory that this process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def mutated(target: Target, source: random.Random, data: bytes | None = None) -> bytes:
    """Return an input that is one of the seeds, or this one, changed in one to four ways."""
    found = source.choice(target.seeds) if data is None else data
    for _ in range(source.choice((1, 1, 2, 4))):
        found = source.choice(target.mutators)(found, source)[:MOST_BYTES]
    return found


def inputs(target: Target, count: int, seed: object) -> Iterator[bytes]:
    """Yield all seeds, and then so many mutated ones."""
    yield from target.seeds
    source = random.Random(f"{target.name} {seed}")
    for _ in range(count):
        yield mutated(target, source)


def seed() -> object:
    """Return the seed of a test: with CI set always the same, elsewhere another at each run."""
    return 0 if os.environ.get("CI") else time.time_ns()


def smaller(target: Target, data: bytes, attempts: int = 500) -> bytes:
    """Return a part of an input that the target is not good for either, the smallest that is found."""
    size = max(1, len(data) // 2)
    while attempts > 0:
        for start in range(0, len(data), size):
            attempts -= 1
            shorter = data[:start] + data[start + size :]
            try:
                put(target, shorter)
            except Broken:
                data = shorter
                break
        else:
            if size == 1:
                break
            size //= 2
    return data
