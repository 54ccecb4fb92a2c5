"""Run a poller as the program does, on a clock of the test's and without threads."""

from collections.abc import Callable

from exporter.exposition.snapshot import CollectorId
from exporter.polling.poller import Poller
from exporter.polling.schedule import Schedule


def drive(poller: Poller, wait: Callable[[float], bool], clock: Callable[[], float], first: float = 0.0) -> None:
    """Let a poller have its turns, the first poll after so many seconds, until `wait` says that it is over."""
    schedule: Schedule[CollectorId] = Schedule()
    schedule.add(poller.id, poller.interval, clock() + first)
    while True:
        at = schedule.next_at()
        assert at is not None
        if wait(max(0.0, at - clock())):
            return
        turn = schedule.take(clock(), lambda _: True, lambda _: True)
        if turn is None:
            continue
        at_once = False
        if turn.lateness is None:
            at_once = poller.look()
        else:
            poller.poll()
        schedule.done(turn, clock(), poller.next_change(), poller.wait)
        if at_once:
            schedule.hasten(poller.id, clock())
