"""Families, blocks and an exposition of a store, for the tests of scrapes."""

import random
from collections.abc import Mapping

import pytest
from prometheus_client import Counter, Gauge
from prometheus_client.registry import CollectorRegistry

from exporter.exposition.scrape import Exposition, Scrape
from exporter.exposition.snapshot import Block, CollectorSnapshot, SnapshotStore
from exporter.exposition.text_format import Exemplar, HistogramSample, Sample, render
from exporter.model.family import Family

BATCHES = Family("inkit_batches", "gauge", "Batches.", ("account",))
FINISHED = Family("inkit_finished_total", "counter", 'Finished "batches".', ("account",))
SECONDS = Family("inkit_seconds", "histogram", "Durations.", ("account",), buckets=(1.0, 60.0))
UP = Family("batch_exporter_up", "gauge", "Up.", ("account",))
FAMILIES = (BATCHES, FINISHED, SECONDS, UP)
OPENMETRICS_ONLY = "application/openmetrics-text"
NOISE = random.Random(1).randbytes(100_000).hex().encode() + b"\n"
"""Too much to be sent together with other lines, compressed too."""
ENCODINGS = pytest.mark.parametrize("encoding", ["", "gzip"])
FORMATS = pytest.mark.parametrize("accept", ["", OPENMETRICS_ONLY])


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Scene:
    """A snapshot store with one exposition of it, and what lies around."""

    def __init__(self) -> None:
        self.clock = Clock(100.0)
        self.store = SnapshotStore()
        self.registry = CollectorRegistry(auto_describe=True)
        self.requests = Counter("api_requests", "Requests.", registry=self.registry)
        Gauge("api_open", "Open.", registry=self.registry)
        self.exposition = Exposition(self.store, FAMILIES, self.registry, self.clock)

    def publish(self, account: str, batches: int, fresh_until: float = 200.0, error: bool = False) -> None:
        exemplar = Exemplar((("record_id", "rb_1"),), 1.0, 99.0)
        data = blocks(
            (BATCHES, Sample((account,), batches)),
            (FINISHED, Sample((account,), 7, exemplar)),
            (SECONDS, HistogramSample((account,), (1, 2, 3), 99.5, (None, exemplar, None))),
        )
        status = blocks((UP, Sample((account,), 0 if error else 1)))
        self.store.publish(CollectorSnapshot(account, "inkit", "document_batches", data, fresh_until, status))

    def text(self, *names: str) -> str:
        return body(self.exposition.render("", "", names)).decode()

    def openmetrics(self, *names: str) -> str:
        return body(self.exposition.render(OPENMETRICS_ONLY, "", names)).decode()


def blocks(*rows: tuple[Family, Sample | HistogramSample]) -> Mapping[str, Block]:
    return {family.name: render(family, [sample]) for family, sample in rows}


def body(scrape: Scrape) -> bytes:
    return b"".join(scrape.chunks)
