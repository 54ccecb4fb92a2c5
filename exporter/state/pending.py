"""What a transaction adds to the series, gathered record by record. It reads and writes nothing."""

from collections import Counter
from dataclasses import dataclass, field

from exporter.model import accounting
from exporter.model.accounting import Rules
from exporter.model.record import Key, Record
from exporter.model.totals import Cause, Failed


@dataclass(frozen=True, slots=True)
class Observation:
    """When records were seen, and since when one that was never met before is news (None: never)."""

    at: float
    news_since: float | None = None
    watched: bool = True
    """Was the collector polled lately: if not, nobody knows when a record finished that is met finished now."""


@dataclass(slots=True)
class PendingChanges:
    """What a transaction adds to the series."""

    rules: Rules
    gauges: Counter[Key] = field(default_factory=Counter)
    events: Counter[Key] = field(default_factory=Counter)
    causes: dict[Key, Cause] = field(default_factory=dict)
    observed: dict[Key, list[tuple[int, float]]] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)
    _new: dict[tuple[object, ...], accounting.Change] = field(default_factory=dict)
    """What comes of records that were never met, by all that it depends on: on a page, many of them are alike."""

    def take(self, before: Record | None, after: Record, sight: Observation) -> None:
        """Add what comes of a record that is known as `before` and was seen as `after`."""
        news = sight.news_since is not None and after.created_at >= sight.news_since
        change = self._change(before, after, news)
        for key, amount in change.gauges.items():
            self.gauges[key] += amount
        failures: dict[Key, int] = {}
        for key, amount in change.events.items():
            if key[0] in self.rules.histograms:
                finished_at = after.finished_at or (sight.at if sight.watched else None)
                if finished_at is None:
                    continue
                took = max(0.0, finished_at - after.created_at)
                self.observed.setdefault(key, []).append((amount, took))
                continue
            self.events[key] += amount
            if accounting.names_failure(key, self.rules):
                self.causes[key] = Cause(after.id, amount, sight.at)
                failures[key] = amount
        if failures:
            self.failed.append(Failed(after.id, after.created_at, sight.at, failures, after.workflow))

    def _change(self, before: Record | None, after: Record, news: bool) -> accounting.Change:
        if before is not None:
            return accounting.change(before, after, self.rules, news)
        alike = (news, after.in_flight, after.deleted, *after.contributions.items())
        if alike not in self._new:
            self._new[alike] = accounting.change(None, after, self.rules, news)
        return self._new[alike]
