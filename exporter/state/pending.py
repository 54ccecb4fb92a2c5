"""Collect what a transaction adds to the series, record by record. Pure: nothing is read or written."""

from collections import Counter
from dataclasses import dataclass, field

from exporter.model import accounting
from exporter.model.accounting import Rules
from exporter.model.record import Key, Record
from exporter.model.totals import Cause, Failed


@dataclass(frozen=True, slots=True)
class Observation:
    """When and how records were seen."""

    at: float
    """When they were seen, epoch seconds."""
    new_since: float | None = None
    """The event watermark: a record never seen before is a new event if it was created since; None: it never is."""
    watched: bool = True
    """Whether the collector was polled recently. If not, the end of a record that is first seen finished is unknown."""


@dataclass(slots=True)
class PendingChanges:
    """Everything that a transaction adds to the series."""

    rules: Rules
    gauges: Counter[Key] = field(default_factory=Counter)
    events: Counter[Key] = field(default_factory=Counter)
    causes: dict[Key, Cause] = field(default_factory=dict)
    observed: dict[Key, list[tuple[int, float]]] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)
    _new: dict[tuple[object, ...], accounting.Change] = field(default_factory=dict)
    """A cache of changes of records never seen before, by what they depend on: many records of a page are alike."""

    def add(self, before: Record | None, after: Record, observation: Observation) -> None:
        """Add what changes when a record that was kept as `before` was seen as `after`."""
        new_since = observation.new_since
        change = self._change(before, after, new_since is not None and after.created_at >= new_since)
        for key, amount in change.gauges.items():
            self.gauges[key] += amount
        failures: dict[Key, int] = {}
        for key, amount in change.events.items():
            if key[0] in self.rules.histograms:
                finished_at = after.finished_at or (observation.at if observation.watched else None)
                if finished_at is None:
                    continue
                took = max(0.0, finished_at - after.created_at)
                self.observed.setdefault(key, []).append((amount, took))
                continue
            self.events[key] += amount
            if accounting.is_failure_series(key, self.rules):
                self.causes[key] = Cause(after.id, amount, observation.at)
                failures[key] = amount
        if failures:
            self.failed.append(Failed(after.id, after.created_at, observation.at, failures, after.workflow))

    def _change(self, before: Record | None, after: Record, is_new: bool) -> accounting.Change:
        if before is not None:
            return accounting.change(before, after, self.rules, is_new)
        alike = (is_new, after.in_flight, after.deleted, *after.contributions.items())
        if alike not in self._new:
            self._new[alike] = accounting.change(None, after, self.rules, is_new)
        return self._new[alike]
