"""Run a thread for each poller, start and end them at a reload, and answer liveness and readiness.

Pollers are built elsewhere.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.config import Account
from exporter.config.diff import Changes, changes
from exporter.exposition.snapshot import CollectorId, SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.record import StateError
from exporter.polling.poller import Poller

log = logging.getLogger(__name__)

JITTER_SECONDS_EACH = 0.1
"""First polls are spread over that much for each poller, so that a thousand do not send requests in the same second."""

END_WITHIN_SECONDS = 1.0
"""How long a reload waits for the pollers that it ends."""


@dataclass(frozen=True, slots=True)
class AccountPipeline:
    """Everything that polls one account, from its client to its pollers."""

    account: Account
    pollers: tuple[Poller, ...]
    over: threading.Event
    """Set once, to end it: whatever waits wakes up, and nothing more is published."""
    close: Callable[[], None]
    """Abort its requests."""


@dataclass(frozen=True, slots=True)
class _Work:
    pipeline: AccountPipeline
    threads: Mapping[CollectorId, threading.Thread]


Make = Callable[[Account, Iterable[CollectorStatus]], AccountPipeline]
"""Build the pipeline of an account, given the facts of its collectors so far."""


class Supervisor:
    """Run the pipelines of accounts until `stop`, which any thread may call."""

    def __init__(self, board: SnapshotStore, make: Make) -> None:
        self._board = board
        self._make = make
        self._work: tuple[_Work, ...] = ()
        self._ending: dict[CollectorId, threading.Thread] = {}
        """Threads of pollers that were stopped and have not ended yet."""
        self._stopping = False
        self._broken = False

    def start(self, accounts: Sequence[Account]) -> None:
        """Start polling. Raises StateError."""
        pipelines = [self._make(account, ()) for account in accounts]
        for poller in _pollers(pipelines):
            poller.restore()
        self._begin(pipelines, (), accounts)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called. Changes made after it have no effect."""
        return self._stopping

    def change(self, accounts: Sequence[Account]) -> Changes:
        """Poll these accounts from now on, and return what changed. Unchanged accounts are not touched.

        The series of a changed account stay: the values of the state follow those that its pollers showed last, and
        are never lower. Nothing changes once the program is stopping.
        """
        if self._stopping:
            return Changes()
        try:
            found = self._change(accounts)
        except BaseException:
            self._broken = True
            raise
        self._broken = False
        return found

    def _change(self, accounts: Sequence[Account]) -> Changes:
        # A failed change may have ended some pollers without replacing them: they are started again.
        at_work = [work for work in self._work if not work.pipeline.over.is_set()]
        before = {work.pipeline.account.name: work for work in at_work}
        found = changes([work.pipeline.account for work in at_work], accounts)
        self._end([before[account.name] for account in (*found.changed, *found.removed)])
        pipelines = [
            self._make(account, _facts(before.get(account.name))) for account in (*found.added, *found.changed)
        ]
        for poller in _pollers(pipelines):
            try:
                poller.restore()
            except StateError as error:
                # Its next poll reports it in its metrics, and shows the records once they can be read.
                log.error("state can't be restored yet", extra={"account": poller.id[0], "err": str(error)})
        self._begin(pipelines, [before[account.name] for account in found.kept], accounts)
        return found

    def stop(self) -> None:
        """Stop all pollers, without waiting for them."""
        self._stopping = True
        for work in self._work:
            work.pipeline.over.set()

    def healthy(self) -> bool:
        """Return whether every poll loop that was not stopped is alive, successful or not.

        After a failed change, which may leave accounts unpolled, return False until another change succeeds.
        """
        at_work = (work for work in self._work if not work.pipeline.over.is_set())
        return not self._broken and all(thread.is_alive() for work in at_work for thread in work.threads.values())

    def ready(self) -> bool:
        """Return whether every collector has completed its backfill."""
        return all(not poller.facts.backfilling for poller in _pollers(work.pipeline for work in self._work))

    def _begin(self, pipelines: Sequence[AccountPipeline], kept: Iterable[_Work], accounts: Sequence[Account]) -> None:
        """Start new pipelines beside those that are kept, in the order of the accounts."""
        pollers = tuple(_pollers(pipelines))
        begun = [_Work(pipeline, self._threads(pipeline, JITTER_SECONDS_EACH * len(pollers))) for pipeline in pipelines]
        by_name = {work.pipeline.account.name: work for work in (*kept, *begun)}
        work = tuple(by_name[account.name] for account in accounts)
        for poller in pollers:
            poller.publish()
        self._board.arrange([poller.id for poller in _pollers(started.pipeline for started in work)])
        for thread in (thread for started in begun for thread in started.threads.values()):
            thread.start()
        self._work = work
        if self._stopping:
            self.stop()

    def _end(self, works: Sequence[_Work]) -> None:
        """Stop pipelines, and wait for their threads, but not for long: a request may last until its deadline."""
        for work in works:
            work.pipeline.over.set()
            work.pipeline.close()
        ending = {name: thread for work in works for name, thread in work.threads.items()}
        until = time.monotonic() + END_WITHIN_SECONDS
        for thread in ending.values():
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))
        self._ending = {name: thread for name, thread in (self._ending | ending).items() if thread.is_alive()}

    def _threads(self, pipeline: AccountPipeline, spread: float) -> Mapping[CollectorId, threading.Thread]:
        # Daemon threads: the program does not wait for them at its end. A request may take its whole deadline, and
        # an interrupted transaction has no effect.
        return {
            poller.id: threading.Thread(
                target=_run,
                args=(poller, pipeline.over, min(poller.interval, spread), self._ending.get(poller.id)),
                name=f"poll {' '.join(poller.id)}",
                daemon=True,
            )
            for poller in pipeline.pollers
        }


def _run(poller: Poller, over: threading.Event, jitter: float, before: threading.Thread | None) -> None:
    """Poll, after the earlier thread of the same collector has ended: both would count the same events."""
    if before is not None:
        before.join()
    poller.run(over.wait, jitter)


def _pollers(pipelines: Iterable[AccountPipeline]) -> Iterator[Poller]:
    return (poller for pipeline in pipelines for poller in pipeline.pollers)


def _facts(work: _Work | None) -> list[CollectorStatus]:
    return [] if work is None else [poller.facts for poller in work.pipeline.pollers]
