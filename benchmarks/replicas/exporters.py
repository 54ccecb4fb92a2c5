"""Exporters side by side: their configuration, and waiting until they are at work."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.accounts.api import Behavior, MockApiProcess
from benchmarks.accounts.process import ExporterProcess, running
from benchmarks.accounts.scenarios import FAST
from benchmarks.accounts.scrapes import samples
from benchmarks.world import TOKEN

COLLECTOR = "invocations"
_EXPOSED = "batch_exporter_last_success_timestamp_seconds"
_PACE = 1_000_000.0


def behaviors(records: int) -> Mapping[str, Behavior]:
    """Return how the API answers: lists of so many records that do not change."""
    return {FAST: Behavior(records=records)}


def config(api: MockApiProcess, accounts: int, interval: float, state: Mapping[str, object]) -> str:
    """Return the YAML of a configuration of accounts with one collector each."""
    rest = f"system: inkit, api_token: {TOKEN}, collectors: [{COLLECTOR}]"
    names = [f"{FAST}-{number}" for number in range(accounts)]
    lines = [
        f"poll_interval: {interval * 1000:.0f}ms",
        f"max_requests_per_second: {_PACE}",
        f"state: {json.dumps(state)}",
        "accounts:",
        *(f'- {{name: {name}, base_url: "{api.url}/{name}", {rest}}}' for name in names),
    ]
    return "\n".join([*lines, ""])


@contextlib.contextmanager
def exporters(program: Path, configuration: str, count: int, folder: Path) -> Iterator[Sequence[ExporterProcess]]:
    """Run so many exporters with one configuration until the end, each on one core."""
    cores = sorted(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        started = []
        for number in range(count):
            own = folder / f"{number}"
            own.mkdir(parents=True)
            started.append(stack.enter_context(running(program, configuration, own, cores[number % len(cores)])))
        yield started


def exposed(exporter: ExporterProcess) -> frozenset[str]:
    """Return the accounts that an exporter exposes with what is in the state."""
    return frozenset(account for account, _ in samples(exporter.address, _EXPOSED))


def wait_until(
    reached: Callable[[], bool], seconds: float, what: str, needed: Sequence[ExporterProcess], every: float = 0.05
) -> None:
    """Wait until something is so. Raises TimeoutError, and RuntimeError if an exporter that is needed exits before."""
    began = time.monotonic()
    while not reached():
        if not all(exporter.alive for exporter in needed):
            raise RuntimeError("an exporter has exited: its log has the reason")
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"{what} within {seconds:g} s")
        time.sleep(every)
