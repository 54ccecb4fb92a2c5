"""One gzip member made of parts, each of which is compressed once."""

import functools
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

_LEVEL = 1
"""A scrape is repetitive and sent over a short distance: higher levels cost several times the CPU and gain little."""
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""RFC 1952: deflate, no name, no time, fastest, unknown system."""


@dataclass(frozen=True, slots=True)
class Deflated:
    """A compressed part of a member, in pieces, after which others may follow."""

    pieces: tuple[bytes, ...]
    crc: int
    size: int
    """Checksum and size of what was compressed."""


def deflated(plain: bytes) -> Deflated:
    """Compress a part: up to a byte boundary, without references from later data."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = deflate.compress(plain) + deflate.flush(zlib.Z_FULL_FLUSH)
    return Deflated((data,), zlib.crc32(plain), len(plain))


def following(parts: Iterable[Deflated]) -> Deflated:
    """Return these parts, one after the other, as one. They are not read again."""
    pieces: list[bytes] = []
    crc = size = 0
    for part in parts:
        pieces += part.pieces
        crc = _crc_of_both(crc, part.crc, part.size)
        size += part.size
    return Deflated(tuple(pieces), crc, size)


def member(parts: Iterable[Deflated], rest: bytes) -> tuple[bytes, ...]:
    """Return the whole member in pieces. Only `rest`, which is not compressed yet, is compressed here.

    RFC 1952 allows a member for each part, but some readers stop after the first one.
    """
    begun = following(parts)
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = deflate.compress(rest) + deflate.flush(zlib.Z_FINISH)
    crc = zlib.crc32(rest, begun.crc)
    size = (begun.size + len(rest)) & 0xFFFFFFFF
    return _HEADER, *begun.pieces, data + crc.to_bytes(4, "little") + size.to_bytes(4, "little")


def _crc_of_both(first: int, second: int, size: int) -> int:
    """Return the checksum of two parts, one after the other, from their checksums and the size of the second.

    A CRC is a polynomial modulo another one: data that follows multiplies it by a power of x. This is zlib's
    crc32_combine, which Python lacks. With it, an unchanged part is not read again.
    """
    return _product(_power(8 * size), first) ^ second if first else second


_ONE = 1 << 31
"""The polynomial 1: the highest bit is the lowest power of x."""
_MODULUS = 0xEDB88320


@functools.lru_cache(4096)
def _power(exponent: int) -> int:
    """Return x to that power, modulo the CRC's polynomial."""
    result, place = _ONE, 0
    while exponent:
        if exponent & 1:
            result = _product(result, _square(place))
        exponent >>= 1
        place += 1
    return result


@functools.lru_cache(64)
def _square(times: int) -> int:
    """Return x squared so many times."""
    if not times:
        return _ONE >> 1
    before = _square(times - 1)
    return _product(before, before)


def _product(left: int, right: int) -> int:
    """Return the product of two polynomials, modulo the CRC's."""
    result = 0
    while left:
        if left & _ONE:
            result ^= right
        left = (left << 1) & 0xFFFFFFFF
        right = (right >> 1) ^ _MODULUS if right & 1 else right >> 1
    return result
