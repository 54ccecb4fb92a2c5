"""The records of Inkit that a mock API serves, in the orders it lists them in; its API is in inkit_api.py."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

from exporter.demo.items import PREFIXES, Item, Kind, iso, new_id
from exporter.demo.memory_store import MemoryStore, compact

Order = Literal["created_at", "updated_at"]
"""The keys by which a list can be had without sorting it."""
ORDERS: tuple[Order, ...] = get_args(Order)


class World:
    """Document batches, workflow batches and invocations; safe to change while it is served.

    `clock` (epoch seconds) dates changes, `rng` makes ids.
    """

    def __init__(self, rng: random.Random | None = None, clock: Callable[[], float] = time.time) -> None:
        self._rng = rng or random.Random(0)
        self._clock = clock
        # The test or the demo's life writes while the server's threads read.
        self._lock = threading.Lock()
        self._shelves: dict[Kind, MemoryStore[str]] = {kind: MemoryStore(*ORDERS) for kind in PREFIXES}

    def new_id(self, kind: Kind) -> str:
        with self._lock:
            return new_id(self._rng, PREFIXES[kind])

    def add(self, kind: Kind, item: Mapping[str, Any], updated_at: float | None = None) -> None:
        """Add a record, or put it in the place of the one with its id.

        `updated_at` (epoch seconds) is what `sort=updated_at` goes by: when not given, a new record's is its
        `created_at`, and that of a record put in the place of another is now.
        """
        with self._lock:
            self._put(kind, item, updated_at)

    def extend(self, kind: Kind, items: Iterable[Mapping[str, Any]]) -> None:
        """Add many new records at once: each order is sorted once, not once per record."""
        rows = [(item["id"], (item["created_at"],) * len(ORDERS), compact(item)) for item in items]
        with self._lock:
            self._shelves[kind].extend(rows)

    def update(self, kind: Kind, record_id: str, **fields: Any) -> None:
        """Change some fields of a record now. Raises KeyError where there is no such record."""
        with self._lock:
            item = json.loads(self._shelves[kind].rows[record_id])
            self._put(kind, item | fields, None)

    def remove(self, kind: Kind, record_id: str) -> None:
        """Raises KeyError where there is no such record."""
        with self._lock:
            self._shelves[kind].remove(record_id)

    def get(self, kind: Kind, record_id: str) -> Item | None:
        """A copy of one record; None where there is no such record."""
        text = self.text(kind, record_id)
        return None if text is None else json.loads(text)

    def text(self, kind: Kind, record_id: str) -> bytes | None:
        """One record as it is served; None where there is no such record."""
        with self._lock:
            return self._shelves[kind].rows.get(record_id)

    def count(self, kind: Kind) -> int:
        with self._lock:
            return len(self._shelves[kind].rows)

    def items(self, kind: Kind, order: Order = "created_at") -> list[Item]:
        """Copies of all records, newest first."""
        texts, _ = self.texts(kind, order, 0, None)
        return [json.loads(text) for text in texts]

    def texts(
        self, kind: Kind, order: Order, start: int, stop: int | None, *, newest_first: bool = True
    ) -> tuple[list[bytes], int]:
        """The records from `start` to before `stop` of an order, as they are served, and how many there are in all."""
        with self._lock:
            shelf = self._shelves[kind]
            chosen = shelf.ids(order, start, stop, newest_first=newest_first)
            return [shelf.rows[one] for one in chosen], len(shelf.rows)

    def _put(self, kind: Kind, item: Mapping[str, Any], updated_at: float | None) -> None:
        shelf = self._shelves[kind]
        record_id = item["id"]
        if updated_at is None and record_id in shelf.rows:
            updated_at = self._clock()
        if record_id in shelf.rows:
            shelf.remove(record_id)
        created = item["created_at"]
        shelf.insert(record_id, (created, created if updated_at is None else iso(updated_at)), compact(item))
