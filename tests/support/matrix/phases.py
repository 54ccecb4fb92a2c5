"""The phases of polling in which a fault begins, and what a cell must come to once it is over."""

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from exporter.model.record import Key
from exporter.state import State
from tests.support.matrix.scene import INTERVAL, STALE_AFTER, Scene
from tests.support.matrix.watched import Watched
from tests.support.matrix.wire import Asked
from tests.support.rig import HOUR


class Phase(Enum):
    """When a fault begins. Its value is its name on the page."""

    BACKFILL = "backfill"
    DISCOVER = "discover"
    REFRESH = "refresh"
    RECONCILE = "reconcile"
    RELOAD = "reload"
    SHUTDOWN = "shutdown"
    HANDOVER = "handover"


RESTARTS = (Phase.RELOAD, Phase.SHUTDOWN, Phase.HANDOVER)


@dataclass(frozen=True)
class Shown:
    """What the metrics say while a fault lasts."""

    up: bool | None = True
    """None: the exporter ends, and its target is down."""
    reasons: frozenset[str] = frozenset()
    """Those for which polls failed."""
    also: frozenset[str] = frozenset()
    """What else the metrics say."""


Undo = Callable[[], None]
Begin = Callable[[Scene], Undo]
"""Lets a fault begin, and returns what ends it."""


@dataclass
class Cell:
    """One fault in one phase of one collector."""

    watched: Watched
    phase: Phase
    begin: Begin
    account: str
    folder: Path
    same: Callable[[Key], Key | None] = lambda key: key
    hides: bool = False
    """Both as of Fault."""
    state: State | None = None
    """A state that it shares with other cells. One whose program ends has its own."""

    def run(self) -> Shown:
        """Live through the fault. Return what the metrics said. Raises AssertionError if a promise is broken."""
        scene = Scene(self.watched, self.account, self.folder, None if self.phase is Phase.SHUTDOWN else self.state)
        with contextlib.closing(scene):
            return self._run(scene)

    def _run(self, scene: Scene) -> Shown:
        if self.phase is not Phase.BACKFILL:
            for _ in range(2):
                assert scene.poll()
            assert scene.gauges() == scene.life.gauges()
        before = scene.life.events()
        if self.phase is Phase.RECONCILE:
            scene.clocks.true += HOUR
        earlier = dict(scene.last)
        undo = self._arm(scene)
        for step in range(4):
            scene.life.happen(step)
            if self.phase in RESTARTS and step == 1:
                self._restart(scene)
            scene.poll()
        scene.clocks.true += STALE_AFTER
        scene.poll()
        assert undo, "the fault was never met"
        fresh = scene.succeeded_at is not None and scene.clocks.true - scene.succeeded_at <= STALE_AFTER
        assert not scene.running or scene.shows_gauges() is fresh, "gauges are shown while they are fresh"
        scene.let_counters_rise()
        shown = _shown(scene, earlier)
        undo[0]()
        self._recover(scene, before)
        return shown

    def _alike(self, events: Counter[Key]) -> Counter[Key]:
        alike: Counter[Key] = Counter()
        for key, count in events.items():
            if (known := self.same(key)) is not None:
                alike[known] += count
        return alike

    def _arm(self, scene: Scene) -> list[Undo]:
        """Let the fault begin with the first request of the phase. It hits no other requests where it is of one."""
        undo: list[Undo] = []
        requests = 0

        def look(asked: Asked) -> None:
            nonlocal requests
            requests += 1
            if not undo and (requests > 1 if self.phase is Phase.BACKFILL else self._hits(asked)):
                undo.append(self.begin(scene))

        scene.wire.before.append(look)
        scene.wire.hits = self._hits
        return undo

    def _hits(self, asked: Asked) -> bool:
        if self.phase is Phase.REFRESH or (self.phase is Phase.RECONCILE and self.watched.by_id):
            return not asked.of_list
        if self.phase is Phase.RECONCILE:
            return asked.of_list and not asked.newest
        return True

    def _restart(self, scene: Scene) -> None:
        """Cut a poll off, and begin again: with another configuration, another program, or on another replica."""
        scene.cut_off()
        if self.phase is Phase.RELOAD:
            scene.reload()
        elif self.phase is Phase.SHUTDOWN:
            scene.stop()
            scene.clocks.true += INTERVAL
            scene.start()
        else:
            scene.start()
        if scene.running:
            scene.scrape()

    def _recover(self, scene: Scene, before: Counter[Key]) -> None:
        """Assert that all values are exact again after the fault, and that each event was counted once."""
        assert scene.poll(), f"the first poll after the fault fails: {scene.poller.status.error}"
        until = scene.life.events()
        # Records created before the first complete reading are old in an account without the list.
        scene.clocks.true += 10
        scene.life.happen(10)
        since = scene.life.events() - until
        for seconds in (HOUR, 0.0, HOUR):
            scene.clocks.true += seconds
            assert scene.poll(), scene.poller.status.error
            if seconds == 0 and scene.gauges() == scene.life.gauges():
                break
        scene.let_counters_rise()
        wrong = _difference(scene.life.gauges(), scene.gauges())
        assert not wrong, f"gauges are not true again: {wrong}"
        expected = scene.life.events() - before
        found, expected, since = map(self._alike, (scene.events(), expected, since))
        # What happened until the first reading was complete may be an old event or a new one. Later, all are new.
        uncertain = self.phase is Phase.BACKFILL
        twice = Counter[Key]() if self.hides else found - expected
        wrong = dict(twice | since - found) if uncertain else _difference(expected, found)
        assert not wrong, f"events were lost or counted twice: {wrong}"
        errors = {reason: count for reason, count in scene.failed.items() if count}
        assert dict(scene.own("poll_errors_total")) == errors, "each failed poll is counted"


def _difference(expected: Counter[Key], found: Counter[Key]) -> dict[Key, int]:
    """Return by how much the found values are too small, below 0 where they are too large."""
    return {key: expected[key] - found[key] for key in expected | found if expected[key] != found[key]}


_COUNTERS = ("records_vanished_total", "records_abandoned_total", "records_rejected_total", "unknown_values_total")


def _shown(scene: Scene, earlier: dict[tuple[str, ...], float]) -> Shown:
    """Say what the metrics say."""
    if not scene.running:
        return Shown(up=None)
    gone = int(scene.own("records_vanished_total")[""]) <= scene.life.removed
    risen = {key for key, value in scene.last.items() if value > earlier.get(key, 0.0)}
    reasons = {key[1] for key in risen if key[0] == "batch_exporter_poll_errors_total"}
    also = set()
    for name in _COUNTERS[1:] if gone else _COUNTERS:
        for key in risen:
            if key[0] == f"batch_exporter_{name}":
                also.add(name if len(key) == 1 else f"{name}:{key[1]}")
    also |= set() if scene.highest.keys() & scene.last.keys() else {"no counters"}
    also |= {"window_truncated"} if scene.value("window_truncated") else set()
    also |= {"not incremental"} if scene.value("incremental") == 0 else set()
    also |= {"throttled"} if scene.meter.waited >= 1 else set()
    also |= {"rate_limit"} if scene.meter.limits else set()
    return Shown(bool(scene.value("up")), frozenset(reasons), frozenset(also))
