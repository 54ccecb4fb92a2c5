"""What becomes of one batch within a step of time, as pure functions; when and which is decided in life.py."""

import random
from dataclasses import dataclass
from typing import Literal

from exporter.demo.items import Item
from exporter.demo.packagex.items import OPEN, phase, phase_names

Outcome = Literal["completed", "failed", "timed_out", "expired", "hanging"]
"""How a batch is to end, if it does. What is to be completed may still fail, where too many items do."""

_STALLING = ("timed_out", "hanging")
"""Of these, half of the items are never processed."""
_FAILING = 0.03
_BURST_FAILING = 0.8
_CREATED = 0.6
"""Of what is merged: the rest was there already and is updated."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a batch is to do."""

    items: int
    fate: Outcome


@dataclass(frozen=True, slots=True)
class Chances:
    """The probabilities, within one step, of what may happen."""

    begin: float
    """That what is requested is queued, or what is queued is processed."""
    finish: float
    """That one item is through the phase under way."""
    give_up: float
    """That what waits in vain expires or times out."""
    burst: str | None = None
    """The resource whose items mostly fail at the moment."""

    def failing(self, resource: str, name: str, fate: Outcome) -> float:
        """The share of a phase's items that fail."""
        if name == "cleanup":
            return 0.0
        if name != "processing":
            return _FAILING
        if fate == "failed":
            return 1.0
        return _BURST_FAILING if resource == self.burst else _FAILING


def step(batch: Item, work: Work, chances: Chances, rng: random.Random) -> Item:
    """The batch as it is after a step."""
    match batch["status"]:
        case "requested" if work.fate == "expired":
            return _given_up(batch, "expired", "The batch was not started in time", chances, rng)
        case "requested":
            return {**batch, "status": "queued"} if rng.random() < chances.begin else batch
        case "queued":
            if rng.random() >= chances.begin:
                return batch
            first = phase(phase_names(batch["via"])[0], work.items)
            return {**batch, "status": "processing", "phases": [first]}
    current = batch["phases"][-1]
    if _left(current, work) or current["processed"] == current["total"]:
        return _process(batch, work, chances, rng)
    return batch if work.fate == "hanging" else _given_up(batch, "timed_out", "The batch took too long", chances, rng)


def is_open(batch: Item) -> bool:
    return batch["status"] in OPEN


def _given_up(batch: Item, status: str, reason: str, chances: Chances, rng: random.Random) -> Item:
    return {**batch, "status": status, "reason": reason} if rng.random() < chances.give_up else batch


def _left(current: Item, work: Work) -> int:
    """How many items of a phase can still be processed."""
    stalling = work.fate in _STALLING and current["name"] == "processing"
    total: int = current["total"] // 2 if stalling else current["total"]
    return total - int(current["processed"])


def _process(batch: Item, work: Work, chances: Chances, rng: random.Random) -> Item:
    """Items go through the phase under way; when all are through it is the next one's turn, or the end."""
    *done, current = batch["phases"]
    name, left = current["name"], _left(current, work)
    if left:
        through = sum(rng.random() < chances.finish for _ in range(left))
        failing = chances.failing(batch["resource"], name, work.fate)
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
    """The stats after so many items more: each is one change and one event."""
    if batch["action"] == "merge":
        created = sum(rng.random() < _CREATED for _ in range(succeeded))
        more = {"created": created, "updated": succeeded - created}
    else:
        more = {{"delete": "deleted", "overwrite": "overwritten"}[batch["action"]]: succeeded}
    more["events"] = succeeded
    return {name: count + more.get(name, 0) for name, count in batch["stats"].items()}
