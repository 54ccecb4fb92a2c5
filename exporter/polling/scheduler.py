"""Run the polls of all collectors in the engine, as the schedule says."""

import logging
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from exporter.exposition.boot_clock import ticks as boot_ticks
from exporter.exposition.snapshot import CollectorId
from exporter.model.iso_time import format_iso_time
from exporter.polling.engine import Engine
from exporter.polling.poller import Poller
from exporter.polling.schedule import Schedule, Turn, first_polls
from exporter.polling.workers import AccountRunner, Workers

log = logging.getLogger(__name__)

FIRST_POLL_SECONDS_EACH = 0.1
"""First polls are spread over that much for each collector, so that a thousand do not send requests in one second."""

TAKEOVER_SECONDS_EACH = 0.01
"""The same for accounts of which this replica has just got the lease: nobody has polled them for a while. They begin
fifty at a time, and each fifty wait for the database first."""

WORKERS = 32
"""Requests under way at the same time, of all accounts."""


@dataclass(frozen=True, slots=True)
class _Polled:
    poller: Poller
    over: threading.Event


class Scheduler:
    """Polls collectors when they are due.

    Polls begin as long as few others are at work, so that what is late waits here, where it costs nothing.
    """

    def __init__(self, workers: int = WORKERS, ticks: Callable[[], float] = boot_ticks) -> None:
        """Allow so many requests at the same time. Nothing runs before `start`."""
        self.engine = Engine(ticks)
        self.engine.fill = self._fill
        self.engine.held_up = self._held_up
        self.workers = Workers(self.engine, workers)
        self._ticks = ticks
        self._schedule: Schedule[CollectorId] = Schedule()
        self._polled: dict[CollectorId, _Polled] = {}
        self._collectors: defaultdict[str, set[CollectorId]] = defaultdict(set)
        """The collectors of each account."""
        self._asked: set[str] = set()
        """The accounts with a requested poll that the engine has not handled yet."""
        self.workers.turned_quick = self._reconsider

    @property
    def overdue(self) -> int:
        """How many polls are due and have not begun."""
        return self._schedule.overdue

    def runner(self, account: str, over: threading.Event) -> AccountRunner:
        """Return what an account's client waits and calls with, until `over` is set."""
        return AccountRunner(self.engine, self.workers, account, over)

    def add(
        self,
        pollers: Sequence[Poller],
        over: Callable[[Poller], threading.Event],
        seconds_each: float = FIRST_POLL_SECONDS_EACH,
    ) -> None:
        """Poll these collectors from now on; `over` returns the event that ends a poller.

        Called in the engine, or before it starts.
        """
        ordered = sorted(pollers, key=_place_in_account(pollers))
        times = first_polls(self._ticks(), [poller.interval for poller in ordered], seconds_each, random.random())
        for poller, due in zip(ordered, times, strict=True):
            self._polled[poller.id] = _Polled(poller, over(poller))
            self._collectors[poller.id[0]].add(poller.id)
            self._schedule.add(poller.id, poller.interval, due)

    def end(self, pollers: Iterable[Poller], over: threading.Event) -> None:
        """Poll these collectors no longer, and end the polls under way, once `over` is set. Called in a task."""
        ids = [poller.id for poller in pollers]
        self._schedule.remove(ids)
        for collector in ids:
            del self._polled[collector]
            self._collectors[collector[0]].discard(collector)
        for account in {account for account, _ in ids if not self._collectors[account]}:
            del self._collectors[account]
            self.workers.remove(account)
        self.engine.end(over)

    def ask(self, account: str) -> None:
        """Poll the collectors of an account soon, see `Schedule.ask`. Any thread may call this, however often."""
        if account not in self._asked:
            self._asked.add(account)
            self.engine.post(lambda: self._ask(account))

    def _ask(self, account: str) -> None:
        # Remove it first: a later request needs a poll of its own.
        self._asked.discard(account)
        for collector in self._collectors.get(account, ()):
            self._schedule.ask(collector, self._ticks())

    def log_all(self) -> None:
        """Log how each collector is, soon. Any thread may call this."""
        self.engine.post(self._log_all)

    def _log_all(self) -> None:
        now = self._ticks()
        log.info(
            "polling",
            extra={"collectors": len(self._polled), "overdue": self.overdue, "workers_busy": self.workers.busy},
        )
        for (account, collector), polled in self._polled.items():
            due, polling = self._schedule.due((account, collector))
            status = polled.poller.status
            extra = {"account": account, "collector": collector, "polling": polling, "due_in": round(due - now, 1)}
            extra |= {
                "up": status.up,
                "reason": status.reason and status.reason.value,
                "backfilling": status.backfilling,
            }
            extra |= {"finished": status.finished, "in_flight": status.in_flight, "lateness": status.lateness}
            last = None if status.last_success is None else format_iso_time(status.last_success, "milliseconds")
            log.info("collector", extra=extra | {"last_success": last, "last_duration": status.last_duration})

    def _fill(self) -> float | None:
        """Begin polls. Return when the next one is due."""
        while (turn := self._schedule.take(self._ticks(), self._has_room, self._is_quick)) is not None:
            polled = self._polled[turn.collector]
            self.engine.spawn(
                polled.over,
                lambda turn=turn, poller=polled.poller: self._run(turn, poller),  # type: ignore[misc]
                turn.quick,
            )
        return self._schedule.next_at()

    def _run(self, turn: Turn[CollectorId], poller: Poller) -> None:
        publish_in, wait, succeeded, at_once = None, 0.0, False, False
        try:
            if turn.lateness is None:
                at_once = poller.look()
            else:
                poller.status.lateness = turn.lateness
                succeeded = poller.poll()
                wait = poller.wait
                if poller.recovered:
                    self._hasten(turn.collector, poller.interval)
            publish_in = poller.next_change()
        finally:
            self._schedule.done(turn, self._ticks(), publish_in, wait, succeeded=succeeded)
            if at_once:
                self._schedule.hasten(turn.collector, self._ticks())

    def _hasten(self, recovered: CollectorId, interval: float) -> None:
        """Let the account's other collectors that wait find out within an interval that the API answers again."""
        for collector in self._collectors[recovered[0]] - {recovered}:
            if self._polled[collector].poller.wait:
                self._schedule.hasten(collector, self._ticks() + random.random() * interval)

    def _has_room(self, quick: bool) -> bool:
        return self.engine.at_work(quick) < 2 * self.workers.most

    def _is_quick(self, collector: CollectorId) -> bool:
        return self.workers.is_quick(collector[0])

    def _reconsider(self, account: str) -> None:
        """Let polls of an account that has become quick wait no longer among those of accounts that are not."""
        for collector in self._collectors[account]:
            self._schedule.reconsider(collector)

    def _held_up(self, seconds: float) -> None:
        """Spread what came due while the process or the machine stood still over as long a time."""
        self._schedule.spread(self._ticks(), seconds)


def _place_in_account(pollers: Iterable[Poller]) -> Callable[[Poller], int]:
    """Return a key that puts the first collectors of all accounts first: an account that hangs shows that with one."""
    counts: Counter[str] = Counter()
    places = {}
    for poller in pollers:
        places[poller.id] = counts[poller.status.account]
        counts[poller.status.account] += 1
    return lambda poller: places[poller.id]
