"""A world whose records begin, go on and end, and the figures of a scrape in the form of the independent count."""

import random
import re
import time
from collections import Counter

from exporter.demo.items import Kind, document_batch, generations, invocation
from exporter.demo.world import World
from exporter.model.record import Key
from tests.support import counting

KINDS: tuple[Kind, ...] = ("document_batches", "invocations")
LABELS = ("kind", "destination", "status", "destination_status")


class Work:
    """Records that begin, go on and end; what each of them comes to is left to the independent count."""

    def __init__(self, world: World, rng: random.Random | None = None) -> None:
        self.world = world
        self.rng = rng or random.Random()
        self.open: list[tuple[Kind, str]] = []
        self.made = 0

    def begin(self, age: float = 0.0) -> None:
        kind = self.rng.choice(KINDS)
        self.made += 1
        name = f"x_{self.made}"
        created = time.time() - age
        if kind == "invocations":
            destinations = dict.fromkeys(self.rng.sample(["box", "sepire", "docusign"], 2), "In Progress")
            self.world.add(kind, invocation(name, created, destinations=destinations))
        else:
            self.world.add(kind, document_batch(name, created, destinations={"sepire": generations(3)}))
        self.open.append((kind, name))

    def go_on(self) -> None:
        """Let one piece of work of some record end."""
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
            done = generations(3, now["completed"] + (not failed), now["failed"] + failed)
            item = document_batch(name, created, destinations={"sepire": done})
        self.world.add(kind, item)
        if not counting.in_flight(kind, item):
            self.open.remove((kind, name))

    def pass_time(self) -> None:
        """Now and then more appear than a page holds, and some that are an hour old."""
        for _ in range(self.rng.choice([0, 0, 0, 1, 1, 2, 30])):
            self.begin(age=self.rng.choice([0.0, 0.0, 0.0, 3600.0]))
        for _ in range(self.rng.randint(0, 12)):
            self.go_on()


def figures(page: str, ending: str) -> Counter[Key]:
    """The vendor's series that are not 0, of the families that end so (or of the gauges)."""
    found: Counter[Key] = Counter()
    for name, labels, value in re.findall(r"^(inkit_\w+)\{(.*)\} (\S+)$", page, re.MULTILINE):
        wanted = name.endswith(ending) if ending else not re.search("_(total|bucket|sum|count|seconds)$", name)
        if wanted and float(value):
            given = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            order = sorted(LABELS, key=LABELS.index)
            if name.startswith("inkit_invocations"):
                order = ["status", "destination_status"]
            found[name, *(given[label] for label in order if label in given)] = int(float(value))
    return found
