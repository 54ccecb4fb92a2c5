"""Once another program may own the accounts, no scrape shows them, whatever is cached and however long it takes."""

import gzip
from collections.abc import Iterable

import pytest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from exporter.exposition.scrape import Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import CollectorSnapshot, SnapshotStore
from tests.support.scrape_scene import ENCODINGS, FAMILIES, FORMATS, Clock, Scene

ACCOUNT = 'account="a"'


def shown(scene: Scene, accept: str, encoding: str, names: tuple[str, ...] = ()) -> bool:
    """Return whether a scrape shows the account. Asserts that the cached scrape, if there is one, is the same."""
    scrape = scene.exposition.render(accept, encoding, names)
    text = b"".join(scrape.chunks)
    found = ACCOUNT in (gzip.decompress(text) if encoding else text).decode()
    kept = scene.exposition.kept(accept, encoding)
    assert names or kept is scrape
    assert "api_open" in scene.text(), "the rest is there"
    assert scene.openmetrics().endswith("# EOF\n")
    return found


@ENCODINGS
@FORMATS
@pytest.mark.parametrize("names", [(), ("batch_exporter_up",)])
def test_from_that_moment_on_no_account_is_shown_and_afterwards_all_are(
    scene: Scene, accept: str, encoding: str, names: tuple[str, ...]
) -> None:
    scene.publish("a", 1)
    scene.store.exposed_until = lambda: 100.2
    assert shown(scene, accept, encoding, names)
    scene.clock.now = 100.2
    assert not shown(scene, accept, encoding, names)
    scene.store.exposed_until = lambda: 101.2
    assert shown(scene, accept, encoding, names)
    scene.store.exposed_until = lambda: 100.0
    assert not shown(scene, accept, encoding, names), "the moment may be brought forward"


class Slow:
    """Metrics that take until a moment to be collected."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.until = clock, clock.now

    def collect(self) -> Iterable[Metric]:
        self.clock.now = self.until
        return [GaugeMetricFamily("slow", "Slow.", value=1)]


@pytest.mark.parametrize("names", [(), ("batch_exporter_up", "slow")])
def test_a_scrape_that_took_until_after_that_moment_may_not_be_sent(scene: Scene, names: tuple[str, ...]) -> None:
    scene.publish("a", 1)
    scene.store.exposed_until = lambda: 110.0
    slow = Slow(scene.clock)
    scene.registry.register(slow)
    slow.until = 109.9
    exposition = scene.exposition
    assert exposition.may_send(exposition.render(names=names))
    scene.clock.now, slow.until = 105.0, 110.0
    assert not exposition.may_send(exposition.render(names=names))
    assert exposition.may_send(exposition.render(names=names)), "it has no accounts"


def test_a_scrape_in_silence_has_seen_nothing() -> None:
    store = SnapshotStore()
    store.exposed_until = lambda: 110.0
    store.scraped(110.0)
    assert store.last_scrape is None
    store.scraped(109.9)
    assert store.last_scrape == 109.9


def test_requests_and_folded_series_of_accounts_are_silent_too() -> None:
    clock, store = Clock(100.0), SnapshotStore()
    metrics = SelfMetrics("1", "2", store, clock)
    metrics.meter("a", "inkit").answered("batch", "200", 0.1)
    store.publish(CollectorSnapshot("a", "inkit", "x", folded={"inkit_batches": 3}))
    exposition = Exposition(store, FAMILIES, metrics.registry, clock)

    def text() -> str:
        return b"".join(exposition.render().chunks).decode()

    store.exposed_until = lambda: 110.0
    assert text().count(ACCOUNT) == 3
    clock.now = 110.0
    assert ACCOUNT not in text()
    assert "batch_exporter_build_info" in text()
