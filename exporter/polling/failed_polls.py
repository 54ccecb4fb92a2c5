"""Count failed polls in the state: each of them once, also if it is not known whether a commit has arrived."""

from collections import Counter
from collections.abc import Iterable, Mapping

from exporter.exposition.catalog import POLL_ERRORS
from exporter.model.record import Key, Reason
from exporter.state import Records


class FailedPolls:
    """The failed polls of one collector that are not known to be in the state. Nobody else counts its failed polls."""

    def __init__(self) -> None:
        self._waiting: Counter[Key] = Counter()
        self._sent: tuple[Counter[Key], Mapping[Key, int]] | None = None
        """What was sent without an answer so far, and what its series had counted before."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, reason: Reason) -> None:
        """Note a failed poll."""
        self._waiting[POLL_ERRORS.key(reason.value)] += 1

    def write(self, records: Records) -> None:
        """Count them in the state. Raises StateError; the next call finds out whether they were counted.

        A statement that is still under way at that moment is refused, or lets that call be refused, by its version.
        """
        if self._sent is not None:
            sent, before = self._sent
            if _counted(records, before) != before:
                self._waiting -= sent
            self._sent = None
        if self._waiting:
            self._sent = self._waiting.copy(), _counted(records, self._waiting)
            records.count(self._waiting)
            self._sent = None
            self._waiting.clear()


def _counted(records: Records, keys: Iterable[Key]) -> Mapping[Key, int]:
    """Return what these series have counted."""
    counters = records.sums().counters
    return {key: counters[key].counted if key in counters else 0 for key in keys}
