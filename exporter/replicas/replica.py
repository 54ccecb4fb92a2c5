"""Keep this replica's leases: a tick each second, and accounts that begin and end with their leases.

It runs in the engine, in a task that never waits for accounts to begin or end, which is the part of `holdings`.
"""

import logging
import secrets
import socket
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from typing import TypeVar

from exporter.model.names import named
from exporter.model.record import StateError, Stopping
from exporter.model.replica_status import Change, ReplicaStatus
from exporter.replicas import ticks as statements
from exporter.replicas.holdings import Holdings
from exporter.replicas.leases import DEFAULT_TTL, FORGET_SECONDS, TICK_SECONDS, Replica, changes
from exporter.replicas.status import Tally, describe, log_changes, log_configuration
from exporter.replicas.surroundings import Accounts, Engine, Pool, done
from exporter.replicas.ticks import Connection
from exporter.replicas.values import Configured, Tick, Unowned

log = logging.getLogger(__name__)

ADD_SECONDS = 30.0
"""How long making the leases of new accounts may take."""
ADD_AGAIN_SECONDS = 300.0
"""After this time it looks whether leases are missing, which somebody may have deleted."""

_T = TypeVar("_T")


def holder_id() -> str:
    """Return a name for this process that no other process has ever had, beginning with the name of the host."""
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"


class Replicas:
    """This replica among all. Methods are called in the engine, but for those that any thread may call."""

    def __init__(
        self,
        engine: Engine,
        pool: Pool,
        accounts: Accounts,
        configured: Configured,
        ticks: Callable[[], float],
        *,
        prepare: Callable[[], None] = lambda: None,
        holder: str | None = None,
        ttl: float = DEFAULT_TTL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to keep leases through `pool`, which nothing else should keep busy: heartbeats must not wait.

        `prepare` makes the tables before the first tick, and may raise StateError. `ticks` is a clock of this machine
        that is never set and counts suspension.
        """
        self.holder = holder_id() if holder is None else holder
        self._engine = engine
        self._pool = pool
        self._configured = configured
        self._ticks = ticks
        self._clock = clock
        self._prepare = prepare
        self._tally = Tally()
        replica = Replica(self.holder, ttl, configured.accounts)
        self._held = Holdings(engine, accounts, ticks, replica, self._release, self._tally)
        self._added: frozenset[str] | None = None
        """The accounts whose leases are known to be in the table."""
        self._add_again_at = 0.0
        self._tick_ended = done()

    # What any thread may call.

    def fence(self, account: str) -> tuple[str, int] | None:
        """Return the holder and the epoch that a write of the account has to prove; None: nothing may be written."""
        epoch = self.owned().get(account)
        return None if epoch is None else (self.holder, epoch)

    def owned(self) -> Mapping[str, int]:
        """Return the accounts that may be polled and exposed at this moment, with their epochs.

        A scrape asks when it answers, because it may be late: the leases may have expired meanwhile.
        """
        return self._held.replica.at_work(self._ticks())

    @property
    def exposed_until(self) -> float:
        """The moment from which nothing may be exposed or polled, until another tick succeeds. By `ticks`."""
        return self._held.replica.exposed_until

    def time(self) -> float:
        """Return the time by the database's clock, epoch seconds; by this machine's before the first tick.

        Setting the clock of this machine has no effect.
        """
        tick = self._held.replica.tick
        return self._clock() if tick is None else tick.database_time + (self._ticks() - tick.read_at)

    @property
    def status(self) -> ReplicaStatus:
        """The status of this replica and the others."""
        replica, now = self._held.replica, self._ticks()
        offset = None if replica.tick is None else self.time() - self._clock()
        return describe(replica, self._held.running, self._tally, now, offset)

    def configure(self, configured: Configured) -> None:
        """Keep leases of these accounts from the next tick on."""
        self._configured = configured

    # What the engine calls.

    def run(self) -> None:
        """Make a tick each second, until the replica leaves. Raises Stopping."""
        while not self._held.replica.leaving:
            started = self._ticks()
            self._tick_ended = Future()
            try:
                self._tick()
            except StateError as error:
                self._failed(str(error))
            except Stopping:
                raise
            except Exception:
                # Without ticks no account would be polled any more: the next one tries again.
                log.exception("internal error")
                self._failed("internal error: see the log for the traceback")
            finally:
                self._tick_ended.set_result(None)
            self._held.apply()
            self._engine.pause(max(0.0, started + TICK_SECONDS - self._ticks()))

    def watch(self) -> None:
        """End what may have expired within a second, whatever `run` waits for, until the replica leaves.

        Raises Stopping.
        """
        self._held.watch()

    def refuse(self, account: str, *, commit: bool) -> None:
        """Note that a write of the account was refused: it ends now, and restarts if a tick finds its lease.

        Without `commit`, the poll could not begin, because the lease may have expired.
        """
        self._held.refuse(account, commit=commit)

    def begin_anew(self, accounts: Collection[str]) -> None:
        """End these accounts, beginning ones too, and restart those whose lease a tick finds."""
        self._held.begin_anew(accounts)

    def leave(self) -> None:
        """End all accounts and give them to other replicas. If the database is down, they expire."""
        self._held.become(self._held.replica.leave())
        self._engine.result(self._tick_ended)
        held = () if self._held.replica.tick is None else tuple(self._held.replica.tick.leases)
        ttl, config = self._held.replica.ttl, self._configured.config
        try:
            # Others take over what is released as soon as they count without this replica.
            self._ask(lambda to: statements.heartbeat(to, self.holder, ttl, config, leaving=True))
        except StateError as error:
            self._held.end_all()
            log.warning("leases are not released: they expire", extra={**named(held), "err": str(error)})
            return
        self._held.end_all()
        try:
            self._ask(lambda to: statements.leave(to, self.holder))
        except StateError as error:
            log.warning("leases are not released: they expire", extra={**named(held), "err": str(error)})
        else:
            self._tally.changes[Change.RELEASED] += len(held)
            log.info("leases released", extra=named(held))

    # One tick.

    def _tick(self) -> None:
        configured, ttl = self._configured, self._held.replica.ttl
        self._held.replica = self._held.replica.configure(configured.accounts)
        self._prepare()
        started = self._ticks()
        tick = self._ask(lambda to: statements.tick(to, self.holder, ttl, configured.config, self._ticks))
        self._take(tick)
        if self._added != configured.accounts or started >= self._add_again_at:
            self._ask(lambda to: statements.add_accounts(to, tuple(configured.accounts)), ADD_SECONDS)
            self._added, self._add_again_at = configured.accounts, started + ADD_AGAIN_SECONDS
        decision = self._held.replica.decide(self._ticks())
        if decision.give:
            self._held.become(self._held.replica.give(decision.give))
            log_changes(decision.give)
        self._held.apply()
        if decision.claim:
            self._claim(decision.candidates, decision.claim)
        if decision.forget:
            self._forget(decision.forget, configured.config)

    def _take(self, tick: Tick) -> None:
        if self._tally.error is not None:
            log.info("database answers", extra={"holder": self.holder})
        self._tally.error = self._tally.failing_since = None
        came_and_went = changes(self._held.replica, tick)
        had_current_config = self._held.replica.has_current_config
        self._held.become(self._held.replica.after(tick))
        log_configuration(had_current_config, self._held.replica.has_current_config)
        self._tally.changes.update(came_and_went.values())
        log_changes(came_and_went)

    def _claim(self, free: tuple[Unowned, ...], count: int) -> None:
        claimed = self._ask(lambda to: statements.claim(to, self.holder, free, count))
        self._held.replica = self._held.replica.claimed(claimed)
        owners = {each.account: each.holder for each in free}
        why = {account: Change.CLAIMED if owners[account] is None else Change.TAKEN_OVER for account in claimed}
        self._tally.changes.update(why.values())
        log_changes(why)

    def _forget(self, accounts: tuple[str, ...], config: str) -> None:
        if self._ask(lambda to: statements.forget(to, accounts, config, FORGET_SECONDS)):
            log.info("leases of accounts that are no longer configured are deleted", extra=named(accounts))

    def _failed(self, error: str) -> None:
        if self._tally.error is None:
            log.error("heartbeat failed: leases expire if this goes on", extra={"err": error})
        self._tally.error = error
        if self._tally.failing_since is None:
            self._tally.failing_since = self._clock()
        # What is in the table now may be an older copy of it.
        self._added = None

    def _release(self, accounts: Collection[str]) -> None:
        self._ask(lambda to: statements.release(to, self.holder, tuple(accounts)))

    def _ask(self, function: Callable[[Connection], _T], seconds: float | None = None) -> _T:
        return self._engine.result(self._pool.submit(function, seconds))
