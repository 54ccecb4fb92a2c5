"""Records of one kind, kept so that a page is a slice; what a record is and what it is asked for by is not here."""

import json
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

Time = TypeVar("Time", str, float)
"""What a list stands in the order of: ISO times of one format sort as text, epoch seconds as numbers."""


class MemoryStore(Generic[Time]):
    """The texts of records by id, and their places in each order, oldest first.

    A record is kept as the JSON text that is served, so a page is a slice and a join however many records there
    are. It has no lock: who owns it must let one thread in at a time.
    """

    def __init__(self, *orders: str) -> None:
        self.rows: dict[str, bytes] = {}
        self._orders: dict[str, list[tuple[Time, str]]] = {order: [] for order in orders}
        self._times: dict[str, Sequence[Time]] = {}

    def insert(self, record_id: str, times: Sequence[Time], text: bytes) -> None:
        """`times` are one for each order. The id must be new."""
        self.rows[record_id] = text
        self._times[record_id] = times
        for places, at in zip(self._orders.values(), times, strict=True):
            insort(places, (at, record_id))

    def extend(self, rows: Iterable[tuple[str, Sequence[Time], bytes]]) -> None:
        """Insert many at once: each order is sorted once, not once per record."""
        for record_id, times, text in rows:
            self.rows[record_id] = text
            self._times[record_id] = times
            for places, at in zip(self._orders.values(), times, strict=True):
                places.append((at, record_id))
        for places in self._orders.values():
            places.sort()

    def remove(self, record_id: str) -> None:
        """Raises KeyError where there is no such record."""
        del self.rows[record_id]
        for places, at in zip(self._orders.values(), self._times.pop(record_id), strict=True):
            del places[bisect_left(places, (at, record_id))]

    def ids(self, order: str, start: int, stop: int | None, *, newest_first: bool) -> list[str]:
        """The ids from `start` to before `stop` of an order."""
        return ids(self._orders[order], start, stop, newest_first=newest_first)


def ids(places: Sequence[tuple[Time, str]], start: int, stop: int | None, *, newest_first: bool) -> list[str]:
    """The ids from `start` to before `stop` of places that stand oldest first."""
    if newest_first:
        end = None if stop is None else max(0, len(places) - stop)
        chosen = places[end : max(0, len(places) - start)][::-1]
    else:
        chosen = places[start:stop]
    return [record_id for _, record_id in chosen]


def compact(item: Mapping[str, Any]) -> bytes:
    """A record as it is served."""
    return json.dumps(item, separators=(",", ":")).encode()
