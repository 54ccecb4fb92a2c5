"""Poll the accounts that this replica owns: they begin and end with its leases."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Protocol

from exporter.client import Stopping
from exporter.config import Account, Polling
from exporter.config.diff import Changes, changes
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import CollectorId
from exporter.model.accounting import Rules
from exporter.model.record import Refused
from exporter.polling.engine import Engine
from exporter.polling.supervisor import Supervisor
from exporter.replicas.surroundings import Accounts
from exporter.replicas.values import Configured
from exporter.state import Records, Sizes, State

if TYPE_CHECKING:
    from exporter.replicas.replica import Replicas

log = logging.getLogger(__name__)

LEAVE_SECONDS = 1.5
"""How long ending the accounts and releasing their leases may take at the end. After that the leases expire."""

_OWNER = "replicas"
_NOT_COMPARED = ("token", "webhook", "proxy_url", "tls_config")
"""Settings of accounts that replicas may differ in: secrets, and paths of their machines."""


class Refuse(Protocol):
    """Is called with the account of a refused poll. `commit`: whether the database has refused a write of it."""

    def __call__(self, account: str, /, *, commit: bool) -> None: ...


class LeasedState:
    """A state that ends the poll whose write is refused, because another replica owns the account."""

    def __init__(self, state: State, refuse: Refuse) -> None:
        """`refuse` is called before the poll ends."""
        self._state = state
        self._refuse = refuse

    @contextlib.contextmanager
    def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
        """Open the records of one collector for one poll. Raises StateError, and Stopping after a refused write."""
        opened = False
        try:
            with self._state.records(account, collector, rules) as records:
                opened = True
                yield records
        except Refused as error:
            self._refuse(account, commit=opened)
            raise Stopping from error

    def sizes(self) -> Sizes | None:
        return self._state.sizes()


MakeReplicas = Callable[[Accounts, Configured], "Replicas"]
"""Makes the keeper of the leases, which calls the first argument as accounts come and go."""
ReadAhead = Callable[[Sequence[CollectorId]], AbstractContextManager[None]]


class LeasedSupervisor:
    """Run the pipelines of the accounts whose leases this replica has, until `stop`."""

    def __init__(self, engine: Engine, live: SelfMetrics, make: MakeReplicas) -> None:
        """Nothing runs before `start`, and `use` has to be called before it."""
        self._engine = engine
        self._live = live
        self._accounts: Mapping[str, Account] = {}
        self._supervisor: Supervisor
        self._ahead: ReadAhead
        self._leaving: Future[None] | None = None
        self._beginning: Sequence[Account] = ()
        """The accounts that are being restored."""
        self.replicas = make(self, _configured(()))

    def use(self, supervisor: Supervisor, ahead: ReadAhead = lambda _: contextlib.nullcontext()) -> None:
        """Poll with this supervisor. The state that its pollers use needs the leases of `replicas`.

        Within the block of `ahead`, these collectors of accounts are restored from what it has read of all at once.
        """
        self._supervisor = supervisor
        self._ahead = ahead

    def start(self, accounts: Sequence[Account]) -> None:
        """Begin to keep leases, and to poll what is owned."""
        self._accounts = {account.name: account for account in accounts}
        self.replicas.configure(_configured(accounts))
        self._supervisor.start(())
        self._engine.submit(_OWNER, self.replicas.run)
        self._engine.submit(_OWNER, self.replicas.watch)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called. Changes made after it have no effect."""
        return self._supervisor.stopping

    def change(self, accounts: Sequence[Account]) -> Changes:
        """Keep leases of these accounts from now on. Restart changed accounts that are polled. Return what changed.

        Not called in the engine.
        """
        if self.stopping:
            return Changes()
        try:
            return self._engine.submit("reload", lambda: self._change(accounts)).result()
        except CancelledError:
            # The engine has ended.
            return Changes()

    def stop(self) -> None:
        """End all accounts, and give them to other replicas."""
        if self._leaving is None:
            self._leaving = self._engine.submit(_OWNER, self.replicas.leave)
            try:
                self._leaving.result(LEAVE_SECONDS)
            except (FutureTimeoutError, CancelledError, Stopping):
                log.warning("leases are not released: they expire")
        self._supervisor.stop()

    def healthy(self) -> bool:
        """Return whether the engine runs."""
        return self._supervisor.healthy()

    def configured(self) -> Collection[Account]:
        """Return the accounts of the configuration, whoever owns them. Any thread may call it."""
        return self._accounts.values()

    def not_ready(self) -> str | None:
        """Return why this replica is not ready; None if it is: it keeps leases, and has restored what it owns."""
        return self.replicas.status.not_ready

    # What the keeper of the leases calls, in a task of the engine.

    def claimed(self, accounts: Collection[str]) -> None:
        """Restore these accounts, and begin to poll and expose those that are still owned then. Raises StateError."""
        owned = {name: self.replicas.fence(name) for name in accounts}
        self._beginning = beginning = [self._accounts[name] for name in accounts if name in self._accounts]
        collectors = [(account.name, collector) for account in beginning for collector in account.collectors]
        try:
            with self._ahead(collectors):
                self._supervisor.begin(beginning, lambda name: self.replicas.fence(name) == owned[name])
        finally:
            self._beginning = ()
            self._keep_meters()

    def hide(self, accounts: Collection[str]) -> None:
        """Request and expose nothing of these accounts any more."""
        self._supervisor.mute(accounts)
        # Before the store changes: a scrape that is made in between is not kept.
        self._keep_meters()
        self._supervisor.take_muted_off()

    def lost(self, accounts: Collection[str]) -> None:
        """End these accounts. Nothing of them is exposed any more, and no poll of theirs is under way."""
        self.hide(accounts)
        self._supervisor.end(accounts)

    def _keep_meters(self) -> None:
        """Drop the meters of accounts that are neither polled nor about to be."""
        kept = (*self._supervisor.accounts, *self._beginning)
        self._live.keep({(account.name, account.system) for account in kept})

    def _change(self, accounts: Sequence[Account]) -> Changes:
        found = changes(tuple(self._accounts.values()), accounts)
        self._accounts = {account.name: account for account in accounts}
        self.replicas.configure(_configured(accounts))
        self._supervisor.keep(self._accounts)
        # What was removed ends at once, too, and is released by the next tick.
        self.replicas.begin_anew([account.name for account in (*found.changed, *found.removed)])
        return found


def _configured(accounts: Sequence[Account]) -> Configured:
    """Return the names of accounts with a hash of their settings, in which no secret takes part."""
    settings = [
        {each.name: getattr(account, each.name) for each in fields(account) if each.name not in _NOT_COMPARED}
        for account in sorted(accounts, key=lambda account: account.name)
    ]
    text = json.dumps(settings, sort_keys=True, default=_plain)
    return Configured(frozenset(account.name for account in accounts), hashlib.sha256(text.encode()).hexdigest()[:16])


def _plain(value: object) -> object:
    return asdict(value) if isinstance(value, Polling) else dict(value)  # type: ignore[call-overload]
