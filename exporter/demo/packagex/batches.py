"""The batches of PackageX that a mock API serves, in their list order. The API is in api.py."""

import json
import random
import threading
import time
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from typing import Any, Literal, NamedTuple

from exporter.demo.items import Item, new_id
from exporter.demo.memory_store import MemoryStore, compact, ids

Saved = Literal["upload", "result"]
"""The files that a batch may save (`save_upload`, `save_result`, set at its creation)."""
FILTERS = ("resource", "mode", "via", "status")

_ALL: frozenset[Saved] = frozenset({"upload", "result"})
_ORDER = "created_at"

_Place = tuple[float, str]
"""A creation time (epoch seconds) and an ID."""


class _Aside(NamedTuple):
    """Facts about a batch that are needed without decoding it, or that are not part of it."""

    created_at: float
    filtered_by: tuple[str, ...]
    """The batch's values of FILTERS."""
    saved: frozenset[Saved]


class Batches:
    """Batches, safe to change while they are served. `clock` (epoch seconds) dates changes, `rng` makes IDs."""

    def __init__(self, rng: random.Random | None = None, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._rng = rng or random.Random(0)
        # The test or the simulation writes while the server's threads read.
        self._lock = threading.Lock()
        self._store: MemoryStore[float] = MemoryStore(_ORDER)
        self._aside: dict[str, _Aside] = {}
        # By the values of FILTERS, oldest first: few values make few groups, and a filter selects groups.
        self._groups: defaultdict[tuple[str, ...], list[_Place]] = defaultdict(list)

    def new_id(self) -> str:
        with self._lock:
            return new_id(self._rng, "batch")

    def add(self, item: Mapping[str, Any], saved: Collection[Saved] = _ALL) -> None:
        """Add a batch, or replace the one with its ID; `saved` has the files that it saved.

        A batch whose `created_at` is not a number is listed as if it was created now.
        """
        with self._lock:
            self._put(item, frozenset(saved))

    def extend(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Add many new batches that saved all their files."""
        made = [(item["id"], self._noted(item, _ALL), compact(item)) for item in items]
        with self._lock:
            self._store.extend((batch_id, (aside.created_at,), text) for batch_id, aside, text in made)
            for batch_id, aside, _ in made:
                self._aside[batch_id] = aside
                self._groups[aside.filtered_by].append((aside.created_at, batch_id))
            for places in self._groups.values():
                places.sort()

    def update(self, batch_id: str, **fields: Any) -> None:
        """Change some fields of a batch, and with them `updated_at`. Raises KeyError if there is none."""
        with self._lock:
            item = json.loads(self._store.rows[batch_id])
            self._put(item | {"updated_at": int(self.clock())} | fields, self._aside[batch_id].saved)

    def remove(self, batch_id: str) -> None:
        """Remove a batch. Raises KeyError if there is none."""
        with self._lock:
            self._drop(batch_id)

    def get(self, batch_id: str) -> Item | None:
        """Return a copy of one batch; None if there is none."""
        text = self.text(batch_id)
        return None if text is None else json.loads(text)

    def text(self, batch_id: str) -> bytes | None:
        """Return one batch, serialized; None if there is none."""
        with self._lock:
            return self._store.rows.get(batch_id)

    def saved(self, batch_id: str) -> frozenset[Saved]:
        """Return the files that a batch saved; none if there is no such batch."""
        with self._lock:
            found = self._aside.get(batch_id)
        return frozenset() if found is None else found.saved

    def count(self) -> int:
        with self._lock:
            return len(self._store.rows)

    def items(self) -> list[Item]:
        """Return copies of all batches, newest first."""
        texts, _ = self.texts({}, 0, None, newest_first=True)
        return [json.loads(text) for text in texts]

    def texts(
        self, only: Mapping[str, str], start: int, stop: int | None, *, newest_first: bool
    ) -> tuple[list[bytes], int]:
        """Return the batches from `start` to before `stop` of those that match `only` (keys of FILTERS), serialized.

        The second value is the number of all that match.
        """
        with self._lock:
            if not only:
                chosen = self._store.ids(_ORDER, start, stop, newest_first=newest_first)
                return [self._store.rows[batch_id] for batch_id in chosen], len(self._store.rows)
            places = self._places(only)
            chosen = ids(places, start, stop, newest_first=newest_first)
            return [self._store.rows[batch_id] for batch_id in chosen], len(places)

    def _places(self, only: Mapping[str, str]) -> list[_Place]:
        """Return the positions of the batches that match some filters, oldest first."""
        wanted = [(FILTERS.index(name), value) for name, value in only.items()]
        groups = [
            places for values, places in self._groups.items() if all(values[index] == value for index, value in wanted)
        ]
        return groups[0] if len(groups) == 1 else sorted(chain.from_iterable(groups))

    def _put(self, item: Mapping[str, Any], saved: frozenset[Saved]) -> None:
        batch_id, aside = item["id"], self._noted(item, saved)
        if batch_id in self._store.rows:
            self._drop(batch_id)
        self._store.insert(batch_id, (aside.created_at,), compact(item))
        self._aside[batch_id] = aside
        insort(self._groups[aside.filtered_by], (aside.created_at, batch_id))

    def _drop(self, batch_id: str) -> None:
        self._store.remove(batch_id)
        aside = self._aside.pop(batch_id)
        places = self._groups[aside.filtered_by]
        del places[bisect_left(places, (aside.created_at, batch_id))]

    def _noted(self, item: Mapping[str, Any], saved: frozenset[Saved]) -> _Aside:
        at = item.get("created_at")
        created_at = at if isinstance(at, (int, float)) else self.clock()
        return _Aside(created_at, tuple(str(item.get(name)) for name in FILTERS), saved)
