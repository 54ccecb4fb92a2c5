"""The program at work: a thread for each poller, and the answers to "is it alive" and "is it ready"."""

import threading
from collections.abc import Sequence

from exporter.poller import Poller

JITTER_SECONDS_EACH = 0.1
"""Pollers begin spread over that much each: few start at once, a thousand do not all ask in the same second."""


class Running:
    """Runs pollers until told to stop."""

    def __init__(self, pollers: Sequence[Poller], stop: threading.Event) -> None:
        self._pollers = pollers
        self._stop = stop
        # Daemons: at the end of the program none is waited for. A request may hang for its whole deadline, and a
        # transaction that is cut off has not happened.
        self._threads = [
            threading.Thread(target=self._run, args=(poller,), name=_name(poller), daemon=True) for poller in pollers
        ]

    def start(self) -> None:
        """Raises StateError."""
        for poller in self._pollers:
            poller.restore()
            poller.publish()
        for thread in self._threads:
            thread.start()

    def healthy(self) -> bool:
        """True while every poll loop is alive, however its polls turn out."""
        return all(thread.is_alive() for thread in self._threads)

    def ready(self) -> bool:
        """True once every collector has read its window."""
        return all(not poller.facts.backfilling for poller in self._pollers)

    def _run(self, poller: Poller) -> None:
        jitter = min(poller.interval, JITTER_SECONDS_EACH * len(self._pollers))
        poller.run(self._stop.wait, jitter)


def _name(poller: Poller) -> str:
    return f"poll {poller.facts.account} {poller.facts.collector}"
