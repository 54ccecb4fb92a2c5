"""Assemble, compress and cache scrapes of the collectors' blocks and the live metrics. No HTTP here."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from prometheus_client.registry import Collector as LibraryCollector
from prometheus_client.registry import CollectorRegistry

from exporter.exposition.boot_clock import ticks
from exporter.exposition.gzip import Begun, Deflated, begun, deflated, ended
from exporter.exposition.live_lines import Named, render_live
from exporter.exposition.negotiation import escaping, gzip_preferred, openmetrics_preferred
from exporter.exposition.snapshot import Blocks, CollectorSnapshot, Snapshot, SnapshotStore
from exporter.exposition.text_format import header
from exporter.model.family import Family

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

LIVE_SECONDS = 1.0
"""How long the live metrics are cached: rendering them is the most expensive part of a scrape."""

_SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}

_Form = tuple[bool, bool]
"""Whether a scrape is in OpenMetrics, and whether it is compressed."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """The body of the response to a scrape. Its content type is that of the request: `content_type`."""

    content_encoding: str | None
    chunks: tuple[bytes, ...]
    """In their order, many of them small, and shared with the snapshots: a large scrape is not held as a copy."""
    has_accounts: bool = True
    """Whether accounts may be in it. They may not once other replicas may own them."""


@dataclass(frozen=True, slots=True)
class _Cached:
    """A scrape of one snapshot, valid from `since` until `until`, in seconds of the clock."""

    scrape: Scrape
    generation: int
    since: float
    until: float

    def holds(self, snapshot: Snapshot, now: float) -> bool:
        """Return whether it is valid for the snapshot and time; if the clock was set back, it is not."""
        return self.generation == snapshot.generation and self.since <= now <= self.until


class _Part:
    """A family's lines in one format, from all collectors. Compressed on first use; never kept joined."""

    def __init__(self, head: bytes, pieces: Sequence[bytes]) -> None:
        self.pieces = pieces
        self._head = head
        self._deflated: Deflated | None = None

    def plain(self) -> Iterator[bytes]:
        return chain((self._head,), filter(None, self.pieces))

    def deflated(self) -> Deflated:
        if self._deflated is None:
            self._deflated = deflated([self._head, *self.pieces])
        return self._deflated


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of all collectors in one format, at one moment."""

    collectors: Sequence[CollectorSnapshot]
    fresh: Sequence[bool]
    """Of each collector, whether its gauges about records are exposed."""
    by_family: Mapping[str, list[bytes]]
    """The lines of each collector, in their order; empty where it has none of the family."""


_NO_LINES = _Lines((), (), {})


class Exposition:
    """Render scrapes from the snapshot store and the live registry.

    It caches what was made for the last snapshot: each family's compressed part in each format, until a line in it
    changes, and whole scrapes, for LIVE_SECONDS of a snapshot. Two threads that scrape at once may both do the work;
    the result is the same.
    """

    def __init__(
        self,
        store: SnapshotStore,
        families: Sequence[Family],
        live: CollectorRegistry,
        clock: Callable[[], float] = ticks,
    ) -> None:
        self._store = store
        self._families = tuple(families)
        self._live = live
        self._clock = clock
        self._lines = False, _NO_LINES
        """In the format of the last scrape: those of the other one would be kept for as long as nobody asks for it."""
        self._parts: dict[bool, dict[str, _Part]] = {False: {}, True: {}}
        self._members: dict[bool, tuple[list[_Part], Begun]] = {}
        self._scrapes: dict[_Form, _Cached] = {}

    def kept(self, accept: str = "", accept_encoding: str = "") -> Scrape | None:
        """Return the scrape that `render` would return for these headers, if it is cached."""
        kept, now = self._scrapes.get((openmetrics_preferred(accept), gzip_preferred(accept_encoding))), self._clock()
        return kept.scrape if kept is not None and kept.holds(self._store.exposed(now), now) else None

    def drop_expired(self) -> None:
        """Free the cached scrapes that are no longer valid: those of thousands of collectors are large."""
        now = self._clock()
        snapshot = self._store.exposed(now)
        self._scrapes = {form: scrape for form, scrape in self._scrapes.items() if scrape.holds(snapshot, now)}

    def render(self, accept: str = "", accept_encoding: str = "", names: Sequence[str] = ()) -> Scrape:
        """Return a scrape for these headers; with `names`, only the families that have a sample of one of these names.

        It is uncompressed even if the headers exclude that: the caller decides how to respond then. With thousands of
        collectors it takes a part of a second, most of it in the C code that compresses: other threads
        continue meanwhile.
        """
        form = openmetrics_preferred(accept), gzip_preferred(accept_encoding)
        now = self._clock()
        return self._named(form, names, now) if names else self._current_whole(form, now)

    def may_send(self, scrape: Scrape) -> bool:
        """Return whether a scrape may still be sent: rendering it took a while, or the program stood still."""
        return not (scrape.has_accounts and self._store.is_silent(self._clock()))

    def _named(self, form: _Form, names: Sequence[str], now: float) -> Scrape:
        openmetrics, compressed = form
        chosen = [family for family in self._families if not sample_names(family).isdisjoint(names)]
        snapshot = self._store.exposed(now)
        parts = self._current(snapshot, chosen, openmetrics, now)
        member = begun(part.deflated() for part in parts) if compressed else None
        scrape = _scrape(parts, Named(self._live, frozenset(names)), openmetrics, member)
        return replace(scrape, has_accounts=not snapshot.is_silence)

    def _current_whole(self, form: _Form, now: float) -> Scrape:
        """Return the scrape of all families, from the cache if it is still valid."""
        kept, snapshot = self._scrapes.get(form), self._store.exposed(now)
        if kept is None or not kept.holds(snapshot, now):
            kept = None
            self.drop_expired()
            kept = self._whole(snapshot, now, *form)
            self._scrapes = {**self._scrapes, form: kept}
        return kept.scrape

    def _whole(self, snapshot: Snapshot, now: float, openmetrics: bool, compressed: bool) -> _Cached:
        parts = self._current(snapshot, self._families, openmetrics, now)
        scrape = _scrape(parts, self._live, openmetrics, self._compressed(parts, openmetrics) if compressed else None)
        scrape = replace(scrape, has_accounts=not snapshot.is_silence)
        until = min((c.fresh_until for c in snapshot.collectors if c.fresh_until >= now), default=math.inf)
        return _Cached(scrape, snapshot.generation, now, min(until, now + LIVE_SECONDS))

    def _current(self, snapshot: Snapshot, families: Iterable[Family], openmetrics: bool, now: float) -> list[_Part]:
        """Return the current parts of these families, from the cache where no line has changed."""
        kept = self._parts[openmetrics]
        of_format, before = self._lines
        lines = _current_lines(before if of_format is openmetrics else _NO_LINES, snapshot.collectors, now, openmetrics)
        self._lines = openmetrics, lines
        parts = []
        for family in families:
            pieces = lines.by_family.get(family.name, ())
            if not any(pieces):
                kept.pop(family.name, None)
                continue
            part = kept.get(family.name)
            if part is None or part.pieces != pieces:
                part = kept[family.name] = _Part(header(family, openmetrics=openmetrics), pieces)
            parts.append(part)
        return parts

    def _compressed(self, parts: list[_Part], openmetrics: bool) -> Begun:
        kept = self._members.get(openmetrics)
        if kept is None or kept[0] != parts:
            kept = self._members[openmetrics] = parts, begun(part.deflated() for part in parts)
        return kept[1]


@functools.lru_cache(maxsize=32)
def content_type(accept: str) -> str:
    """Return the content type of the response to this header. It always names an escaping, as client_golang does."""
    return f"{OPENMETRICS if openmetrics_preferred(accept) else TEXT}; escaping={escaping(accept)}"


def _scrape(parts: Sequence[_Part], live: LibraryCollector, openmetrics: bool, member: Begun | None) -> Scrape:
    """Return a scrape of these parts and the live metrics; `member` has the parts compressed, if it is to be."""
    rest = render_live(live, openmetrics)
    if member is None:
        return Scrape(None, (*chain.from_iterable(part.plain() for part in parts), rest))
    return Scrape("gzip", ended(member, rest))


def sample_names(family: Family) -> frozenset[str]:
    """Return the names of the samples of a family."""
    return frozenset(family.name + suffix for suffix in _SUFFIXES.get(family.kind, ("",)))


def _current_lines(before: _Lines, collectors: Sequence[CollectorSnapshot], now: float, openmetrics: bool) -> _Lines:
    """Return the lines of these collectors; `before` has those of earlier ones, from which few may differ."""
    comparable = len(before.collectors) == len(collectors)
    fresh = [now <= collector.fresh_until for collector in collectors]
    by_family = {name: pieces.copy() for name, pieces in before.by_family.items()} if comparable else {}
    for place, collector in enumerate(collectors):
        gone: Iterable[str] = ()
        if comparable:
            if before.collectors[place] is collector and before.fresh[place] is fresh[place]:
                continue
            gone = _shown(before.collectors[place], before.fresh[place])
        blocks = _shown(collector, fresh[place])
        for name in gone:
            by_family[name][place] = b""
        for name, block in blocks.items():
            pieces = by_family.get(name)
            if pieces is None:
                pieces = by_family[name] = [b""] * len(collectors)
            pieces[place] = block.openmetrics if openmetrics else block.text
    return _Lines(collectors, fresh, by_family)


def _shown(collector: CollectorSnapshot, fresh: bool) -> Blocks:
    """Return the blocks that are exposed of a collector; gauges about records only if they are fresh."""
    return {**(collector.gauges if fresh else {}), **collector.counters, **collector.status}
