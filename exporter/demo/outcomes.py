"""The outcome of one step of time for one record of Inkit, as pure functions. simulation.py decides when."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.demo.items import Item, deliveries, generations, roll_up

_BURST_FAILING = 0.7
_CREATION_FAILING = 0.01


@dataclass(frozen=True, slots=True)
class Probabilities:
    """The probabilities of events within one step, for each piece of open work."""

    begin: float
    finish: float
    failing: float = 0.05
    """The probability that a generation that finishes fails."""
    burst: str | None = None
    """The destination where most generations fail at the moment."""

    def fails(self, destination: str, rng: random.Random) -> bool:
        return rng.random() < (_BURST_FAILING if destination == self.burst else self.failing)


def begin_batch(batch: Item, destinations: Iterable[str], probabilities: Probabilities, rng: random.Random) -> Item:
    """Return a batch whose creation may have ended; only then its generations begin."""
    if rng.random() >= probabilities.begin:
        return batch
    if rng.random() < _CREATION_FAILING:
        return {**batch, "status": "Failed"}
    begun = {name: generations(batch["total"]) for name in sorted(destinations)}
    return {**batch, "status": "Completed", "destinations": begun}


def advance_batch(batch: Item, probabilities: Probabilities, rng: random.Random) -> Item:
    """Return a batch of which some open generations have finished."""
    destinations = {
        name: _resolve(name, destination, probabilities, rng) for name, destination in batch["destinations"].items()
    }
    return {**batch, "destinations": destinations}


def sum_of_parts(batch: Item, parts: Sequence[Item]) -> Item:
    """Return a workflow batch with the counts of its invocations."""
    destinations = {}
    for name in batch["destinations"]:
        statuses = [_status_at(part, name) for part in parts]
        destinations[name] = generations(len(parts), statuses.count("Completed"), statuses.count("Failed"))
    return {**batch, "destinations": destinations}


def begin_invocation(
    invocation: Item, destinations: Iterable[str], probabilities: Probabilities, rng: random.Random
) -> Item:
    """Return an invocation whose workflow may have ended; only then its deliveries begin."""
    if rng.random() >= probabilities.begin:
        return invocation
    if rng.random() < _CREATION_FAILING:
        return {**invocation, "status": "Failed", "destination_status": "Failed"}
    begun = deliveries(invocation["id"], dict.fromkeys(sorted(destinations), "In Progress"))
    return {**invocation, "status": "Completed", "destinations": begun}


def advance_invocation(invocation: Item, probabilities: Probabilities, rng: random.Random) -> Item:
    """Return an invocation of which some open deliveries have finished."""
    destinations = {
        name: {**destination, "status": _delivered(name, destination["status"], probabilities, rng)}
        for name, destination in invocation["destinations"].items()
    }
    rolled_up = roll_up(destination["status"] for destination in destinations.values())
    return {**invocation, "destinations": destinations, "destination_status": rolled_up}


def is_open(item: Item) -> bool:
    """Return whether work is open; a batch has no status of its deliveries."""
    if "In Progress" in (item["status"], item.get("destination_status")):
        return True
    return any(destination.get("in_progress") for destination in item["destinations"].values())


def _resolve(destination: str, counts: Item, probabilities: Probabilities, rng: random.Random) -> Item:
    finished = sum(rng.random() < probabilities.finish for _ in range(counts["in_progress"]))
    failed = sum(probabilities.fails(destination, rng) for _ in range(finished))
    return generations(counts["count"], counts["completed"] + finished - failed, counts["failed"] + failed)


def _delivered(destination: str, status: str, probabilities: Probabilities, rng: random.Random) -> str:
    if status != "In Progress" or rng.random() >= probabilities.finish:
        return status
    return "Failed" if probabilities.fails(destination, rng) else "Completed"


def _status_at(invocation: Item, destination: str) -> str:
    """Return the status of a delivery, or of the workflow if it has not begun deliveries."""
    found = invocation["destinations"].get(destination)
    return str(found["status"] if found else invocation["status"])
