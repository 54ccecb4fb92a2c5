"""Run the exporter in a scenario, and return what it cost and how late it was, phase by phase."""

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.accounts.api import MockApiProcess, serving
from benchmarks.accounts.lateness import lateness, percentile
from benchmarks.accounts.process import ExporterProcess, cores, running
from benchmarks.accounts.scenarios import Scenario
from benchmarks.accounts.scrapes import samples, scraping
from benchmarks.world import KINDS
from exporter.demo.items import Kind

_LATENESS = "batch_exporter_poll_lateness_seconds"
_DURATION = "batch_exporter_last_poll_duration_seconds"

REST = "at rest"
RESUMED = "in the two intervals after a pause"
SETTLED = "after that"


@dataclass(frozen=True, slots=True)
class Times:
    """How long to measure. Seconds."""

    measured: float = 60.0
    """For each phase, but for the two intervals after the pause."""
    pause: float = 60.0
    ready_within: float = 180.0
    """A program that is not ready by then is measured all the same."""
    scrape_interval: float = 15.0


@dataclass(frozen=True, slots=True)
class Phase:
    """What was measured in some time. Times are in seconds."""

    seconds: float
    polls: int
    cpu: float
    core_share: float
    """CPU seconds of the exporter per second."""
    cpu_per_poll: float
    others_share: float
    """CPU seconds of all other processes on the exporter's core, per second."""
    lateness_p50: float
    lateness_p99: float
    lateness_max: float
    scrapes: int
    scrape_p50: float
    scrape_p99: float
    scrapes_failed: int
    failed_polls: Mapping[str, int]
    log_lines: int
    messages: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured of one program in one scenario. Sizes are in bytes, times in seconds."""

    awaited: bool
    """Whether the program can become ready in the scenario."""
    ready: float | None
    """After how many seconds it was; None if it was not within the time given."""
    phases: Mapping[str, Phase]
    memory_peak: int
    memory_end: int
    threads: int
    descriptors: int
    fast_poll_p50: float
    """How long the last polls of the observed accounts took, as the exporter says."""
    fast_poll_p99: float
    lateness_gauge_p99: float | None
    """The exporter's own gauge at the end; None if it has none."""
    end: float
    """From SIGTERM to the exit."""

    def to_json(self) -> Mapping[str, object]:
        return asdict(self)


class _Run:
    """One exporter in one scenario."""

    def __init__(self, scenario: Scenario, times: Times, api: MockApiProcess, exporter: ExporterProcess) -> None:
        self._scenario = scenario
        self._times = times
        self._api = api
        self._exporter = exporter
        self._polls: defaultdict[tuple[str, Kind], list[float]] = defaultdict(list)

    def warm_up(self) -> float | None:
        """Wait until the program is ready or, in a scenario where it never is, for two intervals."""
        if self._scenario.becomes_ready:
            return self._exporter.wait_until_ready(self._times.ready_within)
        time.sleep(2 * self._scenario.interval)
        return None

    def phases(self) -> Mapping[str, Phase]:
        found = {REST: self._phase(self._times.measured)}
        if self._scenario.pauses:
            self._exporter.pause(self._times.pause)
            resumed = time.monotonic()
            found[RESUMED] = self._phase(2 * self._scenario.interval, resumed)
            found[SETTLED] = self._phase(self._times.measured, resumed)
        return found

    def _phase(self, seconds: float, resumed: float = -math.inf) -> Phase:
        self._take_polls()
        logged, before = self._exporter.log_position(), self._exporter.spent()
        with scraping(self._exporter.address, self._times.scrape_interval) as scrapes:
            time.sleep(seconds)
            after = self._exporter.spent()
            log = self._exporter.logged(logged)
        self._take_polls()
        observed = [self._polls[account, kind] for account in self._scenario.observed for kind in KINDS]
        late = lateness(observed, self._scenario.interval, before.at, after.at, resumed)
        polls = sum(before.at <= at < after.at for polls in self._polls.values() for at in polls)
        cpu, wall = after.exporter - before.exporter, after.at - before.at
        return Phase(
            seconds=wall,
            polls=polls,
            cpu=cpu,
            core_share=cpu / wall,
            cpu_per_poll=cpu / max(1, polls),
            others_share=max(0.0, after.core - before.core - cpu) / wall,
            lateness_p50=percentile(late, 0.5),
            lateness_p99=percentile(late, 0.99),
            lateness_max=max(late, default=0.0),
            scrapes=len(scrapes.seconds),
            scrape_p50=percentile(scrapes.seconds, 0.5),
            scrape_p99=percentile(scrapes.seconds, 0.99),
            scrapes_failed=scrapes.failed,
            failed_polls=log.failed_polls,
            log_lines=log.lines,
            messages=log.messages,
        )

    def _take_polls(self) -> None:
        for key, polls in self._api.take_polls().items():
            self._polls[key].extend(polls)


def measure(program: Path, scenario: Scenario, times: Times, folder: Path) -> Result:
    """Run a program (`batch-exporter` of some checkout) in a scenario. The folder keeps its state and its log."""
    core, others = cores()
    with (
        serving(scenario.behaviors, others) as api,
        running(program, scenario.config(api.url, folder), folder, core, scenario.descriptors) as exporter,
    ):
        run = _Run(scenario, times, api, exporter)
        ready = run.warm_up()
        phases = run.phases()
        if not exporter.alive:
            raise RuntimeError(f"the exporter has exited: see {folder / 'log'}")
        durations = _observed(scenario, samples(exporter.address, _DURATION))
        gauge = _observed(scenario, samples(exporter.address, _LATENESS))
        memory_end, memory_peak = exporter.memory()
        return Result(
            awaited=scenario.becomes_ready,
            ready=ready,
            phases=phases,
            memory_peak=memory_peak,
            memory_end=memory_end,
            threads=exporter.peak_threads,
            descriptors=exporter.peak_descriptors,
            fast_poll_p50=percentile(durations, 0.5),
            fast_poll_p99=percentile(durations, 0.99),
            lateness_gauge_p99=percentile(gauge, 0.99) if gauge else None,
            end=exporter.end(),
        )


def _observed(scenario: Scenario, values: Mapping[tuple[str, str], float]) -> Sequence[float]:
    accounts = frozenset(scenario.observed)
    return [value for (account, _), value in values.items() if account in accounts]
