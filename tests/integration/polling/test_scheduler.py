"""Accounts that wait, for whatever, keep no other account waiting, however few workers there are."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support import faults
from tests.support.at_work import Program
from tests.support.patience import eventually
from tests.support.rig import TOKEN, Rig

COLLECTORS = "collectors: [document_batches, workflow_batches, invocations]"


@pytest.fixture
def other_api() -> Iterator[MockApi]:
    with MockApi(World(), TOKEN) as api:
        yield api
        api.faults.clear()


@contextmanager
def at_work(rig: Rig, folder: Path, workers: int, accounts: dict[str, str]) -> Iterator[Program]:
    program = Program(rig, folder, workers, interval="1s")
    with ExitStack() as ending:
        ending.callback(program.end)
        program.running.start(program.accounts(**accounts))
        yield program


def polled(program: Program, account: str, times: int) -> Callable[[], bool]:
    """Return whether each collector of an account was polled so many times more, and not late, since the call."""
    [pipeline] = [pipeline for pipeline in program.pipelines if pipeline.account.name == account]
    counts = {poller.id: [poller.status.last_success] for poller in pipeline.pollers}

    def enough() -> bool:
        for poller in pipeline.pollers:
            if poller.status.last_success != counts[poller.id][-1]:
                counts[poller.id].append(poller.status.last_success)
                assert (poller.status.lateness or 0.0) < 25.0, "a request may take 30 s"
        return all(len(seen) > times for seen in counts.values())

    return enough


def test_accounts_whose_api_hangs_keep_nobody_waiting(rig: Rig, tmp_path: Path, other_api: MockApi) -> None:
    other_api.faults.add(faults.hang())
    hang = {f"hang{number}": f"base_url: {other_api.url}, {COLLECTORS}" for number in range(10)}
    with at_work(rig, tmp_path, 4, {"well": COLLECTORS, **hang}) as program:
        eventually(lambda: len(other_api.requests) >= 3)
        eventually(polled(program, "well", 3))
        assert program.scheduler.workers.busy >= 3


def test_who_waits_as_long_as_the_api_asks_for_holds_no_worker(rig: Rig, tmp_path: Path, other_api: MockApi) -> None:
    other_api.faults.add(faults.status(429, {"Retry-After": "100"}))
    with at_work(rig, tmp_path, 1, {"held": f"base_url: {other_api.url}, {COLLECTORS}", "well": COLLECTORS}) as program:
        eventually(lambda: bool(other_api.requests))
        eventually(polled(program, "well", 3))
        assert len(other_api.requests) <= 3


def test_who_waits_for_its_own_rate_limit_holds_no_worker(rig: Rig, tmp_path: Path, other_api: MockApi) -> None:
    slow = f"base_url: {other_api.url}, {COLLECTORS}, max_requests_per_second: 0.05, poll_interval: 1m"
    with at_work(rig, tmp_path, 1, {"slow": slow, "well": COLLECTORS}) as program:
        eventually(lambda: bool(other_api.requests))
        eventually(polled(program, "well", 3))
        assert len(other_api.requests) == 1


def test_a_call_that_does_not_return_is_left_behind_when_the_program_ends(
    rig: Rig, tmp_path: Path, other_api: MockApi
) -> None:
    other_api.faults.add(faults.hang())
    with at_work(rig, tmp_path, 4, {"hang": f"base_url: {other_api.url}, {COLLECTORS}"}) as program:
        eventually(lambda: program.scheduler.workers.busy == 1)
        program.running.stop()
        assert program.scheduler.engine.stop(20.0), "a request may take 30 s"
