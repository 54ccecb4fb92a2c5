"""What a scrape gets: the collectors' blocks and the live metrics, assembled, compressed and kept. No HTTP here."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.exposition.boot_clock import ticks
from exporter.exposition.gzip import Begun, begun, deflated, ended
from exporter.exposition.negotiation import gzip_preferred, openmetrics_preferred
from exporter.exposition.snapshot import Block, CollectorSnapshot, Snapshot, SnapshotStore
from exporter.exposition.text_format import header
from exporter.model.family import Family

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

LIVE_SECONDS = 1.0
"""How long the live metrics are kept: to render them costs more than all else, and nobody scrapes that often alone."""

_SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}
_LARGE = 2**16
"""Bytes. To send a smaller piece by itself costs more than to copy it."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """The answer to a scrape. The chunks are to be sent one after the other; they are shared, not copied."""

    content_type: str
    content_encoding: str | None
    chunks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A scrape made for one snapshot, good from `since` until `until`, in seconds of the clock."""

    scrape: Scrape
    generation: int
    since: float
    until: float

    def holds(self, snapshot: Snapshot, now: float) -> bool:
        """Not before `since` either: when the clock is set back, what was stale may be fresh again."""
        return self.generation == snapshot.generation and self.since <= now <= self.until


class _Part:
    """A family's lines in one format, from all collectors; joined and compressed when that is first asked for."""

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        self.pieces = pieces
        self._plain: bytes | None = None
        self._deflated: bytes | None = None

    def plain(self) -> bytes:
        if self._plain is None:
            self._plain = b"".join(self.pieces)
        return self._plain

    def deflated(self) -> bytes:
        if self._deflated is None:
            self._deflated = deflated(self.pieces)
        return self._deflated


class Exposition:
    """Renders scrapes from the board and the live registry.

    It owns what was made for the last snapshot: each family's part in each format, which is made anew only when a
    line in it has changed, and whole scrapes, which hold for LIVE_SECONDS of a snapshot. Two threads that scrape at
    once may both do the work; the result is the same.
    """

    def __init__(
        self,
        board: SnapshotStore,
        families: Sequence[Family],
        live: CollectorRegistry,
        clock: Callable[[], float] = ticks,
    ) -> None:
        self._board = board
        self._families = tuple(families)
        self._live = live
        self._clock = clock
        self._parts: dict[bool, dict[str, _Part]] = {False: {}, True: {}}
        self._members: dict[bool, tuple[list[_Part], Begun]] = {}
        self._scrapes: dict[tuple[bool, bool], _Kept] = {}

    def render(self, accept: str = "", accept_encoding: str = "", names: Sequence[str] = ()) -> Scrape:
        """A scrape for these headers; with `names`, only the families that have a sample of one of these names.

        Not compressed too where the headers exclude that: what is to be answered then is for HTTP to say.
        """
        openmetrics, compressed = openmetrics_preferred(accept), gzip_preferred(accept_encoding)
        snapshot, now = self._board.snapshot, self._clock()
        if names:
            chosen = [family for family in self._families if not sample_names(family).isdisjoint(names)]
            parts = self._current(snapshot, chosen, openmetrics, now)
            return _scrape(
                parts, _Named(self._live, frozenset(names)), openmetrics, _begun(parts) if compressed else None
            )
        kept = self._scrapes.get((openmetrics, compressed))
        if kept is None or not kept.holds(snapshot, now):
            kept = self._scrapes[openmetrics, compressed] = self._whole(snapshot, now, openmetrics, compressed)
        return kept.scrape

    def _whole(self, snapshot: Snapshot, now: float, openmetrics: bool, compressed: bool) -> _Kept:
        parts = self._current(snapshot, self._families, openmetrics, now)
        scrape = _scrape(parts, self._live, openmetrics, self._compressed(parts, openmetrics) if compressed else None)
        until = min((c.fresh_until for c in snapshot.collectors if c.fresh_until >= now), default=math.inf)
        return _Kept(scrape, snapshot.generation, now, min(until, now + LIVE_SECONDS))

    def _current(self, snapshot: Snapshot, families: Iterable[Family], openmetrics: bool, now: float) -> list[_Part]:
        """The parts of these families as they are at this moment: those of before where no line has changed."""
        kept = self._parts[openmetrics]
        parts = []
        for family in families:
            pieces = tuple(_family_lines(family, snapshot.collectors, now, openmetrics))
            if not pieces:
                kept.pop(family.name, None)
                continue
            part = kept.get(family.name)
            if part is None or part.pieces != pieces:
                part = kept[family.name] = _Part(pieces)
            parts.append(part)
        return parts

    def _compressed(self, parts: list[_Part], openmetrics: bool) -> Begun:
        kept = self._members.get(openmetrics)
        if kept is None or kept[0] != parts:
            kept = self._members[openmetrics] = parts, _begun(parts)
        return kept[1]


def _begun(parts: Sequence[_Part]) -> Begun:
    return begun((piece for part in parts for piece in part.pieces), [part.deflated() for part in parts])


def _scrape(parts: Sequence[_Part], live: Collector, openmetrics: bool, member: Begun | None) -> Scrape:
    """A scrape of these parts, and the live metrics; `member`: the parts compressed, if it is to be."""
    content_type = OPENMETRICS if openmetrics else TEXT
    rest = _render_live(live, openmetrics)
    if member is None:
        return Scrape(content_type, None, tuple(_chunks([*(part.plain() for part in parts), rest])))
    return Scrape(content_type, "gzip", tuple(_chunks(ended(member, rest))))


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces in their order: large ones as they are, those between them joined."""
    small: list[bytes] = []
    for piece in pieces:
        if len(piece) < _LARGE:
            small.append(piece)
            continue
        if small:
            yield b"".join(small)
            small = []
        yield piece
    yield b"".join(small)


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
    """The collector's block of a family: gauges about records only while they may pass for today's."""
    if name in collector.gauges and now <= collector.fresh_until:
        yield collector.gauges[name]
    if name in collector.counters:
        yield collector.counters[name]
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
