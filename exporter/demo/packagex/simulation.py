"""How the demo's batches of PackageX move: what appears and when, what hangs. Their fates are in fates.py."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from exporter.demo.packagex import outcomes
from exporter.demo.packagex.batches import Batches, Saved
from exporter.demo.packagex.items import RESOURCES, packagex_batch
from exporter.demo.packagex.outcomes import Outcome, Work
from exporter.demo.random_events import Bursts, arrivals, within

SMALLEST_BATCH = 5
LARGEST_BATCH = 200
FATES: Mapping[Outcome, int] = {"completed": 20, "failed": 3, "timed_out": 1, "expired": 1}
"""The deck that fates are dealt from: none is missing where there are as many batches."""
_ACTIONS = ("merge", "merge", "merge", "overwrite", "delete")
_SAVED: tuple[frozenset[Saved], ...] = (
    frozenset({"upload", "result"}),
    frozenset({"upload"}),
    frozenset(),
)
_HISTORY_STEP = 60.0
_HANGING_SINCE = 43_200.0
"""Seconds before the end of a history from which on a batch may hang."""


@dataclass(frozen=True, slots=True)
class PackagexPace:
    """How many appear per second on average, and the mean of how long things take, in seconds."""

    batches: float = 1 / 20
    bursts: float = 1 / 600
    """Bursts of failures of one resource."""
    begin: float = 5.0
    item: float = 6.0
    """One item in one phase."""
    give_up: float = 60.0
    burst_lasts: float = 120.0

    def slower(self, factor: float) -> "PackagexPace":
        """Fewer appear; how long things take stays."""
        return replace(self, batches=self.batches / factor, bursts=self.bursts / factor)


class PackagexSimulation:
    """Moves batches from one time to the next. What it does depends on the times and on `rng` alone.

    Exactly one batch hangs for ever, half processed: the first of those created from `hang_from` (epoch seconds) on.
    `hung` names it.
    """

    def __init__(
        self, batches: Batches, rng: random.Random, pace: PackagexPace | None = None, hang_from: float = 0.0
    ) -> None:
        self.hung: str | None = None
        self._batches = batches
        self._rng = rng
        self._pace = pace or PackagexPace()
        self._hang_from = hang_from
        self._now = 0.0
        self._bursts = Bursts(rng, RESOURCES)
        self._deck: list[Outcome] = []
        self._open: dict[str, Work] = {}

    @property
    def burst(self) -> str | None:
        """The resource whose items mostly fail at the moment."""
        return self._bursts.target

    def history(self, now: float, days: float = 7.0, batches: int = 200) -> None:
        """Live through the `days` before `now`, in which about as many `batches` appear.

        At its end one more is requested and one more queued, so that every status is there.
        """
        seconds = days * 86_400
        pace = self._pace
        self._pace = pace.slower(pace.batches * seconds / batches)
        self._hang_from = max(self._hang_from, now - _HANGING_SINCE)
        for left in range(int(seconds // _HISTORY_STEP), -1, -1):
            self.step(now - left * _HISTORY_STEP)
        self._pace = pace
        self._begin(now, "queued")
        self._begin(now, "requested")

    def step(self, now: float) -> None:
        """Let the time since the last step (epoch seconds) pass; the first step only sets the time."""
        since = self._now or now
        self._now = max(since, now)
        pace, elapsed = self._pace, self._now - since
        if not elapsed:
            return
        self._bursts.step(self._now, elapsed, pace.bursts, pace.burst_lasts)
        begin, item, give_up = (within(elapsed, mean) for mean in (pace.begin, pace.item, pace.give_up))
        chances = outcomes.Chances(begin, item, give_up, self.burst)
        for batch_id, work in list(self._open.items()):
            self._advance(batch_id, work, chances)
        for at in arrivals(self._rng, pace.batches, since, self._now):
            self._begin(at)

    def _advance(self, batch_id: str, work: Work, chances: outcomes.Chances) -> None:
        batch = self._batches.get(batch_id)
        if batch is None:
            del self._open[batch_id]
            return
        new = outcomes.step(batch, work, chances, self._rng)
        if new != batch:
            self._batches.add(new | {"updated_at": int(self._now)}, self._batches.saved(batch_id))
        if not outcomes.is_open(new):
            del self._open[batch_id]

    def _begin(self, at: float, status: str = "requested") -> None:
        rng, batch_id = self._rng, self._batches.new_id()
        work = Work(rng.randint(SMALLEST_BATCH, LARGEST_BATCH), self._deal())
        if self.hung is None and at >= self._hang_from:
            # A large one: so many can't fail by chance before they are processed.
            self.hung, work = batch_id, Work(LARGEST_BATCH, "hanging")
        via: Literal["api", "file"] = rng.choice(("api", "file"))
        resource, mode, action = rng.choice(RESOURCES), rng.choice(("sync", "mixed")), rng.choice(_ACTIONS)
        if resource == "shipment":
            # The only action that the reference allows for them.
            action = "merge"
        batch = packagex_batch(batch_id, at, status=status, resource=resource, action=action, mode=mode, via=via)
        self._batches.add(batch, rng.choice(_SAVED))
        self._open[batch_id] = work

    def _deal(self) -> Outcome:
        if not self._deck:
            self._deck = [fate for fate, count in FATES.items() for _ in range(count)]
            self._rng.shuffle(self._deck)
        return self._deck.pop()
