"""Run the exporter with many series, and scrape it alone, in a storm, and beside clients that read slowly."""

import multiprocessing
import os
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.accounts.api import Behavior, serving
from benchmarks.accounts.lateness import percentile
from benchmarks.accounts.process import ExporterProcess, cores, running
from benchmarks.accounts.scenarios import FAST, Group, Scenario
from benchmarks.serving import Form
from benchmarks.storm.clients import PATIENCE_SECONDS, Address, Scraped, one_by_one, read_slowly, storm

GZIP, PLAIN = Form(openmetrics=True, compressed=True), Form(openmetrics=True, compressed=False)

LONE = "one scraper"
BESIDE_SLOW = "one scraper beside slow readers"
_PAUSE_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. The defaults are those of docs/performance.md."""

    accounts: int = 930
    """With three collectors each, polled once a minute: 300,000 series."""
    records: int = 20
    rate: float = 20.0
    """Scrapes a second in a storm."""
    slow: int = 200
    seconds: float = 15.0
    """How long each is measured at a time."""
    rounds: int = 3
    ready_within: float = 300.0
    settled: float = 5.0
    """Seconds until all slow readers have come, and after the start."""

    @property
    def storm(self) -> str:
        return f"{self.rate:.0f} scrapes a second"


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one kind of load in one round. Times are in seconds."""

    scrapes: int
    failed: int
    p50: float
    p99: float
    cpu: float
    """CPU seconds of the exporter, polls included, per second."""
    size: int
    """Bytes of a scrape."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured of one program. Sizes are in bytes."""

    series: int
    polling: float
    """CPU seconds of the exporter per second while nobody scrapes."""
    rounds: list[dict[str, Figures]]
    """By form and load."""
    memory_before: int
    memory_peak: int

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def measure(program: Path, sizes: Sizes, folder: Path, tell: Callable[[str], None]) -> Result:
    """Run a program (`batch-exporter` of some checkout), and load it. The folder keeps its state and its log."""
    behavior = Behavior(records=sizes.records, change=0.1)
    scenario = Scenario("storm", {FAST: Group(sizes.accounts, behavior, {"max_requests_per_second": 50})})
    core, others = cores()
    with (
        serving(scenario.behaviors, others) as api,
        running(program, scenario.config(api.url, folder), folder, core) as exporter,
        ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), _on, (others,)) as pool,
    ):
        if exporter.wait_until_ready(sizes.ready_within) is None:
            raise RuntimeError(f"the exporter is not ready: see {folder / 'log'}")
        run = _Run(exporter, pool, sizes)
        series = sum(not line.startswith(b"#") for line in run.scrape().splitlines())
        time.sleep(sizes.settled)
        before, memory = exporter.spent(), exporter.memory()[0]
        time.sleep(sizes.seconds)
        after = exporter.spent()
        rounds = []
        for number in range(sizes.rounds):
            tell(f"round {number + 1}")
            rounds.append(run.round())
        if not exporter.alive:
            raise RuntimeError(f"the exporter has exited: see {folder / 'log'}")
        polling = (after.exporter - before.exporter) / (after.at - before.at)
        return Result(series, polling, rounds, memory, exporter.memory()[1])


class _Run:
    def __init__(self, exporter: ExporterProcess, pool: ProcessPoolExecutor, sizes: Sizes) -> None:
        self._exporter = exporter
        self._pool = pool
        self._sizes = sizes

    def round(self) -> dict[str, Figures]:
        """Measure each kind of load once with each form."""
        sizes, found = self._sizes, {}
        for form in (GZIP, PLAIN):
            found[f"{LONE} ({form})"] = self._figures(one_by_one, form, _PAUSE_SECONDS, sizes.seconds)
            found[f"{sizes.storm} ({form})"] = self._figures(storm, form, sizes.rate, sizes.seconds)
        for form in (GZIP, PLAIN):
            slow = self._pool.submit(
                read_slowly, self._exporter.address, form.headers, sizes.slow, sizes.seconds + sizes.settled
            )
            # All slow clients have connected.
            time.sleep(sizes.settled / 2)
            found[f"{BESIDE_SLOW} ({form})"] = self._figures(one_by_one, GZIP, _PAUSE_SECONDS, sizes.seconds)
            slow.result()
        return found

    def scrape(self) -> bytes:
        """Return an uncompressed scrape."""
        request = urllib.request.Request("http://{}:{}/metrics".format(*self._exporter.address), headers=PLAIN.headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return bytes(answer.read())

    def _figures(
        self, load: Callable[[Address, Mapping[str, str], float, float], Sequence[Scraped]], form: Form, *how: float
    ) -> Figures:
        before = self._exporter.spent()
        scraped = self._pool.submit(load, self._exporter.address, form.headers, *how).result()
        after = self._exporter.spent()
        seconds = [each.seconds for each in scraped]
        return Figures(
            scrapes=len(scraped),
            failed=sum(each.status != 200 for each in scraped),
            p50=percentile(seconds, 0.5),
            p99=percentile(seconds, 0.99),
            cpu=(after.exporter - before.exporter) / (after.at - before.at),
            size=max(each.size for each in scraped),
        )


def _on(cores_of_others: Collection[int]) -> None:
    os.sched_setaffinity(0, cores_of_others)
