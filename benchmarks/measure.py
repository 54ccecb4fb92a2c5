"""What is measured: the exporter put together as it runs, and what it is compared with.

Each function is called in a process of its own. What its figures mean, and which are wanted, is not known here.
"""

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import requests

from benchmarks.naive import NaiveExporter
from benchmarks.world import TOKEN
from exporter.client import ThreadRunner
from exporter.config import load
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.model.accounting import Rules
from exporter.polling.build import MakeRunner, Shared, account_pipeline
from exporter.polling.poller import Poller
from exporter.polling.scheduler import Scheduler
from exporter.state import State, prepared
from exporter.systems import sources

PATHS = {"document_batches": "/batch", "workflow_batches": "/invoke/batch", "invocations": "/invoke"}
FIRST_POLLS = 2
"""Quiet polls that are made before any is measured."""
_SETTLED_SECONDS = 600.0
UNLIMITED: dict[str, object] = {"max_requests_per_second": 1e6}
"""For what is to be limited by the exporter itself and by the server."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What some work took. Times in seconds, memory in bytes; of the whole process, once the work is done."""

    seconds: float
    cpu: float
    memory: int
    peak: int

    def each(self, times: int) -> "Cost":
        return replace(self, seconds=self.seconds / times, cpu=self.cpu / times)


def read_window(url: str, folder: Path, collector: str, store: SnapshotStore | None = None) -> Cost:
    """Return the cost of the first poll of a collector. The state stays in the folder."""
    with exporter(url, folder, [collector], UNLIMITED, store=store) as (made, _):
        return _cost(made)


def quiet_polls(url: str, folder: Path, collector: str, times: int) -> Cost:
    """Return the mean cost of so many polls of a collector whose window is known and has not changed."""
    with exporter(url, folder, [collector], UNLIMITED) as (made, state):
        with state.records("account", collector, Rules.of(sources()["inkit"].families)) as records:
            # Just after the backfill, discovery would look for records that come late by the clocks' skew.
            records.save_checkpoint(
                replace(records.checkpoint, newest_at=(records.checkpoint.newest_at or time.time()) - _SETTLED_SECONDS)
            )
        # The first polls open a connection and keep what later ones reuse, such as the newest page.
        _cost(made * FIRST_POLLS)
        return _cost(made * times).each(times)


def reconciling_poll(url: str, folder: Path, collector: str) -> Cost:
    """Return the cost of a poll with one slice of a due reconciliation.

    The account has all collectors and the defaults.
    """
    with exporter(url, folder, list(PATHS), {}) as (made, state):
        [poller] = [candidate for candidate in made if candidate.status.collector == collector]
        with state.records(poller.status.account, collector, Rules.of(sources()["inkit"].families)) as records:
            records.save_checkpoint(replace(records.checkpoint, reconciled_at=0.0))
        return _cost([poller])


def accounts_poll(url: str, folder: Path, count: int) -> Cost:
    """Return the cost of one quiet poll of so many accounts on one core, all at once in the engine."""
    allowed = os.sched_getaffinity(0)
    # This pins the current thread and those that it starts.
    os.sched_setaffinity(0, {max(allowed)})
    try:
        scheduler = Scheduler()
        with exporter(url, folder, ["invocations"], UNLIMITED, count, runner=scheduler.runner) as (made, _):
            scheduler.engine.start()
            wait([scheduler.engine.submit(poller.id, poller.poll) for poller in made])
            started, cpu = time.perf_counter(), time.process_time()
            wait([scheduler.engine.submit(poller.id, poller.poll) for poller in made])
            cost = Cost(time.perf_counter() - started, time.process_time() - cpu, *memory())
            scheduler.engine.stop(1.0)
            _check(made)
            return cost
    finally:
        os.sched_setaffinity(0, allowed)


def poll_each_second(url: str, folder: Path, collector: str, store: SnapshotStore, stop: threading.Event) -> None:
    """Poll a collector once a second, more often than any configuration needs, until `stop` is set."""
    with exporter(url, folder, [collector], {**UNLIMITED, "poll_interval": "1s"}, store=store) as (made, _):
        while made[0].poll() and not stop.wait(1.0):
            pass
        _check(made)


def naive_poll(url: str, collector: str) -> Cost:
    """Return the cost of one poll of the naive exporter."""
    exporter = NaiveExporter(url + PATHS[collector], TOKEN)
    started, cpu = time.perf_counter(), time.process_time()
    exporter.poll()
    return Cost(time.perf_counter() - started, time.process_time() - cpu, *memory())


def bare_loop(url: str, collector: str) -> Cost:
    """Return the cost of a loop of `requests.get` and `json.loads` that decodes all pages and keeps nothing."""
    started, cpu = time.perf_counter(), time.process_time()
    page: int | None = 1
    while page is not None:
        answer = requests.get(
            url + PATHS[collector],
            params={"page": page, "page_size": 100},
            headers={"X-Inkit-API-Token": TOKEN},
            timeout=30,
        )
        page = json.loads(answer.content)["metadata"]["pagination"]["next_page"]
    return Cost(time.perf_counter() - started, time.process_time() - cpu, *memory())


@contextmanager
def exporter(
    url: str,
    folder: Path,
    collectors: Sequence[str],
    tuning: dict[str, object],
    accounts: int = 1,
    store: SnapshotStore | None = None,
    runner: MakeRunner = lambda _, over: ThreadRunner(over.wait),
) -> Iterator[tuple[list[Poller], State]]:
    """Yield the pollers of a configuration, made as the program makes them, and their state."""
    account = {"name": "account", "system": "inkit", "base_url": url, "api_token": TOKEN, "collectors": [*collectors]}
    path = folder / "config.yaml"
    path.write_text(json.dumps({**tuning, "accounts": [account]}))
    [first] = load(path, {name: source.system for name, source in sources().items()}, {}).accounts
    alike = [first, *(replace(first, name=f"account-{number}") for number in range(1, accounts))]
    with prepared(folder / "state.db") as state:
        store = store or SnapshotStore()
        shared = Shared(state, store, SelfMetrics("0", "", store), runner)
        yield [poller for each in alike for poller in account_pipeline(each, sources(), shared).pollers], state


def _cost(made: Sequence[Poller]) -> Cost:
    """Poll one after another, and return the cost. Raises RuntimeError if a poll failed."""
    started, cpu = time.perf_counter(), time.process_time()
    for poller in made:
        poller.poll()
    spent = Cost(time.perf_counter() - started, time.process_time() - cpu, *memory())
    _check(made)
    return spent


def _check(made: Sequence[Poller]) -> None:
    """Raise RuntimeError if a poll failed: it is quick, and would falsify the measurement."""
    for poller in made:
        if not poller.status.up:
            raise RuntimeError(f"a poll failed: {poller.status.error}")


def memory() -> tuple[int, int]:
    """Return the resident bytes of this process, now and at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = dict(line.split(":", 1) for line in lines if line.startswith(("VmRSS", "VmHWM")))
    now, most = (int(sizes[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, most
