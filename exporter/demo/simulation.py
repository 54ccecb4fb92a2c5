"""The simulation of Inkit's records: what appears when, and what gets stuck. Outcomes are in outcomes.py."""

import random
from dataclasses import dataclass, replace

from exporter.demo import outcomes
from exporter.demo.items import DOCUMENT_DESTINATIONS, PIECES, Item, Kind, document_batch, invocation, workflow_batch
from exporter.demo.random_events import Bursts, arrivals, within
from exporter.demo.world import World

WORKFLOWS = {
    "Welcome letter": ("inkit_storage", "sepire"),
    "Invoice": ("inkit_storage", "amazon_s3", "salesforce"),
    "Contract": ("inkit_storage", "docusign", "magic_link"),
    "Payslip": ("box", "dropbox", "google_drive"),
}
"""The workflows, and the destinations of each."""
LARGEST_DOCUMENT_BATCH = 40
LARGEST_WORKFLOW_BATCH = 8
_NAMES = (None, None, "Monthly run", "Reminders", "test")
_PEOPLE = (("Alex", "Sample"), ("Robin", "Example"), ("Kim", "Placeholder"), ("Sam", "Specimen"))
_HISTORY_STEP = 300.0
_STUCK_SINCE = 43_200.0
"""Seconds before the end of a history from which on a record may get stuck."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Average numbers of new records per second, and mean durations in seconds."""

    document_batches: float = 1 / 40
    workflow_batches: float = 1 / 60
    invocations: float = 1 / 8
    bursts: float = 1 / 600
    """Bursts of failures at one destination."""
    begin: float = 5.0
    generate: float = 20.0
    burst_lasts: float = 90.0

    def records_per_second(self) -> float:
        parts = (1 + LARGEST_WORKFLOW_BATCH) / 2
        return self.document_batches + self.workflow_batches * (1 + parts) + self.invocations

    def slower(self, factor: float) -> "Pace":
        """Return a pace with fewer new records and the same durations."""
        return replace(
            self,
            document_batches=self.document_batches / factor,
            workflow_batches=self.workflow_batches / factor,
            invocations=self.invocations / factor,
            bursts=self.bursts / factor,
        )


@dataclass(frozen=True, slots=True)
class _Open:
    """An unfinished record, with what a step needs to know of it."""

    kind: Kind
    id: str
    created_at: float
    workflow: str
    destinations: tuple[str, ...]
    parts: tuple[str, ...] = ()
    """The invocations of a workflow batch, once it has begun."""
    may_get_stuck: bool = False


class Simulation:
    """Advance a world from one time to the next; the result depends on the times and on `rng` alone.

    Exactly one document batch and one invocation get stuck for good: the first of those created from `stuck_from`
    (epoch seconds) on whose generations begin. `stuck` names them.
    """

    def __init__(self, world: World, rng: random.Random, pace: Pace | None = None, stuck_from: float = 0.0) -> None:
        self.stuck: dict[Kind, str] = {}
        self._world = world
        self._rng = rng
        self._pace = pace or Pace()
        self._stuck_from = stuck_from
        self._now = 0.0
        self._bursts = Bursts(rng, sorted(PIECES))
        self._open: dict[str, _Open] = {}

    @property
    def burst(self) -> str | None:
        """Return the destination where most generations fail at the moment."""
        return self._bursts.target

    def history(self, now: float, days: float = 7.0, records: int = 400) -> None:
        """Simulate the `days` before `now`, in which about `records` records appear."""
        seconds = days * 86_400
        pace = self._pace
        self._pace = pace.slower(pace.records_per_second() * seconds / records)
        self._stuck_from = max(self._stuck_from, now - _STUCK_SINCE)
        for left in range(int(seconds // _HISTORY_STEP), -1, -1):
            self.step(now - left * _HISTORY_STEP)
        self._pace = pace

    def step(self, now: float) -> None:
        """Advance to `now` (epoch seconds); the first step only sets the time."""
        since = self._now or now
        self._now = max(since, now)
        probabilities = self._probabilities(self._now - since)
        for work in list(self._open.values()):
            self._advance(work, probabilities)
        self._arrive(since)

    def _probabilities(self, elapsed: float) -> outcomes.Probabilities:
        pace = self._pace
        self._bursts.step(self._now, elapsed, pace.bursts, pace.burst_lasts)
        return outcomes.Probabilities(within(elapsed, pace.begin), within(elapsed, pace.generate), burst=self.burst)

    def _advance(self, work: _Open, probabilities: outcomes.Probabilities) -> None:
        item = self._world.get(work.kind, work.id)
        if item is None:
            del self._open[work.id]
            return
        new = self._next(work, item, probabilities)
        if new != item:
            self._world.add(work.kind, new, updated_at=self._now)
        if not outcomes.is_open(new) or self._gets_stuck(work, new):
            del self._open[work.id]

    def _next(self, work: _Open, item: Item, probabilities: outcomes.Probabilities) -> Item:
        if work.kind == "invocations":
            if item["destinations"]:
                return outcomes.advance_invocation(item, probabilities, self._rng)
            return outcomes.begin_invocation(item, work.destinations, probabilities, self._rng)
        if not item["destinations"]:
            new = outcomes.begin_batch(item, work.destinations, probabilities, self._rng)
            if work.kind == "workflow_batches" and new["destinations"]:
                parts = tuple(self._invoke(self._now, work.workflow, work.id) for _ in range(item["total"]))
                self._open[work.id] = replace(work, parts=parts)
            return new
        if work.kind == "workflow_batches":
            parts_now = (self._world.get("invocations", part) for part in work.parts)
            return outcomes.sum_of_parts(item, [part for part in parts_now if part])
        return outcomes.advance_batch(item, probabilities, self._rng)

    def _gets_stuck(self, work: _Open, item: Item) -> bool:
        if not work.may_get_stuck or work.kind in self.stuck or work.created_at < self._stuck_from:
            return False
        if item["destinations"]:
            self.stuck[work.kind] = work.id
            return True
        return False

    def _arrive(self, since: float) -> None:
        pace = self._pace
        for at in arrivals(self._rng, pace.document_batches, since, self._now):
            self._begin_document_batch(at)
        for at in arrivals(self._rng, pace.workflow_batches, since, self._now):
            self._begin_workflow_batch(at)
        for at in arrivals(self._rng, pace.invocations, since, self._now):
            self._invoke(at, self._rng.choice(sorted(WORKFLOWS)))

    def _begin_document_batch(self, at: float) -> None:
        rng, batch_id = self._rng, self._world.new_id("document_batches")
        total, name = rng.randint(1, LARGEST_DOCUMENT_BATCH), rng.choice(_NAMES)
        batch = document_batch(batch_id, at, destinations={}, status="In Progress", total=total, name=name)
        destinations = tuple(rng.sample(DOCUMENT_DESTINATIONS, rng.randint(1, 3)))
        self._add(_Open("document_batches", batch_id, at, "", destinations, may_get_stuck=True), batch)

    def _begin_workflow_batch(self, at: float) -> None:
        rng, batch_id = self._rng, self._world.new_id("workflow_batches")
        total, workflow = rng.randint(1, LARGEST_WORKFLOW_BATCH), rng.choice(sorted(WORKFLOWS))
        batch = workflow_batch(batch_id, at, destinations={}, status="In Progress", total=total, name=workflow)
        self._add(_Open("workflow_batches", batch_id, at, workflow, WORKFLOWS[workflow]), batch)

    def _invoke(self, at: float, workflow: str, batch_id: str | None = None) -> str:
        invocation_id = self._world.new_id("invocations")
        name, last_name = self._rng.choice(_PEOPLE)
        item = invocation(
            invocation_id,
            at,
            status="In Progress",
            destinations={},
            flow_name=workflow,
            batch_id=batch_id,
            merge_parameters={"lname": last_name, "name": name},
        )
        work = _Open("invocations", invocation_id, at, workflow, WORKFLOWS[workflow], may_get_stuck=batch_id is None)
        self._add(work, item)
        return invocation_id

    def _add(self, work: _Open, item: Item) -> None:
        self._world.add(work.kind, item)
        self._open[work.id] = work
