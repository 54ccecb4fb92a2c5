"""What polls cost that find nothing new, and whether they are on time."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accounts.api import MockApiProcess, serving
from benchmarks.accounts.lateness import lateness, percentile
from benchmarks.accounts.process import ExporterProcess
from benchmarks.replicas.database import Database, database
from benchmarks.replicas.exporters import behaviors, config, exporters, wait_until
from tests.support.postgres import Server

ON_TIME_SECONDS = 1.0
"""A poll that is later than this is not on time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How much of everything. Times are in seconds."""

    accounts: int
    records: int
    """Of each account."""
    interval: float
    measured: float
    ready_within: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What the polls cost the database. Times are in seconds, sizes in bytes; all but `size` and `ticks` per poll."""

    cpu: float
    """With that of ticks."""
    round_trips: float
    """Without those of ticks."""
    wal: float
    """With that of ticks."""
    ticks: float
    """Of all replicas, a second."""
    size: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """What was measured. Times are in seconds, sizes in bytes."""

    settings: Settings
    polls: float
    """A second."""
    on_time: float
    """The share of the polls that were due."""
    late_p50: float
    late_p99: float
    late_max: float
    cpu: float
    """Of all exporters, per poll; that of ticks included."""
    memory: int
    """Of the largest exporter."""
    database: Cost | None
    """None with SQLite."""


def with_sqlite(program: Path, settings: Settings, folder: Path) -> Quiet:
    """Measure one process with the state in a file."""
    with serving(behaviors(settings.records), os.sched_getaffinity(0)) as api:
        state = {"path": str(folder / "state.db")}
        configuration = config(api, settings.accounts, settings.interval, state)
        with exporters(program, configuration, 1, folder) as started:
            run = _Run(api, settings, started)
            run.warm_up(lambda: True)
            return run.measure(None)


def with_postgres(program: Path, settings: Settings, replicas: int, server: Server, folder: Path) -> Quiet:
    """Measure replicas that share a database."""
    with serving(behaviors(settings.records), os.sched_getaffinity(0)) as api, database(server) as state:
        configuration = config(api, settings.accounts, settings.interval, {"url": state.url()})
        with exporters(program, configuration, replicas, folder) as started:
            run = _Run(api, settings, started)
            run.warm_up(lambda: balanced(state, settings.accounts, replicas))
            return run.measure(state)


def balanced(state: Database, accounts: int, replicas: int) -> bool:
    """Return whether each replica owns its fair share."""
    shares = sorted(state.owners().values())
    return shares == sorted(accounts // replicas + (rank < accounts % replicas) for rank in range(replicas))


class _Run:
    def __init__(self, api: MockApiProcess, settings: Settings, started: Sequence[ExporterProcess]) -> None:
        self._api = api
        self._settings = settings
        self._exporters = started
        self._polls: defaultdict[str, list[float]] = defaultdict(list)

    def warm_up(self, is_balanced: Callable[[], bool]) -> None:
        """Wait until all is read and each account is polled by the one that keeps it, and for an interval more."""

        def polled() -> bool:
            self._take_polls()
            return len(self._polls) == self._settings.accounts

        wait_until(polled, self._settings.ready_within, "not all accounts were polled", self._exporters, every=0.5)
        seconds = self._settings.ready_within
        wait_until(is_balanced, seconds, "the replicas have no fair shares", self._exporters, every=0.5)
        time.sleep(self._settings.interval + 1.0)

    def measure(self, state: Database | None) -> Quiet:
        settings = self._settings
        before = None if state is None else state.done()
        cpu, began = self._cpu(), time.monotonic()
        time.sleep(settings.measured)
        ended, cpu = time.monotonic(), self._cpu() - cpu
        after = None if state is None else state.done()
        self._take_polls()
        late = lateness(list(self._polls.values()), settings.interval, began, ended)
        polls = sum(began <= at < ended for times in self._polls.values() for at in times)
        if not polls:
            raise RuntimeError("there was no poll to measure")
        cost = None
        if before is not None and after is not None:
            cost = Cost(
                cpu=(after.cpu - before.cpu) / polls,
                round_trips=after.poll_statements(before) / polls,
                wal=(after.wal - before.wal) / polls,
                ticks=(after.ticks - before.ticks) / (ended - began),
                size=after.size,
            )
        return Quiet(
            settings=settings,
            polls=polls / (ended - began),
            on_time=sum(each <= ON_TIME_SECONDS for each in late) / len(late),
            late_p50=percentile(late, 0.5),
            late_p99=percentile(late, 0.99),
            late_max=max(late),
            cpu=cpu / polls,
            memory=max(exporter.memory()[0] for exporter in self._exporters),
            database=cost,
        )

    def _cpu(self) -> float:
        return sum(exporter.spent().exporter for exporter in self._exporters)

    def _take_polls(self) -> None:
        for (account, _), polls in self._api.take_polls().items():
            self._polls[account].extend(polls)
