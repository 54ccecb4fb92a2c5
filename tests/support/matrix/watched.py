"""What is polled in the matrix: the lists of both systems, and records that begin, fail, end and go away on them."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from exporter.client import Request
from exporter.demo.faults import ListFaults
from exporter.demo.http_types import Answer
from exporter.demo.http_types import Request as Asked
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import Item, Kind, document_batch, generations, invocation, workflow_batch
from exporter.demo.listing import Readings
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.world import World
from exporter.model.record import Key
from exporter.systems.base import Options
from tests.support import counting
from tests.support.rig import TOKEN

ROWS = 3
"""Of a page."""
FINISHED = 12
OPEN = 6
"""They stand below what is finished, so that a poll asks for them by their IDs or by their status."""

Outcome = Literal["open", "completed", "failed"]
_NAMED = 26


@dataclass(frozen=True)
class Watched:
    """A list, and how it is polled."""

    name: str
    kind: Kind | counting.Batches
    system: str
    by_id: bool = False
    """The account has no such list: its records are asked for by their IDs."""

    @property
    def options(self) -> Options:
        return Options(workflow_batch_ids=tuple(f"x_{number}" for number in range(_NAMED)) if self.by_id else ())


WATCHED = (
    Watched("document_batches", "document_batches", "inkit"),
    Watched("workflow_batches", "workflow_batches", "inkit"),
    Watched("workflow_batches by ID", "workflow_batches", "inkit", by_id=True),
    Watched("invocations", "invocations", "inkit"),
    Watched("batches", "batches", "packagex"),
)


class Life:
    """The records of one list, served by the mock API of its system, and all that ever was of them."""

    def __init__(self, watched: Watched, clock: Callable[[], float]) -> None:
        self.watched = watched
        self.clock = clock
        self.world = World(random.Random(0), clock)
        self.batches = Batches(random.Random(0), clock)
        readings = Readings(workflow_batch_list=404 if watched.by_id else 200)
        self.apis = InkitApi(self.world, TOKEN, readings), PackagexApi(self.batches, TOKEN)
        self.made = self.removed = 0
        self.most: dict[str, Counter[Key]] = {}
        """By record, the most that it has stood for in the counters."""
        for number in range(FINISHED):
            self.put(self._new(), clock() - 3600 - number * 300, "failed" if number % 5 == 0 else "completed")
        self.open = [self._new() for _ in range(OPEN)]
        for number, name in enumerate(self.open):
            self.put(name, clock() - 14_400 - number * 60, "open")
        self.late = [f"x_{number}" for number in range(FINISHED - 1, 0, -1) if number % 5]
        """Those that are completed, the oldest first."""

    def answer(self, request: Request, headers: Mapping[str, str], list_faults: ListFaults | None = None) -> Answer:
        asked = Asked("GET", request.path, request.params, {name.lower(): value for name, value in headers.items()})
        answer = self.apis[self.watched.system == "packagex"].answer(asked, list_faults or ListFaults())
        assert answer is not None
        return answer

    def items(self) -> list[Item]:
        return self.batches.items() if self.watched.kind == "batches" else self.world.items(self.watched.kind)

    def happen(self, step: int) -> None:
        """Let something of each kind happen: work appears, fails, ends, fails late, and goes away."""
        self.put(self._new(), self.clock() - 5, "failed" if step % 2 == 0 else "open")
        if step < 3:
            self._end(self.open[2 * step], "failed")
        if step == 1:
            self._end(self.open[1], "completed")
        if step == 2:
            self._end(self.late[0], "failed")
        if step == 3:
            self.remove(self.late[1])

    def events(self) -> Counter[Key]:
        """Return all events that ever happened."""
        return sum(self.most.values(), Counter())

    def gauges(self) -> Counter[Key]:
        return counting.gauges(self.watched.kind, self.items())

    def put(self, name: str, created: float, outcome: Outcome) -> None:
        item = self._item(name, created, outcome)
        if self.watched.kind == "batches":
            self.batches.add(item)
        else:
            self.world.add(self.watched.kind, item)
        self.most[name] = self.most.get(name, Counter()) | counting.finished(self.watched.kind, item)

    def remove(self, name: str) -> None:
        self.removed += 1
        if self.watched.kind == "batches":
            self.batches.remove(name)
        else:
            self.world.remove(self.watched.kind, name)

    def _new(self) -> str:
        self.made += 1
        return f"x_{self.made - 1}"

    def _end(self, name: str, outcome: Outcome) -> None:
        kind = self.watched.kind
        item = self.batches.get(name) if kind == "batches" else self.world.get(kind, name)
        assert item is not None
        self.put(name, counting.created_at(item), outcome)

    def _item(self, name: str, created: float, outcome: Outcome) -> Item:
        if self.watched.kind == "batches":
            word = {"open": "processing"}.get(outcome, outcome)
            return packagex_batch(name, created, status=word, resource="shipment", items=2, updated_at=self.clock())
        if self.watched.kind == "invocations":
            word = {"open": "In Progress", "completed": "Completed", "failed": "Failed"}[outcome]
            return invocation(name, created, destinations={"box": word})
        make = document_batch if self.watched.kind == "document_batches" else workflow_batch
        done = generations(2, completed=2 * (outcome == "completed"), failed=2 * (outcome == "failed"))
        return make(name, created, destinations={"sepire": done})
