"""What the requests of thousands of accounts cost a scrape, with the exporter's meters and with the client library."""

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics import exposition as openmetrics_exposition

from exporter.exposition.meter import COUNTED, EXPECTED_CODES
from exporter.exposition.scrape import LIVE_SECONDS, OPENMETRICS, Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore

_SYSTEM = "inkit"
_ENDPOINTS = ("/batch", "/invoke", "/invoke/batch")


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of CPU time for a scrape of the metrics about requests."""

    series: int
    ours: float
    library: float


def costs(accounts: int, rounds: int) -> Costs:
    """Return the medians of so many rounds. In each, three quarters of the accounts make a request before the scrape.

    So many do where three collectors of each poll once a minute, and a scrape comes each 15 s.
    """
    names = [f"account-{number:04}" for number in range(accounts)]
    live = SelfMetrics("0", "", SnapshotStore())
    meters = [live.meter(name, _SYSTEM) for name in names]
    later = itertools.count(0.0, 2 * LIVE_SECONDS)
    exposition = Exposition(SnapshotStore(), (), live.registry, lambda: next(later))
    registry = CollectorRegistry()
    requests, throttled = (Counter(each.name, each.help, each.labels, registry=registry) for each in COUNTED)
    for name, meter in zip(names, meters, strict=True):
        meter.expect(_ENDPOINTS)
        throttled.labels(name, _SYSTEM)
        for endpoint, code in itertools.product(_ENDPOINTS, EXPECTED_CODES):
            requests.labels(name, _SYSTEM, endpoint, code)
    encode: Callable[[CollectorRegistry], bytes] = openmetrics_exposition.generate_latest
    turns = []
    for turn in range(rounds + 1):
        for place in range(accounts):
            if (place + turn) % 4:
                meters[place].throttled(0.25)
                meters[place].answered(_ENDPOINTS[0], "200", 0.1)
                throttled.labels(names[place], _SYSTEM).inc(0.25)
                requests.labels(names[place], _SYSTEM, _ENDPOINTS[0], "200").inc()
        ours = _spent(lambda: exposition.render(OPENMETRICS))
        turns.append((ours, _spent(lambda: encode(registry))))
    # The first round renders everything, and is left out.
    ours, library = (statistics.median(each) for each in zip(*turns[1:], strict=True))
    return Costs(accounts * (len(_ENDPOINTS) * len(EXPECTED_CODES) + 1), ours, library)


def _spent(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
