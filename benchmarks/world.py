"""What the mock API serves while something is measured, and serving it from a process of its own. No clock runs here.

The records do not change by themselves: a poll of them is a quiet one.
"""

import itertools
import json
import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from exporter.demo.faults import Fault, ListFaults
from exporter.demo.items import Item, Kind, document_batch, generations, invocation, iso, workflow_batch
from exporter.demo.server import MockApi
from exporter.demo.world import World

TOKEN = "demo-token"  # noqa: S105 (a word that opens nothing)
KINDS: tuple[Kind, ...] = ("document_batches", "workflow_batches", "invocations")

_YOUNGEST_SECONDS = 300.0
"""Older than what discovery looks at twice."""
_SPAN_SECONDS = 6 * 86_400.0
"""Within the default window of seven days, also when the benchmark has run for a while."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A list of one kind: `in_flight` of the newest `among` records are open, at even distances."""

    records: int
    in_flight: int = 0
    among: int = 1

    def is_open(self, place: int) -> bool:
        """Return whether the record with so many newer ones is in flight. Pure."""
        return place < self.among and place * self.in_flight // self.among < (place + 1) * self.in_flight // self.among


class Stage:
    """The mock API, wherever it runs."""

    def __init__(self, url: str, connection: "Connection[object, int]") -> None:
        self.url = url
        self._connection = connection

    def requests(self) -> int:
        """Return how many requests were answered since the last call."""
        self._connection.send("requests")
        return self._connection.recv()

    def delay(self, seconds: float) -> None:
        """Let every answer come that late from now on."""
        self._connection.send(seconds)
        self._connection.recv()

    def change_texts(self) -> None:
        """Let a text that no metric shows change in the newest record before each answer of a list from now on."""
        self._connection.send("change texts")
        self._connection.recv()


@contextmanager
def staged(scenes: Mapping[Kind, Scene], apart: bool = True) -> Iterator[Stage]:
    """Serve these lists until the end; `apart`: in a process of its own, otherwise in a thread."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    arguments = (theirs, dict(scenes), time.time())
    worker = (
        spawning.Process(target=_serve, args=arguments, daemon=True)
        if apart
        else threading.Thread(target=_serve, args=arguments, daemon=True)
    )
    worker.start()
    try:
        yield Stage(ours.recv(), ours)
    finally:
        ours.send(None)
        worker.join()


def _serve(connection: "Connection[object, object]", scenes: Mapping[Kind, Scene], now: float) -> None:
    world = World(random.Random(1))
    for kind, scene in scenes.items():
        world.extend(kind, _items(world, kind, scene, now))
    with MockApi(world, TOKEN) as mock_api:
        connection.send(mock_api.url)
        while (told := connection.recv()) is not None:
            answered = len(mock_api.requests)
            mock_api.requests.clear()
            if isinstance(told, float):
                mock_api.faults.clear()
                mock_api.faults.add(Fault(latency=told))
            if told == "change texts":
                mock_api.faults.list_faults = ListFaults(before_page=_changing(world))
            connection.send(answered)


def _changing(world: World) -> Callable[[Kind, int], None]:
    """Return a function that changes the name of the newest record of a list."""
    numbers = itertools.count()

    def change(kind: Kind, page: int) -> None:
        del page
        [newest], _ = world.texts(kind, "created_at", 0, 1)
        world.update(kind, json.loads(newest)["id"], name=f"name {next(numbers)}")

    return change


def _items(world: World, kind: Kind, scene: Scene, now: float) -> Iterator[Item]:
    finished, in_flight = item_models(kind)
    step = _SPAN_SECONDS / max(1, scene.records)
    for place in range(scene.records):
        model = itertools.cycle(in_flight if scene.is_open(place) else finished)
        item = next(itertools.islice(model, place % 7, None))
        created = iso(now - _YOUNGEST_SECONDS - place * step)
        yield {**item, "id": world.new_id(kind), "created_at": created}


def item_models(kind: Kind) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Return the records to copy: finished ones, of which some have failed, and those in flight."""
    if kind == "invocations":
        done = invocation("rend_1", 0.0, destinations={"inkit_storage": "Completed", "sepire": "Completed"})
        failed = invocation("rend_2", 0.0, destinations={"inkit_storage": "Completed", "sepire": "Failed"})
        running = invocation("rend_3", 0.0, destinations={"inkit_storage": "Completed", "sepire": "In Progress"})
        return (done, done, done, failed), (running,)
    make = document_batch if kind == "document_batches" else workflow_batch
    done, failed, running = (
        make("b", 0.0, destinations={"inkit_storage": counts, "sepire": generations(20, completed=20)})
        for counts in (generations(20, completed=20), generations(20, 17, 3), generations(20, completed=11))
    )
    return (done, done, done, failed), (running,)
