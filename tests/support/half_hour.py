"""Half an hour of the demo, watched at the API itself and through the exporter. How it is drawn is in picture.py."""

import functools
import json
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from exporter.demo.items import Kind
from exporter.demo.packagex.simulation import PackagexSimulation
from exporter.demo.simulation import Simulation
from exporter.model.accounting import Rules, is_failure_series
from exporter.model.record import Key
from exporter.polling.poller import Poller
from exporter.state import prepared
from exporter.systems import sources
from tests.support import counting
from tests.support.counting import Batches
from tests.support.rig import NOW, Rig

LENGTH = 1800.0
POLL_INTERVAL = 60.0
_STEP = 5.0
_SEED = 2
"""Of many half hours, one in which something happens in many places."""

WATCHED: tuple[Kind | Batches, ...] = ("document_batches", "invocations", "batches")
"""A workflow batch is made of invocations, and would show the same once more."""

COUNTERS = {
    "inkit_batch_generations_finished_total": ("Inkit", 2),
    "inkit_invocation_generations_finished_total": ("Inkit", 1),
    "packagex_batches_finished_total": ("PackageX", 1),
}
"""The counters that are drawn: whose they are, and which part of a series' key is the place."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A destination of Inkit, or a resource of PackageX."""

    system: str
    name: str


@dataclass(frozen=True, slots=True, order=True)
class Failures:
    """So many failures at one place. The time is in seconds from the beginning."""

    at: float
    count: int


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, and what the metrics showed of it."""

    happened: dict[Place, list[Failures]] = field(default_factory=dict)
    counted: dict[Place, list[Failures]] = field(default_factory=dict)


def watch() -> Story:
    """Let the demo live for half an hour by a clock of its own, and poll it with the default interval."""
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder) / "state.db") as state:
        rig = Rig(state)
        with rig.mock_api:
            return _watch(rig)


def _watch(rig: Rig) -> Story:
    rng = random.Random(_SEED)
    simulations = (Simulation(rig.world, rng), PackagexSimulation(rig.batches, rng))
    for simulation in simulations:
        simulation.history(rig.clock.now)
    pollers: list[Poller] = []
    for number, kind in enumerate(WATCHED):
        # An interval before the first turn that it has below.
        rig.clock.now = NOW - number * POLL_INTERVAL / len(WATCHED)
        rig.system = "packagex" if kind == "batches" else "inkit"
        pollers.append(rig.poller(kind))
        assert pollers[-1].poll()
    before = _at_the_api(rig)
    happened: dict[Place, list[Failures]] = {}
    counted: dict[Place, list[Failures]] = {}
    for step in range(1, int(LENGTH / _STEP) + 1):
        rig.clock.now = NOW + step * _STEP
        for simulation in simulations:
            simulation.step(rig.clock.now)
        _note(happened, step * _STEP, _at_the_api(rig) - before)
        for number, poller in enumerate(pollers):
            # Each poller has its own turn in the interval, as if they had started at different times.
            if (step * _STEP + number * POLL_INTERVAL / len(pollers)) % POLL_INTERVAL == 0:
                assert poller.poll()
        _note(counted, step * _STEP, _in_the_metrics(rig))
    return Story(happened, counted)


def _note(story: dict[Place, list[Failures]], at: float, totals: Counter[Place]) -> None:
    for place, total in totals.items():
        known = story.setdefault(place, [])
        if more := total - sum(failures.count for failures in known):
            known.append(Failures(at, more))


def _at_the_api(rig: Rig) -> Counter[Place]:
    """Return all failures so far, counted from the API's own records."""
    found: Counter[Place] = Counter()
    for kind in WATCHED:
        if kind == "batches":
            texts, _ = rig.batches.texts({}, 0, None, newest_first=True)
        else:
            texts, _ = rig.world.texts(kind, "created_at", 0, None)
        for text in texts:
            found.update(_failures(kind, text))
    return found


# From step to step most records stay as they are.
@functools.lru_cache(maxsize=8192)
def _failures(kind: Kind | Batches, text: bytes) -> Counter[Place]:
    return _by_place(counting.finished(kind, json.loads(text)))


def _in_the_metrics(rig: Rig) -> Counter[Place]:
    """Return all failures that the counters show, as a scrape would find them."""
    shown = (rig.sums(kind).counters for kind in WATCHED)
    return _by_place(Counter({key: count.published for counts in shown for key, count in counts.items()}))


def _by_place(counts: Counter[Key]) -> Counter[Place]:
    found: Counter[Place] = Counter()
    rules = Rules.of(family for source in sources().values() for family in source.families)
    for key, count in counts.items():
        if key[0] in COUNTERS and is_failure_series(key, rules):
            system, label = COUNTERS[key[0]]
            found[Place(system, key[label])] += count
    return found
