"""What a replica believes it owns, and the accounts that are polled because of that.

They begin, end and are released in a task of its own, one step after another: restoring thousands of accounts delays
no heartbeat. What may be owned no longer is hidden at once, whatever that task waits for.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from itertools import islice

from exporter.model.names import named
from exporter.model.record import StateError
from exporter.model.replica_status import Change
from exporter.replicas.leases import Replica
from exporter.replicas.status import Tally
from exporter.replicas.surroundings import Accounts, Engine, done

log = logging.getLogger(__name__)

BEGUN_AT_ONCE = 50
"""How many accounts begin together: before the next ones, what was lost meanwhile is ended."""

LOOK_SECONDS = 1.0
"""How often it looks whether the leases may have expired, also while a tick waits for the database."""

_OUTDATED = -1
"""Replaces the epoch of an account that has begun with outdated settings. No epoch has this value."""


class Holdings:
    """The accounts that this replica owns and polls. Called in the engine."""

    def __init__(
        self,
        engine: Engine,
        accounts: Accounts,
        ticks: Callable[[], float],
        replica: Replica,
        release: Callable[[Collection[str]], None],
        tally: Tally,
    ) -> None:
        """`release` releases the leases of accounts in the database, and raises StateError."""
        self.replica = replica
        """The present knowledge. It is replaced as a whole, because any thread may read it."""
        self.running: Mapping[str, int] = {}
        """The accounts that have begun, with their epochs. Replaced as a whole, too."""
        self._engine = engine
        self._accounts = accounts
        self._ticks = ticks
        self._release_leases = release
        self._tally = tally
        self._beginning: dict[str, int] = {}
        """The accounts that are beginning, with their epochs."""
        self._hidden: frozenset[str] = frozenset()
        """The accounts that must end, even if they are owned again by then: a hidden account polls no more."""
        self._ended = done()

    def become(self, replica: Replica) -> None:
        """Believe this from now on. Before that, what is not owned by it is hidden."""
        if gone := replica.to_end(self.running, self._ticks()):
            self._hidden |= frozenset(gone)
            self._accounts.hide(gone)
        self.replica = replica

    def watch(self) -> None:
        """Look at the clock each second: what may have expired is hidden, and ends. Raises Stopping."""
        while not self.replica.leaving:
            self._engine.pause(LOOK_SECONDS)
            try:
                self.become(self.replica)
                self.apply()
            except Exception:
                log.exception("internal error")

    def refuse(self, account: str, *, commit: bool) -> None:
        """See `Replicas.refuse`."""
        self._tally.refused += commit and account in self.running
        self.become(self.replica.refused(account, self._ticks()))
        self.apply()

    def begin_anew(self, accounts: Collection[str]) -> None:
        """See `Replicas.begin_anew`."""
        replica, now = self.replica, self._ticks()
        for account in accounts:
            if account in self._beginning:
                self._beginning[account] = _OUTDATED
            if account in self.running:
                replica = replica.refused(account, now)
        self.become(replica)
        self.apply()

    def apply(self) -> None:
        """Begin the task that ends, releases and begins accounts, if there is work for it and it is not under way."""
        if self._ended.done() and not self.replica.leaving and self._has_work():
            self._ended = Future()
            self._engine.spawn("replicas", self._run)

    def end_all(self) -> None:
        """End all accounts of a replica that leaves, and return when no poll of theirs is under way."""
        self._engine.result(self._ended)
        while self._step():
            pass

    def _has_work(self) -> bool:
        replica, running, now = self.replica, self.running, self._ticks()
        return bool(self._to_end(now) or replica.to_release(running) or replica.to_begin(running, now))

    def _to_end(self, now: float) -> list[str]:
        """Return the accounts to end. A hidden one ends even if it is owned again: it is restarted then."""
        return [*self._hidden, *(name for name in self.replica.to_end(self.running, now) if name not in self._hidden)]

    def _run(self) -> None:
        try:
            while self._step():
                pass
        finally:
            self._ended.set_result(None)

    def _step(self) -> bool:
        """End what is no longer owned, or release what has ended, or begin some accounts. Return whether to go on."""
        now = self._ticks()
        if ending := self._to_end(now):
            self._accounts.lost(ending)
            ended = frozenset(ending)
            self._hidden -= ended
            self.running = {account: epoch for account, epoch in self.running.items() if account not in ended}
            return True
        if self.replica.leaving:
            return False
        if releasing := self.replica.to_release(self.running):
            return self._release(releasing)
        beginning = dict(islice(self.replica.to_begin(self.running, now).items(), BEGUN_AT_ONCE))
        if beginning:
            self._begin(beginning)
        return bool(beginning)

    def _release(self, accounts: Mapping[str, Change]) -> bool:
        try:
            self._release_leases(tuple(accounts))
        except StateError:
            # The next tick reports it, and this is tried again after it.
            return False
        self.become(self.replica.released(accounts, self._ticks()))
        self._tally.changes.update(accounts.values())
        return True

    def _begin(self, accounts: Mapping[str, int]) -> None:
        self._beginning = dict(accounts)
        try:
            self._accounts.claimed(tuple(accounts))
        except StateError as error:
            log.error("accounts can't be restored yet", extra={**named(accounts), "err": str(error)})
            self._accounts.lost(tuple(accounts))
            for account in accounts:
                self.become(self.replica.refused(account, self._ticks()))
        else:
            self.running = {**self.running, **self._beginning}
        finally:
            self._beginning = {}
