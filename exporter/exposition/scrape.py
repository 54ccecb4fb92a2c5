"""Assemble, compress and cache scrapes of the collectors' blocks and the live metrics. No HTTP here."""

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from prometheus_client.registry import Collector as LibraryCollector
from prometheus_client.registry import CollectorRegistry

from exporter.exposition.boot_clock import ticks
from exporter.exposition.gzip import member
from exporter.exposition.live_lines import Named, live_parts
from exporter.exposition.negotiation import escaping, gzip_preferred, openmetrics_preferred
from exporter.exposition.parts import Chunks, Group, Part, grouped
from exporter.exposition.shared_lines import Lines
from exporter.exposition.snapshot import Blocks, CollectorSnapshot, Snapshot, SnapshotStore
from exporter.exposition.text_format import header
from exporter.model.family import Family

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

LIVE_SECONDS = 1.0
"""How long the live metrics are cached: rendering them is the most expensive part of a scrape."""

FORMAT_SECONDS = 300.0
"""How long the parts of a format are kept after its last scrape."""

_SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}

_Form = tuple[bool, bool]
"""Whether a scrape is in OpenMetrics, and whether it is compressed."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """The body of the response to a scrape. Its content type is that of the request: `content_type`."""

    content_encoding: str | None
    chunks: Iterable[bytes]
    """The chunks in order. Uncompressed ones are joined when they are read: a large scrape is not held as a copy."""
    size: int
    """The size in bytes."""
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


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of all collectors in one format, at one moment."""

    collectors: Sequence[CollectorSnapshot]
    fresh: Sequence[bool]
    """Whether the gauges about records are exposed, for each collector."""
    by_family: Mapping[str, list[Lines]]
    """The lines of each collector, in their order; empty where it has none of the family."""


_NO_LINES = _Lines((), (), {})


@dataclass(slots=True)
class _Format:
    """What was made for scrapes in one format."""

    used: float = -math.inf
    """When the last scrape in this format was made, in seconds of the clock."""
    lines: _Lines = _NO_LINES
    parts: dict[str, tuple[Sequence[Lines], Part]] = field(default_factory=dict)
    """The parts by family, with the lines that they are made of."""
    live: dict[str, Part] = field(default_factory=dict)
    """Parts of the live metrics, by family."""


class Exposition:
    """Render scrapes from the snapshot store and the live registry.

    It caches what was made for the last snapshot: groups of lines in each format, compressed, until a line in them
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
        self._formats: dict[bool, _Format] = {}
        """The formats, by whether they are OpenMetrics."""
        self._scrapes: dict[_Form, _Cached] = {}

    def kept(self, accept: str = "", accept_encoding: str = "") -> Scrape | None:
        """Return the scrape that `render` would return for these headers, if it is cached."""
        kept, now = self._scrapes.get((openmetrics_preferred(accept), gzip_preferred(accept_encoding))), self._clock()
        return kept.scrape if kept is not None and kept.holds(self._store.exposed(now), now) else None

    def drop_expired(self) -> None:
        """Free the cached scrapes that are no longer valid, and formats that nobody asks for any more.

        Those of thousands of collectors are large.
        """
        now = self._clock()
        snapshot = self._store.exposed(now)
        self._scrapes = {form: scrape for form, scrape in self._scrapes.items() if scrape.holds(snapshot, now)}
        self._formats = {key: each for key, each in self._formats.items() if now - each.used <= FORMAT_SECONDS}

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
        chosen = [family for family in self._families if not sample_names(family).isdisjoint(names)]
        snapshot = self._store.exposed(now)
        return self._scrape(snapshot, chosen, Named(self._live, frozenset(names)), form, now)

    def _current_whole(self, form: _Form, now: float) -> Scrape:
        """Return the scrape of all families, from the cache if it is still valid."""
        kept, snapshot = self._scrapes.get(form), self._store.exposed(now)
        if kept is None or not kept.holds(snapshot, now):
            kept = None
            self.drop_expired()
            kept = self._whole(snapshot, now, form)
            self._scrapes = {**self._scrapes, form: kept}
        return kept.scrape

    def _whole(self, snapshot: Snapshot, now: float, form: _Form) -> _Cached:
        scrape = self._scrape(snapshot, self._families, self._live, form, now)
        until = min((c.fresh_until for c in snapshot.collectors if c.fresh_until >= now), default=math.inf)
        return _Cached(scrape, snapshot.generation, now, min(until, now + LIVE_SECONDS))

    def _scrape(
        self, snapshot: Snapshot, families: Iterable[Family], live: LibraryCollector, form: _Form, now: float
    ) -> Scrape:
        """Return a scrape of these families and the live metrics."""
        openmetrics, compressed = form
        kept = self._formats.get(openmetrics) or _Format()
        kept.used = now
        # Replaced as a whole: another thread may drop those that have expired meanwhile.
        self._formats = {**self._formats, openmetrics: kept}
        parts = _current(kept, snapshot, families, openmetrics, now)
        live_ones, rest = live_parts(live, openmetrics, kept.live)
        parts += live_ones
        if compressed:
            pieces = member((part.deflated() for part in parts), rest)
            return Scrape("gzip", pieces, sum(map(len, pieces)), has_accounts=not snapshot.is_silence)
        chunks = Chunks(chain(chain.from_iterable(part.groups for part in parts), (Group((rest,)),)))
        return Scrape(None, chunks, chunks.size, has_accounts=not snapshot.is_silence)


def _current(
    kept: _Format, snapshot: Snapshot, families: Iterable[Family], openmetrics: bool, now: float
) -> list[Part]:
    """Return the current parts of these families, from the cache where no line has changed."""
    lines = kept.lines = _current_lines(kept.lines, snapshot.collectors, now, openmetrics)
    parts = []
    for family in families:
        pieces = lines.by_family.get(family.name, ())
        before, part = kept.parts.get(family.name, (None, None))
        if part is None or before is not pieces:
            if not any(pieces):
                kept.parts.pop(family.name, None)
                continue
            part = grouped(header(family, openmetrics=openmetrics), pieces, part)
            kept.parts[family.name] = pieces, part
        parts.append(part)
    return parts


@functools.lru_cache(maxsize=32)
def content_type(accept: str) -> str:
    """Return the content type of the response to this header. It always names an escaping, as client_golang does."""
    return f"{OPENMETRICS if openmetrics_preferred(accept) else TEXT}; escaping={escaping(accept)}"


def sample_names(family: Family) -> frozenset[str]:
    """Return the names of the samples of a family."""
    return frozenset(family.name + suffix for suffix in _SUFFIXES.get(family.kind, ("",)))


def _current_lines(before: _Lines, collectors: Sequence[CollectorSnapshot], now: float, openmetrics: bool) -> _Lines:
    """Return the lines of these collectors; `before` has those of earlier ones, from which few may differ."""
    comparable = len(before.collectors) == len(collectors)
    fresh = [now <= collector.fresh_until for collector in collectors]
    by_family = dict(before.by_family) if comparable else {}
    copied: set[str] = set()

    def own(name: str) -> list[Lines]:
        """Return the list of a family that is to be changed: the one of `before` is left as it is."""
        if name not in copied:
            copied.add(name)
            by_family[name] = by_family[name].copy() if name in by_family else [b""] * len(collectors)
        return by_family[name]

    for place, collector in enumerate(collectors):
        gone: Iterable[str] = ()
        if comparable:
            if before.collectors[place] is collector and before.fresh[place] is fresh[place]:
                continue
            gone = _shown(before.collectors[place], before.fresh[place])
        blocks = _shown(collector, fresh[place])
        for name in gone:
            if name not in blocks:
                own(name)[place] = b""
        for name, block in blocks.items():
            line = block.lines if openmetrics or not block.exemplars else block.text
            known = by_family.get(name)
            if known is None or known[place] != line:
                own(name)[place] = line
    return _Lines(collectors, fresh, by_family)


def _shown(collector: CollectorSnapshot, fresh: bool) -> Blocks:
    """Return the blocks that are exposed of a collector; gauges about records only if they are fresh."""
    return {**(collector.gauges if fresh else {}), **collector.counters, **collector.status_gauges}
