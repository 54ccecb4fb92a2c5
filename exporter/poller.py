"""The loop around a collector: when it polls, what becomes of a failure, and what is published."""

import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from exporter.client import Client, Stopping
from exporter.facts import Facts
from exporter.ledger import RECORDS
from exporter.metrics import data_blocks, status_blocks
from exporter.poll import Collector, Found
from exporter.records import PollError
from exporter.snapshot import Blocks, Board, CollectorSnapshot, Health
from exporter.state import State

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """When to poll, and how long what was found may be shown. Seconds."""

    interval: float
    stale_after: float


class Poller:
    """Polls one collector and publishes what came of it, whether it went well or not."""

    def __init__(
        self,
        collector: Collector,
        client: Client,
        state: State,
        board: Board,
        facts: Facts,
        pace: Pace,
        workflow_label: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._collector = collector
        self._client = client
        self._state = state
        self._board = board
        self._facts = facts
        self._pace = pace
        self._workflow_label = workflow_label
        self._clock = clock
        self._data: Blocks = {}

    @property
    def facts(self) -> Facts:
        return self._facts

    @property
    def interval(self) -> float:
        """Seconds from the start of a poll to the start of the next."""
        return self._pace.interval

    def run(self, wait: Callable[[float], bool], jitter: float) -> None:
        """Poll until `wait` says that the program is stopping. The first poll comes within `jitter` seconds.

        A poll that takes longer than the interval is followed by the next one in step: none is started twice.
        """
        pause = random.random() * jitter
        while not wait(pause):
            started = time.monotonic()
            try:
                self.poll()
            except Stopping:
                return
            taken = time.monotonic() - started
            pause = self._pace.interval * math.ceil(taken / self._pace.interval) - taken

    def poll(self) -> bool:
        """Poll once and publish. Returns whether it succeeded; raises Stopping only."""
        started = time.monotonic()
        found = Found()
        try:
            self._poll(found)
            self._facts.up, self._facts.error = True, None
        except PollError as error:
            self._failed(error)
        self._note(found)
        self._facts.last_duration = time.monotonic() - started
        self.publish()
        return self._facts.up is True

    def publish(self) -> None:
        """Put up what is known now. A poll that failed has changed only what is known of the polling."""
        facts = self._facts
        fresh_until = 0.0 if facts.last_success is None else facts.last_success + self._pace.stale_after
        health = Health(
            facts.up, not facts.backfilling, facts.last_success, facts.finished, facts.in_flight, facts.error
        )
        self._board.publish(
            CollectorSnapshot(
                facts.account, facts.system, facts.collector, self._data, fresh_until, status_blocks(facts), health
            )
        )

    def _poll(self, found: Found) -> None:
        facts = self._facts
        with self._state.records(facts.account, facts.collector) as records:
            self._collector.poll(self._client, records, self._clock(), found)
            totals = records.totals()
        facts.finished = totals.get((RECORDS, "finished"), 0)
        facts.in_flight = totals.get((RECORDS, "in_flight"), 0)
        facts.last_success = self._clock()
        if facts.backfilling:
            facts.backfilling = False
            log.info("the window has been read", extra={**self._where(), "records": facts.finished + facts.in_flight})
        self._data = data_blocks(self._collector.families, facts.account, facts.collector, totals, self._workflow_label)

    def _note(self, found: Found) -> None:
        """Count and tell what was met: once a poll, however many records it was."""
        self._facts.rejected.update(found.rejected)
        self._facts.vanished += found.vanished
        for (label, value), count in found.unknown.items():
            self._facts.unknown_values[label] += count
            log.warning(
                "a value that the API's documentation does not name",
                extra={**self._where(), "label": label, "value": value, "records": count},
            )
        for reason, count in found.rejected.items():
            log.warning(
                "skipped records that can't be understood", extra={**self._where(), "reason": reason, "records": count}
            )
        if found.vanished:
            log.info("the API no longer has records that it had", extra={**self._where(), "records": found.vanished})

    def _failed(self, error: PollError) -> None:
        facts = self._facts
        facts.up, facts.error = False, str(error)
        facts.poll_errors[error.reason] += 1
        log.error("poll failed", extra={**self._where(), "reason": error.reason.value, "err": str(error)})

    def _where(self) -> dict[str, str]:
        return {"account": self._facts.account, "collector": self._facts.collector}
