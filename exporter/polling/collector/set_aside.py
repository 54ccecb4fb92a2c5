"""Request records less often that the API fails to return by ID while it returns others. Pure."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 300.0
"""How long a record waits until it is requested again, at first and at most."""

_FORGOTTEN_AFTER = 3600.0
"""A record that nobody has requested for so long is no longer in flight."""


@dataclass(slots=True)
class _Failed:
    at: float
    most: int
    """The maximum number of records in a request with this one."""
    times: int = 0
    """The number of times that the record was set aside."""

    @property
    def due(self) -> float:
        pause = FIRST_PAUSE_SECONDS * 2.0 ** min(self.times - 1, 10) if self.times else 0.0
        return self.at + min(pause, LONGEST_PAUSE_SECONDS)


class SetAside:
    """Records whose requests by ID have failed, over several polls. Kept in memory: a restart requests all again.

    Times are elapsed seconds, of one clock.
    """

    def __init__(self) -> None:
        self._failed: dict[str, _Failed] = {}
        self.polls_down = 0
        """How many polls in a row have found that the API returns no record by ID."""

    def is_due(self, record_id: str, now: float) -> bool:
        """Return whether a record may be requested."""
        failed = self._failed.get(record_id)
        return failed is None or failed.due <= now

    def is_new(self, ids: Iterable[str]) -> bool:
        """Return whether no request has failed for one of these records."""
        return any(record_id not in self._failed for record_id in ids)

    def requests(self, ids: Iterable[str], size: int, now: float) -> Iterator[Sequence[str]]:
        """Yield which of these records to request, at most `size` together.

        Those whose requests have failed come last, so that no other waits for them. Among them, those come first that
        have not been tried for longest.
        """
        due = [record_id for record_id in ids if self.is_due(record_id, now)]
        yield from _parts([record_id for record_id in due if record_id not in self._failed], size)
        failed = [(record_id, self._failed[record_id]) for record_id in due if record_id in self._failed]
        failed.sort(key=lambda known: (-known[1].most, known[1].at))
        for most, group in itertools.groupby(failed, key=lambda known: known[1].most):
            yield from _parts([record_id for record_id, _ in group], min(size, most))

    def failed(self, ids: Sequence[str], now: float) -> Sequence[Sequence[str]]:
        """Note that a request for these records failed. Return smaller ones to try; none if it was for one record."""
        half = -(-len(ids) // 2)
        for record_id in ids:
            before = self._failed.get(record_id)
            self._failed[record_id] = _Failed(now, half, before.times if before else 0)
        return (ids[:half], ids[half:]) if len(ids) > 1 else ()

    def set_aside(self, ids: Iterable[str], now: float) -> None:
        """Let these records wait, each time for longer: the API failed to return them, and then returned another."""
        self._failed = {key: failed for key, failed in self._failed.items() if now - failed.at < _FORGOTTEN_AFTER}
        for record_id in ids:
            if record_id in self._failed:
                self._failed[record_id].times += 1

    def answered(self, ids: Iterable[str]) -> None:
        """Note that a request for these records was answered."""
        for record_id in ids:
            self._failed.pop(record_id, None)


def _parts(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
