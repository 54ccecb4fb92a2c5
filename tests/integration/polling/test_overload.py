"""More to poll than the engine manages: what is late waits in the schedule, and not half done in memory."""

import threading
import time
from collections import Counter
from concurrent.futures import Future
from typing import cast

from exporter.exposition.status import CollectorStatus
from exporter.polling.poller import Poller
from exporter.polling.scheduler import Scheduler
from tests.support.patience import GENEROUS, eventually

WORKERS = 2
COLLECTORS = 60


class Busy:
    """Stands for a poller whose polls wait for others of their account twice, and take more time than there is."""

    interval = 0.05
    wait = 0.0
    recovered = False
    begun = 0
    under_way = 0
    most = 0

    def __init__(self, scheduler: Scheduler, number: int) -> None:
        self.status = CollectorStatus(str(number), "inkit", "x")
        self.id = (str(number), "x")
        self.polls = 0
        self._engine = scheduler.engine

    def poll(self) -> None:
        Busy.under_way += 1
        Busy.most = max(Busy.most, Busy.under_way)
        for _ in range(2):
            self._work()
            self._wait()
        self.polls += 1
        Busy.under_way -= 1

    def next_change(self) -> None:
        return None

    def _work(self) -> None:
        until = time.thread_time() + 0.001
        while time.thread_time() < until:
            pass

    def _wait(self) -> None:
        turn: Future[None] = Future()
        threading.Timer(0.002, turn.set_result, (None,)).start()
        self._engine.result_of_others(turn)


def test_polls_that_are_late_do_not_pile_up_and_all_are_late_alike() -> None:
    scheduler = Scheduler(WORKERS)
    pollers = [Busy(scheduler, number) for number in range(COLLECTORS)]
    over = threading.Event()
    scheduler.add(cast("list[Poller]", pollers), lambda _: over)
    scheduler.engine.start()
    eventually(lambda: min(poller.polls for poller in pollers) >= 2)
    polls = Counter(poller.polls for poller in pollers)
    lateness = max(poller.status.lateness or 0.0 for poller in pollers)
    assert scheduler.engine.stop(GENEROUS)
    assert Busy.most <= COLLECTORS // 2
    assert max(polls) - min(polls) <= 2
    assert lateness > Busy.interval
