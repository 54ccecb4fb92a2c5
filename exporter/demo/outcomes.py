"""What becomes of one record within a step of time, as pure functions; when and which is decided in life.py."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.demo.items import Item, deliveries, generations, roll_up

_BURST_FAILING = 0.7
_CREATION_FAILING = 0.01


@dataclass(frozen=True, slots=True)
class Chances:
    """The probabilities, within one step, of what may happen to each piece of open work."""

    begin: float
    finish: float
    failing: float = 0.05
    """Of a generation that finishes."""
    burst: str | None = None
    """The destination where most fail at the moment."""

    def fails(self, destination: str, rng: random.Random) -> bool:
        return rng.random() < (_BURST_FAILING if destination == self.burst else self.failing)


def begin_batch(batch: Item, destinations: Iterable[str], chances: Chances, rng: random.Random) -> Item:
    """A batch whose creation may come to its end: only then do its generations begin."""
    if rng.random() >= chances.begin:
        return batch
    if rng.random() < _CREATION_FAILING:
        return {**batch, "status": "Failed"}
    begun = {name: generations(batch["total"]) for name in sorted(destinations)}
    return {**batch, "status": "Completed", "destinations": begun}


def advance_batch(batch: Item, chances: Chances, rng: random.Random) -> Item:
    """A batch some of whose open generations have finished."""
    destinations = {name: _resolve(name, one, chances, rng) for name, one in batch["destinations"].items()}
    return {**batch, "destinations": destinations}


def sum_of_parts(batch: Item, parts: Sequence[Item]) -> Item:
    """A workflow batch that counts what has become of its invocations."""
    destinations = {}
    for name in batch["destinations"]:
        statuses = [_status_at(part, name) for part in parts]
        destinations[name] = generations(len(parts), statuses.count("Completed"), statuses.count("Failed"))
    return {**batch, "destinations": destinations}


def begin_invocation(invocation: Item, destinations: Iterable[str], chances: Chances, rng: random.Random) -> Item:
    """An invocation whose workflow may come to its end: only then do its deliveries begin."""
    if rng.random() >= chances.begin:
        return invocation
    if rng.random() < _CREATION_FAILING:
        return {**invocation, "status": "Failed", "destination_status": "Failed"}
    begun = deliveries(invocation["id"], dict.fromkeys(sorted(destinations), "In Progress"))
    return {**invocation, "status": "Completed", "destinations": begun}


def advance_invocation(invocation: Item, chances: Chances, rng: random.Random) -> Item:
    """An invocation some of whose open deliveries have finished."""
    destinations = {
        name: {**one, "status": _delivered(name, one["status"], chances, rng)}
        for name, one in invocation["destinations"].items()
    }
    rolled_up = roll_up(one["status"] for one in destinations.values())
    return {**invocation, "destinations": destinations, "destination_status": rolled_up}


def is_open(item: Item) -> bool:
    """Is anything of a batch or an invocation still to come; a batch says nothing of its deliveries' status."""
    if "In Progress" in (item["status"], item.get("destination_status")):
        return True
    return any(one.get("in_progress") for one in item["destinations"].values())


def _resolve(destination: str, counts: Item, chances: Chances, rng: random.Random) -> Item:
    finished = sum(rng.random() < chances.finish for _ in range(counts["in_progress"]))
    failed = sum(chances.fails(destination, rng) for _ in range(finished))
    return generations(counts["count"], counts["completed"] + finished - failed, counts["failed"] + failed)


def _delivered(destination: str, status: str, chances: Chances, rng: random.Random) -> str:
    if status != "In Progress" or rng.random() >= chances.finish:
        return status
    return "Failed" if chances.fails(destination, rng) else "Completed"


def _status_at(invocation: Item, destination: str) -> str:
    """The status of a delivery; where there is none, that of the workflow, which never came so far."""
    found = invocation["destinations"].get(destination)
    return str(found["status"] if found else invocation["status"])
