"""Start and end the polling of accounts at a reload, and answer liveness and readiness.

Pollers are built elsewhere, and run by the scheduler.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass

from exporter.client import Stopping
from exporter.config import Account
from exporter.config.diff import Changes, changes
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.record import StateError
from exporter.polling.poller import Poller
from exporter.polling.scheduler import FIRST_POLL_SECONDS_EACH, TAKEOVER_SECONDS_EACH, Scheduler
from exporter.polling.unrestored import Unrestored


@dataclass(frozen=True, slots=True)
class AccountPipeline:
    """Everything that polls one account, from its client to its pollers."""

    account: Account
    pollers: tuple[Poller, ...]
    over: threading.Event
    """Set once, to end it: whatever waits wakes up, and nothing more is published."""
    close: Callable[[], None]
    """Abort its requests."""


Make = Callable[[Account, Iterable[CollectorStatus]], AccountPipeline]
"""Build the pipeline of an account, given the status of its collectors so far."""


class Supervisor:
    """Run the pipelines of accounts until `stop`, which any thread may call."""

    def __init__(
        self,
        store: SnapshotStore,
        make: Make,
        scheduler: Scheduler,
        keep: Callable[[Collection[str]], None] = lambda _: None,
    ) -> None:
        """`keep` is called with the names of all configured accounts, once these have changed."""
        self.keep = keep
        self._store = store
        self._make = make
        self._scheduler = scheduler
        self._pipelines: tuple[AccountPipeline, ...] = ()
        self._stopping = False
        self._broken = False

    def start(self, accounts: Sequence[Account]) -> None:
        """Start polling. Raises StateError."""
        pipelines = [self._make(account, ()) for account in accounts]
        for poller in _pollers(pipelines):
            poller.restore()
        self._begin(pipelines, pipelines)
        self._scheduler.engine.start()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called. Changes made after it have no effect."""
        return self._stopping

    def change(self, accounts: Sequence[Account]) -> Changes:
        """Poll these accounts from now on, and return what changed. Unchanged accounts are not touched.

        The series of a changed account stay: the values of the state follow those that its pollers showed last, and
        are never lower. Nothing changes once the program is stopping. Not called in the engine.
        """
        if self._stopping:
            return Changes()
        try:
            found = self._change(accounts)
        except CancelledError:
            # The engine has ended.
            return Changes()
        except BaseException:
            self._broken = True
            raise
        self._broken = False
        return found

    def _change(self, accounts: Sequence[Account]) -> Changes:
        # A failed change may have ended some pollers without replacing them: they are started again.
        at_work = [pipeline for pipeline in self._pipelines if not pipeline.over.is_set()]
        before = {pipeline.account.name: pipeline for pipeline in at_work}
        found = changes([pipeline.account for pipeline in at_work], accounts)
        ending = [before[account.name] for account in (*found.changed, *found.removed)]
        engine = self._scheduler.engine
        engine.submit("reload", lambda: self._end(ending)).result()
        made = {
            account.name: self._make(account, _status(before.get(account.name)))
            for account in (*found.added, *found.changed)
        }
        pipelines = [made.get(account.name) or before[account.name] for account in accounts]
        engine.submit("reload", lambda: self._begin_restored(list(made.values()), pipelines)).result()
        self.keep([account.name for account in accounts])
        return found

    @property
    def accounts(self) -> Sequence[Account]:
        """The accounts that are polled and exposed."""
        return [pipeline.account for pipeline in self._pipelines if not pipeline.over.is_set()]

    def begin(self, accounts: Sequence[Account], still: Callable[[str], bool] = lambda _: True) -> None:
        """Poll these accounts as well, if they may `still` be polled once all are restored. Called in a task.

        Raises StateError if the state does not answer: then none is polled.
        """
        new = [self._make(account, ()) for account in accounts]
        begun: list[AccountPipeline] = []
        unrestored = Unrestored()
        try:
            for poller in _pollers(new):
                _restore(poller, unrestored)
            begun = [pipeline for pipeline in new if still(pipeline.account.name)]
        finally:
            unrestored.log()
            for pipeline in new:
                if pipeline not in begun:
                    pipeline.over.set()
                    pipeline.close()
        self._begin(begun, [*self._pipelines, *begun], TAKEOVER_SECONDS_EACH)

    def mute(self, names: Iterable[str]) -> None:
        """Request and publish nothing more of these accounts, whose polls `end` ends later. Called in the engine."""
        muted = frozenset(names)
        for pipeline in self._pipelines:
            if pipeline.account.name in muted:
                pipeline.over.set()
                pipeline.close()

    def take_muted_off(self) -> None:
        """Take the accounts that were muted off the store."""
        shown = [pipeline for pipeline in self._pipelines if not pipeline.over.is_set()]
        self._store.arrange([poller.id for poller in _pollers(shown)])

    def end(self, names: Iterable[str]) -> None:
        """Poll these accounts no longer, and return when no poll of theirs is under way. Called in a task."""
        ended = frozenset(names)
        ending = [pipeline for pipeline in self._pipelines if pipeline.account.name in ended]
        self._pipelines = tuple(pipeline for pipeline in self._pipelines if pipeline.account.name not in ended)
        self._end(ending)

    def stop(self) -> None:
        """Stop all pollers, without waiting for them."""
        self._stopping = True
        for pipeline in self._pipelines:
            pipeline.over.set()

    def healthy(self) -> bool:
        """Return whether polls are made, successful or not.

        After a failed change, which may leave accounts unpolled, return False until another change succeeds.
        """
        return not self._broken and self._scheduler.engine.alive

    def not_ready(self) -> str | None:
        """Return what is still to be read; None once every collector has completed its backfill."""
        reading = ["/".join(poller.id) for poller in _pollers(self._pipelines) if poller.status.backfilling]
        return f"still reading the window: {', '.join(reading)}" if reading else None

    def _begin_restored(self, new: Sequence[AccountPipeline], pipelines: Sequence[AccountPipeline]) -> None:
        unrestored = Unrestored()
        for poller in _pollers(new):
            try:
                poller.restore()
            except StateError as error:
                # Its next poll reports it in its metrics, and shows the records once they can be read.
                unrestored.note(poller.id[0], error)
        unrestored.log()
        self._begin(new, pipelines)

    def _begin(
        self,
        new: Sequence[AccountPipeline],
        pipelines: Sequence[AccountPipeline],
        seconds_each: float = FIRST_POLL_SECONDS_EACH,
    ) -> None:
        """Start new pipelines; `pipelines` are these and those that are kept, in the order of the accounts."""
        pollers = tuple(_pollers(new))
        for poller in pollers:
            poller.publish()
        self._store.arrange([poller.id for poller in _pollers(pipelines)])
        over = {poller.id: pipeline.over for pipeline in new for poller in pipeline.pollers}
        self._scheduler.add(pollers, lambda poller: over[poller.id], seconds_each)
        self._pipelines = tuple(pipelines)
        if self._stopping:
            self.stop()

    def _end(self, pipelines: Sequence[AccountPipeline]) -> None:
        """End pipelines. Their requests are cut off, and nobody waits for them."""
        for pipeline in pipelines:
            pipeline.over.set()
            pipeline.close()
            self._scheduler.end(pipeline.pollers, pipeline.over)


def _pollers(pipelines: Iterable[AccountPipeline]) -> Iterator[Poller]:
    return (poller for pipeline in pipelines for poller in pipeline.pollers)


def _restore(poller: Poller, unrestored: Unrestored) -> None:
    """Restore a poller. Raises StateError if the next attempt may succeed; what else is wrong, its polls report."""
    try:
        poller.restore()
    except StateError as error:
        if error.passing:
            raise
        unrestored.note(poller.id[0], error)
    except Stopping:
        raise
    except Exception as error:  # noqa: BLE001 (logged by `unrestored`)
        unrestored.note(poller.id[0], error)


def _status(pipeline: AccountPipeline | None) -> list[CollectorStatus]:
    return [] if pipeline is None else [poller.status for poller in pipeline.pollers]
