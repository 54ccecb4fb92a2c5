"""An in-memory store of records of one kind, where a page is a slice."""

import json
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

Time = TypeVar("Time", str, float)
"""The type of the sort key: ISO times of one format sort as text, epoch seconds as numbers."""


class MemoryStore(Generic[Time]):
    """The records by ID, serialized, and their positions in each order, oldest first.

    A record is kept as the JSON that is served, so that a page is a slice and a join however many records there are.
    It has no lock: its owner must admit one thread at a time.
    """

    def __init__(self, *orders: str) -> None:
        self.rows: dict[str, bytes] = {}
        self._orders: dict[str, list[tuple[Time, str]]] = {order: [] for order in orders}
        self._times: dict[str, Sequence[Time]] = {}

    def insert(self, record_id: str, times: Sequence[Time], text: bytes) -> None:
        """Insert a record with a new ID; `times` has one value for each order."""
        self.rows[record_id] = text
        self._times[record_id] = times
        for places, at in zip(self._orders.values(), times, strict=True):
            insort(places, (at, record_id))

    def extend(self, rows: Iterable[tuple[str, Sequence[Time], bytes]]) -> None:
        """Insert many records; each order is sorted once, not once per record."""
        for record_id, times, text in rows:
            self.rows[record_id] = text
            self._times[record_id] = times
            for places, at in zip(self._orders.values(), times, strict=True):
                places.append((at, record_id))
        for places in self._orders.values():
            places.sort()

    def remove(self, record_id: str) -> None:
        """Remove a record. Raises KeyError if there is none."""
        del self.rows[record_id]
        for places, at in zip(self._orders.values(), self._times.pop(record_id), strict=True):
            del places[bisect_left(places, (at, record_id))]

    def ids(self, order: str, start: int, stop: int | None, *, newest_first: bool) -> list[str]:
        """Return the IDs from `start` to before `stop` of an order."""
        return ids(self._orders[order], start, stop, newest_first=newest_first)


def ids(places: Sequence[tuple[Time, str]], start: int, stop: int | None, *, newest_first: bool) -> list[str]:
    """Return the IDs from `start` to before `stop` of positions that are sorted oldest first."""
    if newest_first:
        end = None if stop is None else max(0, len(places) - stop)
        chosen = places[end : max(0, len(places) - start)][::-1]
    else:
        chosen = places[start:stop]
    return [record_id for _, record_id in chosen]


def compact(item: Mapping[str, Any]) -> bytes:
    """Serialize a record as it is served."""
    return json.dumps(item, separators=(",", ":")).encode()
