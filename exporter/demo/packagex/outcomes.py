"""The outcome of one step of time for one batch, as pure functions. simulation.py decides when and for which."""

import random
from dataclasses import dataclass
from typing import Literal

from exporter.demo.items import Item
from exporter.demo.packagex.items import OPEN, phase, phase_names

Outcome = Literal["completed", "failed", "timed_out", "expired", "stuck"]
"""How a batch is to end, if it does. One that is to complete fails if too many of its items fail."""

_STALLING = ("timed_out", "stuck")
"""Outcomes with which half of the items are never processed."""
_FAILING = 0.03
_BURST_FAILING = 0.8
_CREATED = 0.6
"""The share of merged items that are created; the others are updated."""


@dataclass(frozen=True, slots=True)
class Work:
    """The size of a batch, and its outcome."""

    items: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Probabilities:
    """The probabilities of events within one step."""

    begin: float
    """The probability that a requested batch is queued, or a queued one begins processing."""
    finish: float
    """The probability that one item finishes the current phase."""
    give_up: float
    """The probability that a waiting batch expires or times out."""
    burst: str | None = None
    """The resource whose items mostly fail at the moment."""

    def failing(self, resource: str, name: str, outcome: Outcome) -> float:
        """Return the share of a phase's items that fail."""
        if name == "cleanup":
            return 0.0
        if name != "processing":
            return _FAILING
        if outcome == "failed":
            return 1.0
        return _BURST_FAILING if resource == self.burst else _FAILING


def step(batch: Item, work: Work, probabilities: Probabilities, rng: random.Random) -> Item:
    """Return the batch after one step."""
    match batch["status"]:
        case "requested" if work.outcome == "expired":
            return _given_up(batch, "expired", "The batch was not started in time", probabilities, rng)
        case "requested":
            return {**batch, "status": "queued"} if rng.random() < probabilities.begin else batch
        case "queued":
            if rng.random() >= probabilities.begin:
                return batch
            first = phase(phase_names(batch["via"])[0], work.items)
            return {**batch, "status": "processing", "phases": [first]}
    current = batch["phases"][-1]
    if _left(current, work) or current["processed"] == current["total"]:
        return _process(batch, work, probabilities, rng)
    return (
        batch
        if work.outcome == "stuck"
        else _given_up(batch, "timed_out", "The batch took too long", probabilities, rng)
    )


def is_open(batch: Item) -> bool:
    return batch["status"] in OPEN


def _given_up(batch: Item, status: str, reason: str, probabilities: Probabilities, rng: random.Random) -> Item:
    return {**batch, "status": status, "reason": reason} if rng.random() < probabilities.give_up else batch


def _left(current: Item, work: Work) -> int:
    """Return how many items of a phase can still be processed."""
    stalling = work.outcome in _STALLING and current["name"] == "processing"
    total: int = current["total"] // 2 if stalling else current["total"]
    return total - int(current["processed"])


def _process(batch: Item, work: Work, probabilities: Probabilities, rng: random.Random) -> Item:
    """Process items of the current phase; when all are processed, begin the next one, or finish."""
    *done, current = batch["phases"]
    name, left = current["name"], _left(current, work)
    if left:
        through = sum(rng.random() < probabilities.finish for _ in range(left))
        failing = probabilities.failing(batch["resource"], name, work.outcome)
        failed = sum(rng.random() < failing for _ in range(through))
        succeeded = through - failed
        changed = phase(name, current["total"], current["success"] + succeeded, current["error"] + failed)
        stats = _changes(batch, succeeded, rng) if name == "processing" else batch["stats"]
        return {**batch, "phases": [*done, changed], "stats": stats}
    if current["success"] * 2 < current["total"]:
        return {**batch, "status": "failed", "reason": f"More than half of the items failed in {name}"}
    following = phase_names(batch["via"])[len(done) + 1 :]
    if not following:
        return {**batch, "status": "completed"}
    return {**batch, "phases": [*done, current, phase(following[0], current["success"])]}


def _changes(batch: Item, succeeded: int, rng: random.Random) -> Item:
    """Return the stats after `succeeded` more items: each is one change and one event."""
    if batch["action"] == "merge":
        created = sum(rng.random() < _CREATED for _ in range(succeeded))
        more = {"created": created, "updated": succeeded - created}
    else:
        more = {{"delete": "deleted", "overwrite": "overwritten"}[batch["action"]]: succeeded}
    more["events"] = succeeded
    return {name: count + more.get(name, 0) for name, count in batch["stats"].items()}
