"""Collectors of one account, each with its own interval, window and limits."""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exporter.demo.items import document_batch, invocation
from exporter.polling import build
from exporter.systems import sources
from exporter.systems.base import Listing, Options
from tests.support import faults
from tests.support.at_work import Program
from tests.support.rig import DAY, Rig

OWN = (
    "collectors: [document_batches, invocations], per_collector: {document_batches: {poll_interval: 30m, lookback: 2h, "
    "reconcile_interval: 40m, stale_after: 50m, stuck_after: 31m, page_size: 7}}"
)
"""The account itself has a poll_interval of an hour."""


@pytest.fixture
def program(rig: Rig, tmp_path: Path) -> Iterator[Program]:
    made = Program(rig, tmp_path)
    yield made
    made.end()


def listings() -> Sequence[Listing]:
    source = sources()["inkit"]
    return [source.listing(name, Options()) for name in ("document_batches", "invocations", "workflow_batches")]


def values(program: Program, family: str) -> dict[str, float]:
    """Return the value of each collector."""
    lines = program.shown("a", family).splitlines()
    return {re.findall('collector="(.*?)"', line)[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.mark.parametrize(
    ("family", "batches", "invocations"),
    [
        ("batch_exporter_poll_interval_seconds", 1800, 3600),
        ("batch_exporter_lookback_seconds", 7200, 7 * DAY),
        ("batch_exporter_reconcile_interval_seconds", 2400, 3600),
        ("batch_exporter_stale_after_seconds", 3000, 7200),
    ],
)
def test_what_rules_compare_with_is_each_collectors_own(
    program: Program, family: str, batches: float, invocations: float
) -> None:
    program.running.start(program.accounts(a=OWN))
    assert values(program, family) == {"document_batches": batches, "invocations": invocations}


def test_each_collector_has_its_own_window_and_page_size(program: Program) -> None:
    now = time.time()
    for hours in (1, 3):
        program.rig.world.add("document_batches", document_batch(f"rb_{hours}", now - hours * 3600, total=1))
        program.rig.world.add("invocations", invocation(f"rend_{hours}", now - hours * 3600))
    program.running.start(program.accounts(a=OWN))
    program.wait_for_polls("a")
    assert program.shown("a", "inkit_batch_documents").endswith(" 1.0\n")
    assert 'inkit_invocations{account="a",destination_status="completed",status="completed"} 2.0' in program.shown(
        "a", "inkit_invocations"
    )
    asked = {request.path: request.params.get("page_size") for request in program.rig.mock_api.requests}
    assert asked["/batch"] != asked["/invoke"]


def test_gauges_last_as_long_as_their_collector_allows(program: Program) -> None:
    program.running.start(program.accounts(a=OWN))
    program.wait_for_polls("a")
    batches, invocations = program.snapshots_of("a")
    assert invocations.fresh_until - batches.fresh_until == pytest.approx(7200 - 3000, abs=60)


def test_each_collector_is_polled_at_its_own_interval_and_reconciles_with_its_share(program: Program) -> None:
    program.running.start(program.accounts(a=f"{OWN}, max_requests_per_second: 1"))
    assert [poller.interval for poller in program.pipelines[0].pollers] == [1800.0, 3600.0]
    limits = [build.limits(program.pipelines[0].account, listing) for listing in listings()[:2]]
    assert [each.allowance for each in limits] == [0.1 * 1800 / 2, 0.1 * 3600 / 2]


def test_a_collector_whose_records_are_named_by_another_knows_its_interval(program: Program) -> None:
    text = "per_collector: {invocations: {poll_interval: 90m, reconcile_interval: 90m, stuck_after: 90m}}"
    [account] = program.accounts(a=text)
    found = {listing.name: build.limits(account, listing).naming_interval for listing in listings()}
    assert found["workflow_batches"] == 5400.0


def test_a_reload_that_changes_one_collector_keeps_its_counters_and_gauges(program: Program) -> None:
    program.rig.world.add("document_batches", document_batch("rb_1", time.time(), total=3))
    program.running.start(program.accounts(a=OWN))
    program.wait_for_polls("a")
    before = [collector.counters for collector in program.snapshots_of("a")]
    program.rig.mock_api.faults.add(faults.hang())
    assert program.change(a=OWN.replace("lookback: 2h", "lookback: 3h"))["changed"] == 1
    assert values(program, "batch_exporter_lookback_seconds")["document_batches"] == 3 * 3600
    assert [collector.counters for collector in program.snapshots_of("a")] == before
    assert program.shown("a", "inkit_batch_documents").endswith(" 3.0\n"), "gauges stay while more is read"
