"""One gzip member put together from parts, each of which is compressed once. What is compressed is not known here."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

_LEVEL = 1
"""A scrape travels a short way and is repetitive: higher levels cost several times the CPU for little."""
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""RFC 1952: deflate, no name, no time, fastest, unknown system."""


def deflated(pieces: Iterable[bytes]) -> bytes:
    """Compressed up to a byte's boundary, and with nothing that what comes after could refer to: others may follow."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return b"".join((*map(deflate.compress, pieces), deflate.flush(zlib.Z_FULL_FLUSH)))


@dataclass(frozen=True, slots=True)
class Begun:
    """The beginning of a gzip member, in pieces, with what its end has to say of what was compressed."""

    pieces: tuple[bytes, ...]
    crc: int
    size: int


def begun(plain: Iterable[bytes], compressed: Iterable[bytes]) -> Begun:
    """A member of parts that are deflated already; `plain` is what they were before.

    It is one member and not one for each part, as RFC 1952 would allow: some readers stop after the first.
    """
    crc = size = 0
    for each in plain:
        crc = zlib.crc32(each, crc)
        size += len(each)
    return Begun((_HEADER, *compressed), crc, size)


def ended(member: Begun, rest: bytes) -> tuple[bytes, ...]:
    """The whole member, in pieces, with a rest that is not compressed yet: only this is worked on."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = deflate.compress(rest) + deflate.flush(zlib.Z_FINISH)
    crc = zlib.crc32(rest, member.crc)
    size = (member.size + len(rest)) & 0xFFFFFFFF
    return *member.pieces, data + crc.to_bytes(4, "little") + size.to_bytes(4, "little")
