"""How fast a long list is read for the first time, with each kind of state."""

import contextlib
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.accounts.api import serving
from benchmarks.accounts.scrapes import samples
from benchmarks.replicas.database import Database, database
from benchmarks.replicas.exporters import behaviors, config, exporters, wait_until
from benchmarks.replicas.proxy import delaying
from benchmarks.replicas.quiet import Settings
from tests.support.postgres import Server

DELAY_SECONDS = 0.002
"""What the network adds in each direction."""
SQLITE, LOOPBACK, DELAYED = "SQLite", "PostgreSQL", "PostgreSQL, 2 ms away"
KINDS = (SQLITE, LOOPBACK, DELAYED)
_INTERVAL_SECONDS = 500.0
_BACKFILLING = "batch_exporter_backfilling"
_DURATION = "batch_exporter_last_poll_duration_seconds"
_ROUND_TRIPS = 50


@dataclass(frozen=True, slots=True)
class Backfill:
    """What was measured. The CPU seconds of a record are those since the first request."""

    records: int
    speeds: Sequence[float]
    """Records a second in each round."""
    cpu: float
    """Of the exporter for each record, the median."""
    database_cpu: float | None
    round_trips: float | None
    """Of an exporter that does it, from its start to its end: the median."""
    round_trip_seconds: float | None
    """How long an empty statement takes."""


@dataclass(frozen=True, slots=True)
class _Round:
    speed: float
    cpu: float
    database_cpu: float | None = None
    round_trips: int | None = None
    round_trip_seconds: float | None = None


def backfills(
    program: Path, settings: Settings, rounds: int, server: Server, folder: Path, kinds: Sequence[str] = KINDS
) -> Mapping[str, Backfill]:
    """Read the same list with each kind of state, in turns."""
    found: dict[str, list[_Round]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for where, measured in found.items():
            own = folder / f"{number} {where}"
            own.mkdir(parents=True)
            measured.append(_round(program, settings, where, server, own))
    return {where: _summary(settings.records, measured) for where, measured in found.items()}


def _round(program: Path, settings: Settings, where: str, server: Server, folder: Path) -> _Round:
    if where == SQLITE:
        return _measured(program, settings, {"path": str(folder / "state.db")}, None, folder)
    with database(server) as state, _port(state, where) as port:
        url = state.url(port)
        found = _measured(program, settings, {"url": url}, state, folder)
        return _Round(found.speed, found.cpu, found.database_cpu, found.round_trips, _round_trip(url))


@contextlib.contextmanager
def _port(state: Database, where: str) -> Iterator[int]:
    if where == LOOPBACK:
        yield state.port
        return
    with delaying(state.port, DELAY_SECONDS) as port:
        yield port


def _measured(
    program: Path, settings: Settings, state: Mapping[str, object], counted: Database | None, folder: Path
) -> _Round:
    records, seconds = settings.records, settings.ready_within
    with serving(behaviors(records), os.sched_getaffinity(0)) as api:
        configuration = config(api, 1, _INTERVAL_SECONDS, state)
        with exporters(program, configuration, 1, folder) as (exporter,):
            wait_until(lambda: bool(api.take_polls()), seconds, "nothing was requested", [exporter], every=0.01)
            cpu = exporter.spent().exporter
            database_cpu = 0.0 if counted is None else counted.cpu()
            wait_until(
                lambda: list(samples(exporter.address, _BACKFILLING).values()) == [0.0],
                seconds,
                "the list was not read",
                [exporter],
                every=0.1,
            )
            cpu = exporter.spent().exporter - cpu
            database_cpu = 0.0 if counted is None else counted.cpu() - database_cpu
            (taken,) = samples(exporter.address, _DURATION).values()
    if counted is None:
        return _Round(records / taken, cpu / records)
    # A session hands in its counters some seconds later, or when it ends.
    return _Round(records / taken, cpu / records, database_cpu / records, counted.done().poll_statements())


def _round_trip(url: str) -> float:
    """Return how long an empty statement takes, the median."""
    with psycopg.connect(url, autocommit=True) as connection:
        taken = []
        for _ in range(_ROUND_TRIPS):
            began = time.perf_counter()
            connection.execute("SELECT")
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _summary(records: int, measured: Sequence[_Round]) -> Backfill:
    def median(name: str) -> float | None:
        values = [getattr(each, name) for each in measured]
        return None if None in values else statistics.median(values)

    return Backfill(
        records=records,
        speeds=[each.speed for each in measured],
        cpu=statistics.median(each.cpu for each in measured),
        database_cpu=median("database_cpu"),
        round_trips=median("round_trips"),
        round_trip_seconds=median("round_trip_seconds"),
    )
