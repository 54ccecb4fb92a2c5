"""One gzip member made of parts, each of which is compressed once."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

_LEVEL = 1
"""A scrape is repetitive and sent over a short distance: higher levels cost several times the CPU and gain little."""
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""RFC 1952: deflate, no name, no time, fastest, unknown system."""


def deflated(pieces: Iterable[bytes]) -> bytes:
    """Compress the pieces so that others may follow: up to a byte boundary, without references from later data."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return b"".join((*map(deflate.compress, pieces), deflate.flush(zlib.Z_FULL_FLUSH)))


@dataclass(frozen=True, slots=True)
class Begun:
    """The start of a gzip member, in pieces, with the checksum and size for its end."""

    pieces: tuple[bytes, ...]
    crc: int
    size: int


def begun(plain: Iterable[bytes], compressed: Iterable[bytes]) -> Begun:
    """Start a member with parts that are already deflated; `plain` has the uncompressed parts.

    RFC 1952 allows a member for each part, but some readers stop after the first one.
    """
    crc = size = 0
    for part in plain:
        crc = zlib.crc32(part, crc)
        size += len(part)
    return Begun((_HEADER, *compressed), crc, size)


def ended(member: Begun, rest: bytes) -> tuple[bytes, ...]:
    """Return the whole member in pieces. Only `rest`, which is not compressed yet, is compressed here."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = deflate.compress(rest) + deflate.flush(zlib.Z_FINISH)
    crc = zlib.crc32(rest, member.crc)
    size = (member.size + len(rest)) & 0xFFFFFFFF
    return *member.pieces, data + crc.to_bytes(4, "little") + size.to_bytes(4, "little")
