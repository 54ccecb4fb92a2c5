"""What a scrape gets: the collectors' blocks and the live metrics, assembled, compressed and kept. No HTTP here."""

import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.families import Family
from exporter.negotiation import gzip_preferred, openmetrics_preferred
from exporter.rendering import header
from exporter.snapshot import Block, Board, CollectorSnapshot, Snapshot

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}
_GZIP_LEVEL = 1
"""A scrape travels a short way and is repetitive: higher levels cost several times the CPU for little."""
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""RFC 1952: deflate, no name, no time, fastest, unknown system."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """The answer to a scrape. The chunks are to be sent one after the other; they are shared, not copied."""

    content_type: str
    content_encoding: str | None
    chunks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Assembled:
    """The collectors' part in one format, good for one snapshot, from `since` until one of them turns stale."""

    generation: int
    since: float
    until: float
    plain: bytes

    def holds(self, snapshot: Snapshot, now: float) -> bool:
        """Not before `since` either: when the clock is set back, what was stale may be fresh again."""
        return self.generation == snapshot.generation and self.since <= now <= self.until


@dataclass(frozen=True, slots=True)
class _Deflated:
    """The compressed form of an assembled part, ready to have more appended."""

    source: _Assembled
    data: bytes
    crc: int


class Exposition:
    """Renders scrapes from the board and the live registry.

    It owns what was assembled and compressed for the last snapshot: a scrape copies those bytes and renders only the
    live metrics. Two threads that scrape at once may both do the work; the result is the same.
    """

    def __init__(
        self,
        board: Board,
        families: Sequence[Family],
        live: CollectorRegistry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = board
        self._families = tuple(families)
        self._live = live
        self._clock = clock
        self._assembled: dict[bool, _Assembled] = {}
        self._deflated: dict[bool, _Deflated] = {}

    def render(self, accept: str = "", accept_encoding: str = "", names: Sequence[str] = ()) -> Scrape:
        """A scrape for these headers; with `names`, only the families that have a sample of one of these names."""
        openmetrics = openmetrics_preferred(accept)
        content_type = OPENMETRICS if openmetrics else TEXT
        compressed = gzip_preferred(accept_encoding)
        if names:
            chosen = [family for family in self._families if not sample_names(family).isdisjoint(names)]
            part = self._assemble(self._board.snapshot, chosen, openmetrics)
            live = _render_live(_Named(self._live, frozenset(names)), openmetrics)
        else:
            part = self._current(openmetrics)
            live = _render_live(self._live, openmetrics)
        if not compressed:
            return Scrape(content_type, None, (part.plain, live))
        return Scrape(content_type, "gzip", _gzip(self._compressed(part, openmetrics), len(part.plain), live))

    def _current(self, openmetrics: bool) -> _Assembled:
        """The part for the board's snapshot at this moment, from the last scrape if it still holds."""
        snapshot = self._board.snapshot
        kept = self._assembled.get(openmetrics)
        if kept is None or not kept.holds(snapshot, self._clock()):
            kept = self._assembled[openmetrics] = self._assemble(snapshot, self._families, openmetrics)
        return kept

    def _compressed(self, part: _Assembled, openmetrics: bool) -> _Deflated:
        kept = self._deflated.get(openmetrics)
        if kept is not None and kept.source is part:
            return kept
        made = _deflate(part)
        if self._assembled.get(openmetrics) is part:
            self._deflated[openmetrics] = made
        return made

    def _assemble(self, snapshot: Snapshot, families: Iterable[Family], openmetrics: bool) -> _Assembled:
        now = self._clock()
        collectors = snapshot.collectors
        lines = b"".join(piece for family in families for piece in _family_lines(family, collectors, now, openmetrics))
        until = min((c.fresh_until for c in collectors if c.fresh_until >= now), default=math.inf)
        return _Assembled(snapshot.generation, now, until, lines)


def sample_names(family: Family) -> frozenset[str]:
    """The names that the samples of a family have."""
    return frozenset(family.name + suffix for suffix in _SUFFIXES.get(family.kind, ("",)))


def _family_lines(
    family: Family, collectors: Iterable[CollectorSnapshot], now: float, openmetrics: bool
) -> Iterator[bytes]:
    blocks = [block for collector in collectors for block in _shown(collector, family.name, now)]
    pieces = [block.openmetrics if openmetrics else block.text for block in blocks]
    if any(pieces):
        yield header(family, openmetrics=openmetrics)
        yield from pieces


def _shown(collector: CollectorSnapshot, name: str, now: float) -> Iterator[Block]:
    """The collector's block of a family: that about records only while it may pass for today's."""
    if name in collector.data and now <= collector.fresh_until:
        yield collector.data[name]
    if name in collector.status:
        yield collector.status[name]


class _Named(Collector):
    """The families of a registry that have a sample of one of some names.

    The library's own restricted registry returns them in an order that changes from run to run.
    """

    def __init__(self, registry: CollectorRegistry, names: frozenset[str]) -> None:
        self._registry = registry
        self._names = names

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if any(sample.name in self._names for sample in metric.samples):
                yield metric


def _render_live(live: Collector, openmetrics: bool) -> bytes:
    """The live metrics in a format; in OpenMetrics with the `# EOF` that ends the whole scrape."""
    encode: Callable[[Collector], bytes] = openmetrics_exposition.generate_latest if openmetrics else generate_latest
    return encode(live)


def _deflate(part: _Assembled) -> _Deflated:
    """Compressed up to a byte's boundary, and with nothing that a continuation could refer to."""
    deflate = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = deflate.compress(part.plain) + deflate.flush(zlib.Z_FULL_FLUSH)
    return _Deflated(part, data, zlib.crc32(part.plain))


def _gzip(first: _Deflated, length: int, rest: bytes) -> tuple[bytes, ...]:
    """One gzip member of a part that is compressed already and a rest that is not: only the rest is worked on."""
    deflate = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = deflate.compress(rest) + deflate.flush(zlib.Z_FINISH)
    crc = zlib.crc32(rest, first.crc)
    size = (length + len(rest)) & 0xFFFFFFFF
    return _GZIP_HEADER, first.data, data + crc.to_bytes(4, "little") + size.to_bytes(4, "little")
