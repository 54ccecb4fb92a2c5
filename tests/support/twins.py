"""Two exporters on one conversation: what the first asked the API and was answered, the second asks and is answered."""

import random
import sqlite3
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from exporter.client import Client, Request
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import Item, document_batch, generations, invocation, workflow_batch
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import packagex_batch
from exporter.demo.packagex.listing import PackagexReadings
from exporter.demo.world import World
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.record import FetchError
from exporter.polling.collector import Collector, Limits
from exporter.polling.poller import Poller
from exporter.polling.publisher import Output, Pace
from exporter.state import prepared
from exporter.systems import sources
from exporter.systems.base import Options
from tests.support.doubles import MemoryApi, MortalState, digest
from tests.support.rig import DAY, HOUR, Clock

Twin = Literal["document_batches", "workflow_batches", "invocations", "batches"]
RECONCILE = 20 * 60.0
UNREADABLE = "Unreadable"
"""The status of a record that the exporter can't read."""


class Recorder:
    """A client that remembers every request with its answer. Answers with known bytes are known to it."""

    def __init__(self, api: MemoryApi) -> None:
        self._api = api
        self.heard: deque[tuple[Request, Any]] = deque()
        """Requests with their answers, or the FetchErrors that they raised."""
        self.unchanged = 0
        """How many answers had the known bytes."""
        self.requests = self.answers = 0
        self.stale: Container[int] = ()
        """The numbers of the requests of a poll that are answered as the last time, as from a cache."""
        self._last: dict[str, Any] = {}

    def for_poll(self, _attempts: int) -> "Recorder":
        self.requests = self.answers = 0
        return self

    def get(self, request: Request) -> Any:
        self.requests += 1
        try:
            answer = self._api.get(request)
        except FetchError as error:
            self.heard.append((request, error))
            raise
        key = repr(request)
        answer = self._last[key] = self._last.get(key, answer) if self._api.asked in self.stale else answer
        self.heard.append((request, answer))
        self.answers += 1
        return answer

    def get_unless(self, request: Request, known: bytes) -> tuple[bytes, Any]:
        answer = self.get(request)
        found = digest(answer)
        self.unchanged += found == known
        return found, None if found == known else answer

    def get_each(self, requests: Iterable[Request], read: Callable[[Any], Any]) -> Iterator[Any]:
        asked: list[Request] = []

        def noted() -> Iterator[Request]:
            for request in requests:
                asked.append(request)
                self.requests += 1
                yield request

        for number, answer in enumerate(self._api.get_each(noted(), lambda answer: answer)):
            self.heard.append((asked[number], answer))
            self.answers += not isinstance(answer, FetchError)
            yield answer if isinstance(answer, FetchError) else read(answer)


class Replay:
    """A client that expects the requests of a Recorder, and answers them alike.

    No two answers have the same bytes, and no two of them have a row that is the same.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.requests = self.answers = 0
        self._told = 0

    def for_poll(self, _attempts: int) -> "Replay":
        self.requests = self.answers = 0
        return self

    def get(self, request: Request) -> Any:
        answer = self._next(request)
        if isinstance(answer, FetchError):
            raise answer
        return answer

    def get_unless(self, request: Request, known: bytes) -> tuple[bytes, Any]:
        del known
        answer = self.get(request)
        self._told += 1
        return self._told.to_bytes(8), {name: self._unlike(value) for name, value in answer.items()}

    def _unlike(self, rows: Any) -> Any:
        """Return the rows of an answer, each with a field more that no reader looks at."""
        if not isinstance(rows, list):
            return rows
        return [{**row, "told": self._told} if isinstance(row, dict) else row for row in rows]

    def get_each(self, requests: Iterable[Request], read: Callable[[Any], Any]) -> Iterator[Any]:
        answers = (self._next(request) for request in requests)
        return (answer if isinstance(answer, FetchError) else read(answer) for answer in answers)

    def _next(self, request: Request) -> Any:
        asked, answer = self._recorder.heard.popleft()
        self.requests += 1
        assert request == asked
        self.answers += not isinstance(answer, FetchError)
        return answer


def contents(state: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a state file, by table."""
    with closing(sqlite3.connect(state)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}  # noqa: S608


class Twins:
    """A world, an exporter that polls it, and one to which no answer is known and that hears the same answers."""

    system = "inkit"
    options = Options()
    limit: tuple[int, int | None] | None = None
    """That of the API, as it is most of the time."""

    def __init__(self, folder: Path, kind: Twin) -> None:
        self.kind = kind
        self.clock, self.ticks = Clock(), Clock()
        self.api = self.served()
        self.recorder = Recorder(self.api)
        self.resources = ExitStack()
        self.states = [MortalState(folder / name) for name in ("state.db", "twin.db")]
        for state in self.states:
            self.resources.enter_context(prepared(state.path))
            self.resources.callback(state.close)
        self.limits = Limits(HOUR, RECONCILE, DAY, page_size=4, allowance=3)
        self.unchanged = 0
        """How many answers were known."""
        self.api.limit = self.limit
        self.start()

    def served(self) -> MemoryApi:
        self.world: Any = World(random.Random(0), self.clock)
        return MemoryApi(InkitApi(self.world, ""))

    def item(self, name: str, created: float, status: str) -> Item:
        if self.kind == "invocations":
            return invocation(name, created, status=status, destinations={"box": status})
        if self.kind == "workflow_batches":
            work = generations(1, completed=int(status == "Completed"), failed=int(status == "Failed"))
            return workflow_batch(name, created, destinations={"box": work})
        done = status in ("Completed", "Failed")
        work = generations(2, completed=int(done), failed=int(status == "Failed"))
        return document_batch(name, created, status=status, destinations={"sepire": work} if done else {}, total=2)

    def add(self, item: Item) -> None:
        self.world.add(self.kind, item)

    def items(self) -> list[Item]:
        return sorted(self.world.items(self.kind), key=lambda item: str(item["id"]))

    def remove(self, name: str) -> None:
        self.world.remove(self.kind, name)

    def put(self, name: str, age: float, status: str = "Completed") -> None:
        item = self.item(name, self.clock.now - age, status)
        bad = {"destinations": 5} if self.kind == "workflow_batches" else {"status": 5}
        self.add({**item, **bad} if status == UNREADABLE else item)

    def start(self, **limits: float) -> None:
        """Begin a new program on each state file."""
        self.limits = replace(self.limits, **limits)  # type: ignore[arg-type]
        self.stores, self.statuses, self.pollers = self.programs()

    def programs(self) -> tuple[list[SnapshotStore], list[CollectorStatus], list[Poller]]:
        """Return new programs on the state files, with what they publish and show."""
        clients = (self.recorder, Replay(self.recorder))
        stores = [SnapshotStore(), SnapshotStore()]
        statuses = [CollectorStatus("prod", self.system, self.kind) for _ in clients]
        source = sources()[self.system]
        pollers = [
            Poller(
                Collector(source.listing(self.kind, self.options), source.families, self.limits),
                cast("Client", client),
                state,
                Output(store.publish, lambda: None),
                shown,
                Pace(60.0, 600.0, 3600.0),
                clock=self.clock,
                ticks=self.ticks,
            )
            for client, state, store, shown in zip(clients, self.states, stores, statuses, strict=True)
        ]
        return stores, statuses, pollers

    def poll_elsewhere(self, after: float = 1.0) -> None:
        """Let other programs poll once with the states of these."""
        own = self.stores, self.statuses, self.pollers
        self.stores, self.statuses, self.pollers = self.programs()
        self.poll(after)
        self.stores, self.statuses, self.pollers = own

    def poll(self, after: float = 1.0) -> int:
        """Let both poll, and compare all that they store and show. Return how many answers were known."""
        self.clock.now += after
        self.ticks.now += after
        self.api.asked = self.recorder.unchanged = 0
        good = self.pollers[0].poll()
        self.api.before = self.api.instead = None
        assert self.pollers[1].poll() is good
        assert not self.recorder.heard
        assert contents(self.states[0].path) == contents(self.states[1].path)
        assert self.statuses[0] == self.statuses[1]
        assert self.stores[0].snapshot.collectors == self.stores[1].snapshot.collectors
        self.unchanged += self.recorder.unchanged
        return self.recorder.unchanged


class IdOnlyTwins(Twins):
    """Twins that poll workflow batches most of the time by the IDs that the configuration names."""

    options = Options(workflow_batch_ids=tuple(f"x_{number}" for number in range(12)))
    limit = 0, 404


class PackagexTwins(Twins):
    """Twins that poll the batches of PackageX."""

    system = "packagex"
    order: Literal["oldest_first", "newest_first"] = "oldest_first"

    def served(self) -> MemoryApi:
        self.world = Batches(random.Random(0), self.clock)
        return MemoryApi(PackagexApi(self.world, "", PackagexReadings(order=self.order)))

    def item(self, name: str, created: float, status: str) -> Item:
        words = {"Completed": "completed", "Failed": "failed", "In Progress": "processing"}
        return packagex_batch(name, created, status=words.get(status, status))

    def add(self, item: Item) -> None:
        self.world.add(item)

    def items(self) -> list[Item]:
        return sorted(self.world.items(), key=lambda item: str(item["id"]))

    def remove(self, name: str) -> None:
        self.world.remove(name)


class PackagexNewestFirst(PackagexTwins):
    order: Literal["oldest_first", "newest_first"] = "newest_first"
