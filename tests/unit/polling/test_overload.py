"""Beyond the capacity of one process, `BatchExporterPollsLate` fires before gauges turn stale."""

import re
from dataclasses import dataclass, field

import pytest
import yaml

from exporter.config.schema import Tuning
from exporter.polling.schedule import Schedule, Turn
from tests.support.paths import ROOT

INTERVAL, STALE_AFTER = 60.0, 600.0
"""The defaults."""
FOR = 300.0
COLLECTORS = 60
EVALUATED_EVERY = 15.0
SUDDEN = 1_000.0
"""When polls begin to take longer, in seconds. Until then half of the time is enough for them."""


def rule() -> tuple[str, str]:
    groups = yaml.safe_load((ROOT / "prometheus/rules/exporter.yml").read_text())["groups"]
    [found] = [rule for group in groups for rule in group["rules"] if rule.get("alert") == "BatchExporterPollsLate"]
    return " ".join(found["expr"].split()), found["for"]


def test_the_rule_and_the_defaults_are_those_of_this_file() -> None:
    expression, duration = rule()
    late = "batch_exporter_poll_lateness_seconds"
    assert re.search(rf"{late} > batch_exporter_poll_interval_seconds or ", expression)
    limit = r"\(batch_exporter_stale_after_seconds - batch_exporter_poll_interval_seconds\) / 2"
    assert re.search(rf"{late} > {limit}", expression)
    assert duration == "5m"
    defaults = Tuning.model_fields
    assert (defaults["poll_interval"].default, defaults["stale_after"].default) == ("60s", "10m")


@dataclass
class Overloaded:
    """A process that polls one collector after the other, and suddenly takes `factor` intervals for all of them."""

    factor: float
    now: float = 0.0
    lateness: dict[int, float] = field(default_factory=dict)
    """As the metric has it: of the last poll that has begun."""
    succeeded: dict[int, float] = field(default_factory=lambda: dict.fromkeys(range(COLLECTORS), 0.0))
    late_since: float | None = None
    alert: float | None = None
    """When the alert fires."""
    stale: float | None = None
    """When gauges turn stale first."""

    def run(self, seconds: float) -> "Overloaded":
        schedule: Schedule[int] = Schedule()
        for collector in range(COLLECTORS):
            schedule.add(collector, INTERVAL, collector)
        evaluated = 0.0
        while self.now < seconds:
            turn = schedule.take(self.now, lambda _: True, lambda _: True)
            if turn is None:
                next_at = schedule.next_at()
                assert next_at is not None
                self.now = next_at
            else:
                self._poll(schedule, turn)
            while evaluated <= self.now:
                self._evaluate(evaluated)
                evaluated += EVALUATED_EVERY
        return self

    def _poll(self, schedule: Schedule[int], turn: Turn[int]) -> None:
        assert turn.lateness is not None
        self.lateness[turn.collector] = turn.lateness
        self.now += INTERVAL / COLLECTORS * (self.factor if self.now >= SUDDEN else 0.5)
        self.succeeded[turn.collector] = self.now
        schedule.done(turn, self.now)

    def _evaluate(self, at: float) -> None:
        late = max(self.lateness.values(), default=0.0)
        is_late = late > INTERVAL or late > (STALE_AFTER - INTERVAL) / 2
        self.late_since = (at if self.late_since is None else self.late_since) if is_late else None
        if self.alert is None and self.late_since is not None and at - self.late_since >= FOR:
            self.alert = at
        if self.stale is None and at - min(self.succeeded.values()) > STALE_AFTER:
            self.stale = at


@pytest.mark.parametrize("factor", [11.0, 12.0, 15.0, 20.0, 50.0])
def test_the_alert_fires_before_gauges_turn_stale_however_sudden_the_load(factor: float) -> None:
    overloaded = Overloaded(factor).run(8_000.0)
    assert overloaded.alert is not None
    assert overloaded.stale is not None
    assert SUDDEN < overloaded.alert < overloaded.stale


@pytest.mark.parametrize("factor", [2.5, 4.0, 8.0])
def test_below_ten_times_what_fits_no_gauge_turns_stale_and_the_alert_fires(factor: float) -> None:
    overloaded = Overloaded(factor).run(8_000.0)
    assert overloaded.alert is not None
    assert overloaded.stale is None


def test_what_fits_raises_no_alert() -> None:
    overloaded = Overloaded(0.9).run(8_000.0)
    assert (overloaded.alert, overloaded.stale) == (None, None)
