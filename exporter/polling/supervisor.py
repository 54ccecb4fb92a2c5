"""The program at work: a thread for each poller, and the answers to "is it alive" and "is it ready".

What the pollers are to be, others say: here they begin and end.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.config import Account
from exporter.config.diff import Changes, changes
from exporter.exposition.snapshot import CollectorId, SnapshotStore
from exporter.exposition.status import Facts
from exporter.model.record import StateError
from exporter.polling.poller import Poller

log = logging.getLogger(__name__)

JITTER_SECONDS_EACH = 0.1
"""Pollers begin spread over that much each: few start at once, a thousand do not all ask in the same second."""

END_WITHIN_SECONDS = 1.0
"""How long a change waits for the pollers that it ends."""


@dataclass(frozen=True, slots=True)
class AccountPipeline:
    """All that polls one account, from its client to its pollers."""

    account: Account
    pollers: tuple[Poller, ...]
    over: threading.Event
    """Set once, to end it: what waits wakes up, and nothing of it is published any more."""
    close: Callable[[], None]
    """Cuts off its requests."""


@dataclass(frozen=True, slots=True)
class _Work:
    line: AccountPipeline
    threads: Mapping[CollectorId, threading.Thread]


Make = Callable[[Account, Iterable[Facts]], AccountPipeline]
"""Builds the line of an account, given what is known of the polling of its collectors so far."""


class Supervisor:
    """Runs the lines of accounts until told to stop. It may be told so by another thread than changes it."""

    def __init__(self, board: SnapshotStore, make: Make) -> None:
        self._board = board
        self._make = make
        self._work: tuple[_Work, ...] = ()
        self._ending: dict[CollectorId, threading.Thread] = {}
        """Of pollers that were told to end and have not yet."""
        self._stopping = False
        self._broken = False

    def start(self, accounts: Sequence[Account]) -> None:
        """Begin to poll. Raises StateError."""
        lines = [self._make(account, ()) for account in accounts]
        for poller in _pollers(lines):
            poller.restore()
        self._begin(lines, (), accounts)

    def change(self, accounts: Sequence[Account]) -> Changes:
        """Poll these accounts from now on. Those that are the same are not touched.

        The series of an account that has changed stay: what its pollers have shown last is followed by what the state
        holds, which is never less.
        """
        try:
            found = self._change(accounts)
        except BaseException:
            self._broken = True
            raise
        self._broken = False
        return found

    def _change(self, accounts: Sequence[Account]) -> Changes:
        # A change that broke off may have ended some without putting others in their place: they are begun again.
        at_work = [work for work in self._work if not work.line.over.is_set()]
        before = {work.line.account.name: work for work in at_work}
        found = changes([work.line.account for work in at_work], accounts)
        self._end([before[account.name] for account in (*found.changed, *found.removed)])
        lines = [self._make(account, _facts(before.get(account.name))) for account in (*found.added, *found.changed)]
        for poller in _pollers(lines):
            try:
                poller.restore()
            except StateError as error:
                # Its next poll says so again, in its metrics too, and shows what there is once it can be read.
                log.error("what is known can't be shown yet", extra={"account": poller.id[0], "err": str(error)})
        self._begin(lines, [before[account.name] for account in found.kept], accounts)
        return found

    def stop(self) -> None:
        """Let all pollers end. None is waited for."""
        self._stopping = True
        for work in self._work:
            work.line.over.set()

    def healthy(self) -> bool:
        """True while every poll loop that was not told to end is alive, however its polls turn out.

        False after a change that broke off, which may have left accounts unpolled, until another one succeeds.
        """
        at_work = (work for work in self._work if not work.line.over.is_set())
        return not self._broken and all(thread.is_alive() for work in at_work for thread in work.threads.values())

    def ready(self) -> bool:
        """True once every collector has read its window."""
        return all(not poller.facts.backfilling for poller in _pollers(work.line for work in self._work))

    def _begin(self, lines: Sequence[AccountPipeline], kept: Iterable[_Work], accounts: Sequence[Account]) -> None:
        """Put new lines to work beside those that are kept, in the order of the accounts."""
        pollers = tuple(_pollers(lines))
        begun = [_Work(line, self._threads(line, JITTER_SECONDS_EACH * len(pollers))) for line in lines]
        by_name = {work.line.account.name: work for work in (*kept, *begun)}
        work = tuple(by_name[account.name] for account in accounts)
        for poller in pollers:
            poller.publish()
        self._board.arrange([poller.id for poller in _pollers(one.line for one in work)])
        for thread in (thread for one in begun for thread in one.threads.values()):
            thread.start()
        self._work = work
        if self._stopping:
            self.stop()

    def _end(self, works: Sequence[_Work]) -> None:
        """End lines, and wait for their threads, but not for long: a request may be connecting until its deadline."""
        for work in works:
            work.line.over.set()
            work.line.close()
        ending = {name: thread for work in works for name, thread in work.threads.items()}
        until = time.monotonic() + END_WITHIN_SECONDS
        for thread in ending.values():
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))
        self._ending = {name: thread for name, thread in (self._ending | ending).items() if thread.is_alive()}

    def _threads(self, line: AccountPipeline, spread: float) -> Mapping[CollectorId, threading.Thread]:
        # Daemons: at the end of the program none is waited for. A request may hang for its whole deadline, and a
        # transaction that is cut off has not happened.
        return {
            poller.id: threading.Thread(
                target=_run,
                args=(poller, line.over, min(poller.interval, spread), self._ending.get(poller.id)),
                name=f"poll {' '.join(poller.id)}",
                daemon=True,
            )
            for poller in line.pollers
        }


def _run(poller: Poller, over: threading.Event, jitter: float, before: threading.Thread | None) -> None:
    """Poll, once the thread before that polled the same is at its end: the two would count what they find twice."""
    if before is not None:
        before.join()
    poller.run(over.wait, jitter)


def _pollers(lines: Iterable[AccountPipeline]) -> Iterator[Poller]:
    return (poller for line in lines for poller in line.pollers)


def _facts(work: _Work | None) -> list[Facts]:
    return [] if work is None else [poller.facts for poller in work.line.pollers]
