"""The lines of a family, in groups of neighboring accounts or collectors. A group is joined and compressed as a whole.

When a line changes, only its group is compressed again.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import is_

from exporter.exposition.gzip import Deflated, deflated, following
from exporter.exposition.shared_lines import Lines, length, whole

GROUP_BYTES = 2**16
"""About the size of a group. Smaller ones compress worse: a group has no references to the one before."""
_TOLERANCE = 8
"""A family is divided into new groups when these have grown or shrunk by this factor."""

CHUNK_BYTES = 2**18
"""The maximum size of a chunk of joined groups, in bytes."""


class Group:
    """Some lines. Compressed on first use; never kept joined."""

    __slots__ = ("_deflated", "pieces", "size")

    def __init__(self, pieces: Sequence[Lines]) -> None:
        self.pieces = pieces
        self.size = sum(map(length, pieces))
        self._deflated: Deflated | None = None

    def deflated(self) -> Deflated:
        if self._deflated is None:
            self._deflated = deflated(b"".join(map(whole, self.pieces)))
        return self._deflated


class Part:
    """A family in one format."""

    __slots__ = ("_deflated", "groups", "step")

    def __init__(self, groups: Sequence[Group], step: int) -> None:
        """Take groups of `step` pieces each."""
        self.groups = groups
        self.step = step
        self._deflated: Deflated | None = None

    def deflated(self) -> Deflated:
        if self._deflated is None:
            self._deflated = following(group.deflated() for group in self.groups)
        return self._deflated

    @property
    def is_uneven(self) -> bool:
        """Whether the groups have become so large or small that they should hold fewer pieces, or more."""
        if self.step > 1 and max(group.size for group in self.groups) > _TOLERANCE * GROUP_BYTES:
            return True
        mean = sum(group.size for group in self.groups) / len(self.groups)
        return len(self.groups) > _TOLERANCE and mean * _TOLERANCE < GROUP_BYTES


def grouped(head: bytes, pieces: Sequence[Lines], before: Part | None = None) -> Part:
    """Return the part that begins with `head`, such as HELP and TYPE. It shares with `before` what has not changed.

    It is `before` itself if nothing has.
    """
    every = [head, *pieces]
    part = _divided(every, _step(every) if before is None else before.step, before)
    return _divided(every, _step(every), before) if part.is_uneven else part


def _divided(pieces: Sequence[Lines], step: int, before: Part | None) -> Part:
    """Return these pieces in groups of `step`."""
    kept = before.groups if before is not None and before.step == step else ()
    groups = []
    for number, start in enumerate(range(0, len(pieces), step)):
        some = pieces[start : start + step]
        same = number < len(kept) and kept[number].pieces == some
        groups.append(kept[number] if same else Group(some))
    if before is not None and len(groups) == len(kept) and all(map(is_, groups, kept)):
        return before
    return Part(groups, step)


class Chunks:
    """The bytes of groups. Each chunk is joined when it is read, so that they are not held as a copy."""

    __slots__ = ("_chunks", "size")

    def __init__(self, groups: Iterable[Group]) -> None:
        self._chunks = list(_chunks(groups))
        self.size = sum(size for _, size in self._chunks)

    def __iter__(self) -> Iterator[bytes]:
        for groups, _ in self._chunks:
            # Of a single piece, `join` makes no copy.
            yield b"".join(list(filter(None, map(whole, chain.from_iterable(group.pieces for group in groups)))))


def _chunks(groups: Iterable[Group]) -> Iterator[tuple[list[Group], int]]:
    """Yield groups that make a chunk together, and their size. A large piece is a chunk of its own."""
    found: list[Group] = []
    size = 0
    for group in groups:
        is_large = len(group.pieces) == 1 and group.size > GROUP_BYTES
        if found and (is_large or size + group.size > CHUNK_BYTES):
            yield found, size
            found, size = [], 0
        if is_large:
            yield [group], group.size
        elif group.size:
            found.append(group)
            size += group.size
    if found:
        yield found, size


def _step(pieces: Sequence[Lines]) -> int:
    """Return how many pieces a group is to hold: a power of 2, so that it is seldom another one."""
    fitting = GROUP_BYTES * len(pieces) // max(1, sum(map(length, pieces)))
    return 1 << max(0, min(fitting * 3 // 2, 2 * len(pieces)).bit_length() - 1)
