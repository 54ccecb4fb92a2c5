"""Worlds whose records begin, go on and end, and the figures of a scrape in the form of the independent count."""

import functools
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Protocol

from exporter.demo.items import Item, Kind, document_batch, generations, invocation
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.items import OPEN, packagex_batch, phase
from exporter.demo.world import World
from exporter.model.record import Key
from exporter.systems import sources
from tests.support import counting

KINDS: tuple[Kind, ...] = ("document_batches", "invocations")
_SERIES = re.compile(r"^((?:inkit|packagex)_\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_NO_GAUGE = re.compile("_(total|bucket|sum|count|seconds)$")
_ITEMS = 3


class Moving(Protocol):
    """The records of one account; what each of them comes to is left to the independent count."""

    rng: random.Random
    made: int
    """How many records have begun."""

    def items(self) -> Iterator[tuple[Kind | counting.Batches, Item]]:
        """Return all records, each with its list."""

    def begin(self, age: float = 0.0) -> None:
        """Let a record begin that is so many seconds old."""

    def go_on(self) -> None:
        """Let one piece of work of some record end."""

    def remove(self, kind: Kind | counting.Batches, record_id: str) -> None:
        """Delete a record upstream."""


class Work:
    """The records of an account of Inkit."""

    def __init__(self, world: World, rng: random.Random | None = None) -> None:
        self.world = world
        self.rng = rng or random.Random()
        self.open: list[tuple[Kind, str]] = []
        self.made = 0

    def items(self) -> Iterator[tuple[Kind, Item]]:
        return ((kind, item) for kind in KINDS for item in self.world.items(kind))

    def put(self, kind: Kind, item: Item) -> None:
        self.world.add(kind, item)

    def remove(self, kind: Kind | counting.Batches, record_id: str) -> None:
        assert kind != "batches"
        self.world.remove(kind, record_id)

    def begin(self, age: float = 0.0) -> None:
        kind = self.rng.choice(KINDS)
        self.made += 1
        name = f"x_{self.made}"
        created = time.time() - age
        if kind == "invocations":
            destinations = dict.fromkeys(self.rng.sample(["box", "sepire", "docusign"], 2), "In Progress")
            self.put(kind, invocation(name, created, destinations=destinations))
        else:
            self.put(kind, document_batch(name, created, destinations={"sepire": generations(_ITEMS)}))
        self.open.append((kind, name))

    def go_on(self) -> None:
        if not self.open:
            return
        kind, name = self.rng.choice(self.open)
        item = self.world.get(kind, name)
        assert item is not None
        created = counting.created_at(item)
        failed = self.rng.random() < 0.5
        if kind == "invocations":
            destinations = {name: state["status"] for name, state in item["destinations"].items()}
            still = [name for name, status in destinations.items() if status == "In Progress"]
            destinations[still[0]] = "Failed" if failed else "Completed"
            item = invocation(name, created, destinations=destinations)
        else:
            now = item["destinations"]["sepire"]
            done = generations(_ITEMS, now["completed"] + (not failed), now["failed"] + failed)
            item = document_batch(name, created, destinations={"sepire": done})
        self.put(kind, item)
        if not counting.in_flight(kind, item):
            self.open.remove((kind, name))

    def pass_time(self) -> None:
        """Let records appear, now and then more than a page holds and some that are an hour old, and let work end."""
        for _ in range(self.rng.choice([0, 0, 0, 1, 1, 2, 30])):
            self.begin(age=self.rng.choice([0.0, 0.0, 0.0, 3600.0]))
        for _ in range(self.rng.randint(0, 12)):
            self.go_on()


class PackagexWork:
    """The records of an account of PackageX."""

    def __init__(self, batches: Batches, rng: random.Random) -> None:
        self.batches = batches
        self.rng = rng
        self.open: list[str] = []
        self.made = 0

    def items(self) -> Iterator[tuple[counting.Batches, Item]]:
        return (("batches", item) for item in self.batches.items())

    def put(self, item: Item) -> None:
        self.batches.add(item)

    def remove(self, kind: Kind | counting.Batches, record_id: str) -> None:
        self.batches.remove(record_id)

    def begin(self, age: float = 0.0) -> None:
        self.made += 1
        name = f"batch_{self.made}"
        resource = self.rng.choice(["contact", "shipment"])
        self.put(packagex_batch(name, time.time() - age, status="requested", resource=resource, items=_ITEMS))
        self.open.append(name)

    def go_on(self) -> None:
        if not self.open:
            return
        name = self.rng.choice(self.open)
        item = self.batches.get(name)
        assert item is not None
        self.put(self._next(item))
        if self.batches.get(name)["status"] not in OPEN:  # type: ignore[index]
            self.open.remove(name)

    def _next(self, item: Item) -> Item:
        """Return the batch as it is a while later: it is processed, one item after the other, and then ends."""
        done = next((made for made in item["phases"] if made["name"] == "processing"), None)
        success, error = (done["success"], done["error"]) if done else (0, 0)
        status = "processing"
        if done is not None and success + error < _ITEMS:
            failed = self.rng.random() < 0.5
            success, error = success + (not failed), error + failed
        elif done is not None:
            status = "completed" if success else "failed"
        phases = [phase("validation", _ITEMS, _ITEMS), phase("processing", _ITEMS, success, error)]
        stats = {"created": success, "events": success}
        made = packagex_batch(
            item["id"], item["created_at"], status=status, resource=item["resource"], phases=phases, stats=stats
        )
        return made | {"updated_at": int(time.time())}


@functools.cache
def _labels() -> Mapping[str, tuple[str, ...]]:
    """Return the labels of each family of a system, without the account."""
    families = (family for source in sources().values() for family in source.families)
    return {family.name: family.labels[1:] for family in families}


@functools.lru_cache(100_000)
def _key(family: str, labels: str) -> tuple[str, Key]:
    given = dict(re.findall(r'(\w+)="([^"]*)"', labels))
    return given["account"], (family, *(given[label] for label in _labels()[family] if label in given))


def figures_by_account(page: str, ending: str) -> dict[str, Counter[Key]]:
    """Return the systems' series that are not 0, by account, of the families with this ending (or of the gauges)."""
    found: dict[str, Counter[Key]] = defaultdict(Counter)
    for family, labels, value in _SERIES.findall(page):
        wanted = family.endswith(ending) if ending else not _NO_GAUGE.search(family)
        if wanted and float(value):
            account, key = _key(family, labels)
            found[account][key] = int(float(value))
    return dict(found)


def figures(page: str, ending: str) -> Counter[Key]:
    """Return the same for all accounts together."""
    return sum(figures_by_account(page, ending).values(), Counter())
