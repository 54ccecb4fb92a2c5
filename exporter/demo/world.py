"""The records of Inkit that a mock API serves, in their list orders. The API is in inkit_api.py."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

from exporter.demo.items import PREFIXES, Item, Kind, iso, new_id
from exporter.demo.memory_store import MemoryStore, compact

Order = Literal["created_at", "updated_at"]
"""The sort keys for which the store is already sorted."""
ORDERS: tuple[Order, ...] = get_args(Order)


class World:
    """Document batches, workflow batches and invocations; safe to change while it is served.

    `clock` (epoch seconds) dates changes, `rng` makes IDs.
    """

    def __init__(self, rng: random.Random | None = None, clock: Callable[[], float] = time.time) -> None:
        self._rng = rng or random.Random(0)
        self._clock = clock
        # The test or the simulation writes while the server's threads read.
        self._lock = threading.Lock()
        self._stores: dict[Kind, MemoryStore[str]] = {kind: MemoryStore(*ORDERS) for kind in PREFIXES}

    def new_id(self, kind: Kind) -> str:
        with self._lock:
            return new_id(self._rng, PREFIXES[kind])

    def add(self, kind: Kind, item: Mapping[str, Any], updated_at: float | None = None) -> None:
        """Add a record, or replace the one with its ID.

        `updated_at` (epoch seconds) is the sort key of `sort=updated_at`: by default, `created_at` for a new record,
        and now for a replaced one.
        """
        with self._lock:
            self._put(kind, item, updated_at)

    def extend(self, kind: Kind, items: Iterable[Mapping[str, Any]]) -> None:
        """Add many new records; each order is sorted once, not once per record."""
        rows = [(item["id"], (item["created_at"],) * len(ORDERS), compact(item)) for item in items]
        with self._lock:
            self._stores[kind].extend(rows)

    def update(self, kind: Kind, record_id: str, **fields: Any) -> None:
        """Change some fields of a record now. Raises KeyError if there is none."""
        with self._lock:
            item = json.loads(self._stores[kind].rows[record_id])
            self._put(kind, item | fields, None)

    def remove(self, kind: Kind, record_id: str) -> None:
        """Remove a record. Raises KeyError if there is none."""
        with self._lock:
            self._stores[kind].remove(record_id)

    def get(self, kind: Kind, record_id: str) -> Item | None:
        """Return a copy of one record; None if there is none."""
        text = self.text(kind, record_id)
        return None if text is None else json.loads(text)

    def text(self, kind: Kind, record_id: str) -> bytes | None:
        """Return one record, serialized; None if there is none."""
        with self._lock:
            return self._stores[kind].rows.get(record_id)

    def count(self, kind: Kind) -> int:
        with self._lock:
            return len(self._stores[kind].rows)

    def items(self, kind: Kind, order: Order = "created_at") -> list[Item]:
        """Return copies of all records, newest first."""
        texts, _ = self.texts(kind, order, 0, None)
        return [json.loads(text) for text in texts]

    def texts(
        self, kind: Kind, order: Order, start: int, stop: int | None, *, newest_first: bool = True
    ) -> tuple[list[bytes], int]:
        """Return the records from `start` to before `stop` of an order, serialized, and the number of all records."""
        with self._lock:
            store = self._stores[kind]
            chosen = store.ids(order, start, stop, newest_first=newest_first)
            return [store.rows[record_id] for record_id in chosen], len(store.rows)

    def _put(self, kind: Kind, item: Mapping[str, Any], updated_at: float | None) -> None:
        store = self._stores[kind]
        record_id = item["id"]
        if updated_at is None and record_id in store.rows:
            updated_at = self._clock()
        if record_id in store.rows:
            store.remove(record_id)
        created = item["created_at"]
        store.insert(record_id, (created, created if updated_at is None else iso(updated_at)), compact(item))
