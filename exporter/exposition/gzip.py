"""One gzip member made of parts, each of which is compressed once."""

import functools
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LEVEL = 1
"""A scrape is repetitive and sent over a short distance: higher levels cost several times the CPU and gain little."""
_AT_ONCE = 500
"""Pieces that are joined to be compressed: fewer cost time, more cost memory."""
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""RFC 1952: deflate, no name, no time, fastest, unknown system."""


@dataclass(frozen=True, slots=True)
class Deflated:
    """A compressed part of a member, after which others may follow."""

    data: bytes
    crc: int
    size: int
    """Checksum and size of what was compressed."""


def deflated(pieces: Sequence[bytes]) -> Deflated:
    """Compress a part: up to a byte boundary, without references from later data."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = []
    crc = size = 0
    for start in range(0, len(pieces), _AT_ONCE):
        plain = b"".join(pieces[start : start + _AT_ONCE])
        data.append(deflate.compress(plain))
        crc = zlib.crc32(plain, crc)
        size += len(plain)
    return Deflated(b"".join((*data, deflate.flush(zlib.Z_FULL_FLUSH))), crc, size)


@dataclass(frozen=True, slots=True)
class Begun:
    """The start of a gzip member, in pieces, with the checksum and size for its end."""

    pieces: tuple[bytes, ...]
    crc: int
    size: int


def begun(parts: Iterable[Deflated]) -> Begun:
    """Start a member with these parts. They are not read again.

    RFC 1952 allows a member for each part, but some readers stop after the first one.
    """
    pieces = [_HEADER]
    crc = size = 0
    for part in parts:
        pieces.append(part.data)
        crc = _crc_of_both(crc, part.crc, part.size)
        size += part.size
    return Begun(tuple(pieces), crc, size)


def ended(member: Begun, rest: bytes) -> tuple[bytes, ...]:
    """Return the whole member in pieces. Only `rest`, which is not compressed yet, is compressed here."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = deflate.compress(rest) + deflate.flush(zlib.Z_FINISH)
    crc = zlib.crc32(rest, member.crc)
    size = (member.size + len(rest)) & 0xFFFFFFFF
    return *member.pieces, data + crc.to_bytes(4, "little") + size.to_bytes(4, "little")


def _crc_of_both(first: int, second: int, size: int) -> int:
    """Return the checksum of two parts, one after the other, from their checksums and the size of the second.

    A CRC is a polynomial modulo another one: what follows multiplies it by a power of x. It is zlib's crc32_combine,
    which Python doesn't have, so that a part that has not changed is not read again.
    """
    return _product(_power(8 * size), first) ^ second


_ONE = 1 << 31
"""The polynomial 1: the highest bit is the lowest power of x."""
_MODULUS = 0xEDB88320


@functools.lru_cache(256)
def _power(exponent: int) -> int:
    """Return x to that power, modulo the CRC's polynomial."""
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _product(result, square)
        square = _product(square, square)
        exponent >>= 1
    return result


def _product(left: int, right: int) -> int:
    """Return the product of two polynomials, modulo the CRC's."""
    result = 0
    while left:
        if left & _ONE:
            result ^= right
        left = (left << 1) & 0xFFFFFFFF
        right = (right >> 1) ^ _MODULUS if right & 1 else right >> 1
    return result
