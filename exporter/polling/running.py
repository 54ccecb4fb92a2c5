"""Put together what polls the accounts, with the state in a file or in a database that replicas share."""

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from exporter.client.transport import RequestLimits
from exporter.config import Account, Database
from exporter.config.diff import Changes
from exporter.exposition.boot_clock import ticks
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import Elsewhere, SnapshotStore
from exporter.model.record import StateError
from exporter.model.replica_status import ReplicaStatus
from exporter.model.totals import Failed
from exporter.polling.build import Shared, account_pipeline
from exporter.polling.elsewhere import FailuresElsewhere, Read
from exporter.polling.leased import LeasedState, LeasedSupervisor
from exporter.polling.scheduler import Scheduler
from exporter.polling.supervisor import Supervisor
from exporter.state import State, prepared
from exporter.systems import sources

if TYPE_CHECKING:
    from exporter.state.postgres.database import PostgresState

log = logging.getLogger(__name__)

_LEASE_CONNECTIONS = 2
"""Connections for leases alone: heartbeats must not wait for polls."""

_START_SECONDS = 5.0
"""How long the start waits for the database."""

_LOOK_SECONDS = 0.1
"""How often it looks whether it is to stop."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What there is before anything is polled."""

    store: SnapshotStore
    live: SelfMetrics
    scheduler: Scheduler
    limits: RequestLimits
    stopping: Callable[[], bool] = lambda: False
    """Returns whether the program is to stop already, while it starts."""


class Accounts(Protocol):
    """Polls the accounts of the configuration, or those of them that this replica owns."""

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""

    def start(self, accounts: Sequence[Account]) -> None:
        """Start polling. Raises StateError."""

    def change(self, accounts: Sequence[Account]) -> Changes:
        """Poll these accounts from now on. Not called in the engine."""

    def stop(self) -> None:
        """Poll nothing any more."""

    def healthy(self) -> bool:
        """Return whether polls are made, successful or not."""


@dataclass(frozen=True, slots=True)
class Running:
    """What polls the accounts, and how it is."""

    accounts: Accounts
    not_ready: Callable[[], str | None]
    """Returns why the exporter is not ready; None if it is."""
    replicas: Callable[[], ReplicaStatus] | None = None
    """Returns what is known of this replica and the others; None where there are no replicas."""
    elsewhere: Callable[[Collection[str], Collection[str]], Elsewhere] | None = None
    """Returns the failures of accounts but those in the first collection, of those in the second alone if any is there.

    It waits for the database, and is called from one thread at a time. None where there are no replicas.
    """
    poll: Callable[[str], bool] = lambda _: False
    """Has an account polled soon. Returns False if another replica polls it. Any thread may call it."""
    leave: Callable[[], None] = lambda: None
    """Leave the state to a thread that does not come back from using it."""


@contextlib.contextmanager
def of_file(path: Path | None, parts: Parts) -> Iterator[Running]:
    """Poll with the state in a file, or without a path in a temporary one. Raises StateError."""
    with prepared(path) as state:
        parts.live.show_state(state.sizes)
        if state.is_new:
            log.info(
                "state is new: counters begin at 0, and earlier failures are not counted",
                extra={"path": str(state.path)},
            )
        supervisor = _supervisor(state, parts)
        yield Running(supervisor, supervisor.not_ready, poll=asking(parts.scheduler), leave=state.leave)


@contextlib.contextmanager
def of_database(database: Database, parts: Parts) -> Iterator[Running]:
    """Poll the accounts that this replica owns, with the state in a database.

    Raises StateError if the database is not usable. One that can't be reached is tried again and again.
    """
    from exporter.state.postgres import require

    require()
    # They import psycopg, or are of no use without it.
    from exporter.replicas.replica import Replicas
    from exporter.state.postgres.database import opened

    url, engine = database.url, parts.scheduler.engine
    prepared_statements = database.prepared_statements
    lease_took, records_took = parts.live.time_database("leases", "records")
    with opened(
        url.read, url.shown(), _LEASE_CONNECTIONS, prepared_statements, wait=engine.wait, observe=lease_took
    ) as leases:
        leased = LeasedSupervisor(
            engine,
            parts.live,
            lambda accounts, configured: Replicas(
                engine, leases.pool, accounts, configured, ticks, prepare=leases.prepare, ttl=database.lease_ttl
            ),
        )
        replicas = leased.replicas
        parts.store.exposed_until = lambda: replicas.exposed_until
        parts.live.show_replica(lambda: replicas.status)
        _prepare(leases, parts.stopping)
        with opened(
            url.read, url.shown(), database.pool_size, prepared_statements, replicas.fence, engine.wait, records_took
        ) as records:
            leased.use(_supervisor(LeasedState(records, replicas.refuse), parts, replicas.time), records.ahead)
            elsewhere = FailuresElsewhere(_failures(records), leased.configured, lambda name: sources()[name].families)
            poll = asking(parts.scheduler, lambda account: replicas.fence(account) is not None)
            yield Running(leased, leased.not_ready, lambda: replicas.status, elsewhere, poll)


def asking(scheduler: Scheduler, owns: Callable[[str], bool] = lambda _: True) -> Callable[[str], bool]:
    """Return what has an account polled, if this replica owns it, and says whether it does."""

    def ask(account: str) -> bool:
        owned = owns(account)
        if owned:
            scheduler.ask(account)
        return owned

    return ask


def _failures(records: "PostgresState") -> Read:
    """Return what reads failures from the database, in the caller's thread."""
    from exporter.state.postgres.failures import last_failures
    from exporter.state.postgres.pool import CALL_SECONDS

    def read(accounts: Sequence[str], most: int) -> Iterable[tuple[str, str, Failed]]:
        asked = records.pool.submit(last_failures(accounts, most))
        try:
            return asked.result(CALL_SECONDS)
        except FutureTimeoutError:
            # Polls may keep all connections busy: it is not to be read for nobody.
            asked.cancel()
            raise StateError(
                f"state database {records.place}: no connection is free: see its load", passing=True
            ) from None

    return read


def _prepare(leases: "PostgresState", stopping: Callable[[], bool]) -> None:
    """Make or migrate the tables. Raises StateError if the database is not usable.

    Without an answer the program begins to serve, and the ticks try again.
    """
    from exporter.state.postgres.errors import hanging

    until, asked = time.monotonic() + _START_SECONDS, leases.preparing()
    error = hanging(leases.place, _START_SECONDS)
    while time.monotonic() < until and not stopping():
        try:
            return asked.result(_LOOK_SECONDS)
        except FutureTimeoutError:
            continue
        except StateError as found:
            if not found.passing:
                raise
            error = found
            break
    if not stopping():
        log.error("database can't be reached yet", extra={"err": str(error)})
    return None


def _supervisor(state: State, parts: Parts, clock: Callable[[], float] = time.time) -> Supervisor:
    shared = Shared(state, parts.store, parts.live, parts.scheduler.runner, parts.limits, clock=clock)
    return Supervisor(
        parts.store,
        lambda account, known: account_pipeline(account, sources(), shared, known),
        parts.scheduler,
        shared.limiters.keep,
    )
