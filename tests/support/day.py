"""A day of polling, lived through against the mock API by a clock of its own. The page about it is intervals.md."""

import random
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.demo.items import deliveries, invocation
from exporter.model.accounting import Rules, is_failure_series
from exporter.polling.build import RECONCILE_SHARE
from exporter.state import prepared
from exporter.systems import sources
from tests.support.rig import DAY, HOUR, NOW, Rig

_PAGE_SIZE = 100
_REQUESTS_PER_SECOND = 5.0
_COLLECTORS = 3
"""The defaults, and the collectors of Inkit that share the account's requests with this one."""

_SHORTEST, _LONGEST = 10.0, 600.0
"""Seconds that work on an invocation takes."""
_FAILING = 0.2
_LATE = 50
"""How many fail in a day that had been completed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is chosen. Times in seconds."""

    poll_interval: float = 60.0
    reconcile_interval: float = HOUR
    lookback: float = 7 * DAY
    per_day: int = 1000
    """Invocations that appear in a day; the window is full of them when it begins."""

    @property
    def pages(self) -> int:
        """The pages of the window."""
        return max(1, round(self.per_day * self.lookback / DAY / _PAGE_SIZE))

    @property
    def allowance(self) -> int:
        """Requests that a poll may spend on a reconciliation, as the program reckons it."""
        return max(1, int(RECONCILE_SHARE * _REQUESTS_PER_SECOND * self.poll_interval / _COLLECTORS))


@dataclass(frozen=True, slots=True)
class Day:
    """What came of it. Delays are in seconds, from a failure at the API to the end of the poll that sees it."""

    requests: int
    delays: tuple[float, ...]
    late_delays: tuple[float, ...]
    """Of what failed after it had been completed."""


@dataclass(frozen=True, slots=True, order=True)
class _Event:
    at: float
    id: str
    status: str
    late: bool = False


def live(settings: Settings, *, quiet: bool = False) -> Day:
    """Poll invocations for a day; `quiet`: nothing is new, and nothing open."""
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder) / "state.db") as state:
        rig = Rig(state)
        with rig.mock_api:
            return _live(rig, settings, deque() if quiet else _work(settings, random.Random(1)))


def _live(rig: Rig, settings: Settings, work: deque[_Event]) -> Day:
    rig.world.extend("invocations", (invocation(*item) for item in _past(settings)))
    poller = rig.poller(
        "invocations",
        lookback=settings.lookback,
        reconcile_interval=settings.reconcile_interval,
        page_size=_PAGE_SIZE,
        allowance=settings.allowance,
    )
    rig.cost(poller)
    requests = 0
    waiting: dict[str, _Event] = {}
    noticed: list[tuple[bool, float]] = []
    while rig.clock.now < NOW + DAY:
        rig.clock.now += settings.poll_interval
        for event in _until(work, rig.clock.now):
            _happen(rig, event)
            if event.status == "Failed":
                waiting[event.id] = event
        requests += rig.cost(poller)
        for record_id in _failed(rig, list(waiting)):
            event = waiting.pop(record_id)
            noticed.append((event.late, rig.clock.now - event.at))
    return Day(
        requests,
        tuple(delay for late, delay in noticed if not late),
        tuple(delay for late, delay in noticed if late),
    )


def _past(settings: Settings) -> Iterator[tuple[str, float]]:
    """Yield the IDs of the invocations in the window, and when they were created; all of them are completed."""
    gap = DAY / settings.per_day
    for number in range(int((settings.lookback - _LONGEST) / gap)):
        yield f"rend_{number}", NOW - _LONGEST - number * gap


def _work(settings: Settings, rng: random.Random) -> deque[_Event]:
    """Return the events of the day in order: invocations begin and end, and some that had ended fail after all."""
    events: list[_Event] = []
    for number in range(settings.per_day):
        record_id, began = f"rend_new{number}", NOW + rng.random() * DAY
        outcome = "Failed" if rng.random() < _FAILING else "Completed"
        ends = began + rng.uniform(_SHORTEST, _LONGEST)
        events += [_Event(began, record_id, "In Progress"), _Event(ends, record_id, outcome)]
    # Early enough for two reconciliations: within the day, and before the record leaves the window.
    before = DAY - 2 * settings.reconcile_interval
    for record_id, created in rng.sample(list(_past(settings)), _LATE):
        at = NOW + rng.random() * before
        if at + 2 * settings.reconcile_interval < created + settings.lookback:
            events.append(_Event(at, record_id, "Failed", late=True))
    return deque(sorted(events))


def _until(work: deque[_Event], now: float) -> Iterator[_Event]:
    while work and work[0].at <= now:
        yield work.popleft()


def _happen(rig: Rig, event: _Event) -> None:
    destinations = {"inkit_storage": event.status}
    if event.status == "In Progress":
        rig.world.add("invocations", invocation(event.id, event.at, destinations=destinations))
        return
    changed = deliveries(event.id, destinations)
    rig.world.update("invocations", event.id, destinations=changed, destination_status=event.status)


def _failed(rig: Rig, ids: list[str]) -> list[str]:
    """Return those of the records whose failure is known."""
    rules = Rules.of(sources()["inkit"].families)
    with rig.state.records(rig.account, "invocations", rules) as records:
        found = records.get(ids)
    return [
        record_id
        for record_id, record in found.items()
        if any(is_failure_series(key, rules) for key in record.contributions)
    ]
