"""The benchmarks of storms and of capacity run, and count right; how fast anything is is not tested."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import serving
from benchmarks.accounts.api import Behavior, Lists
from benchmarks.capacity import profile
from benchmarks.capacity.__main__ import COMMAND as CAPACITY
from benchmarks.capacity.profile import room
from benchmarks.report import PAGE, markers
from benchmarks.serving import FORMS
from benchmarks.storm.__main__ import COMMAND as STORM
from benchmarks.storm.clients import one_by_one, read_slowly, storm
from benchmarks.storm.measure import BESIDE_SLOW, GZIP, LONE, PLAIN, Sizes, measure
from benchmarks.storm.table import table

PROGRAM = Path(sys.executable).parent / "batch-exporter"
Address = tuple[str, int]


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    with serving.served(2_000, None, apart=False) as found:
        yield found


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_each_scrape_of_a_storm_is_begun_at_its_time_and_read_whole(address: Address, form: serving.Form) -> None:
    scraped = storm(address, form.headers, rate=50.0, seconds=0.2)
    assert [each.status for each in scraped] == [200] * 10
    assert {each.size for each in scraped} != {0}
    assert all(each.seconds > 0 for each in scraped)
    assert [each.status for each in one_by_one(address, form.headers, 0.0, 0.0001)] == [200]


def test_slow_readers_read_something_all_the_time(address: Address) -> None:
    received = read_slowly(address, PLAIN.headers, count=3, seconds=1.0)
    assert 0 < received <= 3 * 4 * 8_192


def test_a_small_program_is_measured_under_every_load(tmp_path: Path) -> None:
    sizes = Sizes(accounts=1, records=5, rate=5.0, slow=2, seconds=1.0, rounds=1, settled=0.5)
    result = measure(PROGRAM, sizes, tmp_path, lambda _: None)
    [found] = result.rounds
    assert list(found) == [
        *(f"{load} ({form})" for form in (GZIP, PLAIN) for load in (LONE, sizes.storm)),
        *(f"{BESIDE_SLOW} ({form})" for form in (GZIP, PLAIN)),
    ]
    assert all(figures.failed == 0 and figures.p50 > 0 for figures in found.values())
    assert found[f"{sizes.storm} ({GZIP})"].scrapes == 5
    assert result.series > 100
    assert 0 < result.memory_before <= result.memory_peak


def figures(p99: float, failed: int = 0) -> dict[str, Any]:
    return {"scrapes": 10, "failed": failed, "p50": p99 / 2, "p99": p99, "cpu": 0.1, "size": 1}


def test_a_storm_is_compared_with_the_lone_scraper_of_the_same_round_and_form() -> None:
    lone, storm_, slow = (f"{load} ({GZIP})" for load in (LONE, Sizes().storm, BESIDE_SLOW))
    rounds = [
        {lone: figures(1.0), storm_: figures(2.0), slow: figures(1.5)},
        {lone: figures(0.1), storm_: figures(0.3, 1), slow: figures(0.1)},
        {lone: figures(0.2), storm_: figures(0.5), slow: figures(0.2)},
    ]
    result = {"series": 1, "polling": 0.1, "memory_before": 2**20, "memory_peak": 2**21, "rounds": rounds}
    lines = table({"this": result}, "command").splitlines()
    assert f"| {storm_} | p99 beside that of one scraper | 2.50 | below 3 |" in lines
    assert f"| {slow} | p99 beside that of one scraper | 1.00 | below 3 |" in lines
    assert f"| {storm_} | failed | 1 of 30 | none |" in lines


def test_an_api_of_many_workflows_names_them_in_its_invocations_alone() -> None:
    lists = Lists({"fast": Behavior(records=30, workflows=3)}, now=1e9)
    found = {path: lists.answer(f"/fast-1/{path}?page_size=30".encode())[1] for path in ("invoke", "batch")}
    assert found["invoke"].count(b'"flow_name":"Welcome letter 2"') == 10
    assert b"flow_name" not in found["batch"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["/x/site-packages/urllib3/pool.py", "/x/exporter/client/client.py", "/x/exporter/polling/a.py"], "client"),
        (["/x/json/decoder.py", "/x/exporter/client/client.py"], "JSON"),
        (["/x/exporter/polling/collector/poll.py"], "polling/collector"),
        (["/x/exporter/polling/poller.py"], "polling"),
        (["/x/exporter/state/sqlite/rows.py"], "state"),
        (["/x/site-packages/exporter/a.py", "/x/b.py"], "other"),
    ],
)
def test_a_sample_belongs_to_the_innermost_room(files: list[str], expected: str) -> None:
    assert room(files) == expected


def test_the_shares_of_all_rooms_are_the_whole(tmp_path: Path) -> None:
    from benchmarks.accounts.api import serving as api_serving

    with api_serving({"fast": Behavior(records=20, change=1.0)}, [0, 1]) as api:
        shares = profile.polls(f"{api.url}/fast-0", tmp_path, 10)
    assert sum(shares.values()) == pytest.approx(1.0)
    # Which of them a sample hits is chance.
    assert {"client", "state", "systems"} & set(shares)


def test_the_page_has_a_place_for_each_table() -> None:
    page = PAGE.read_text()
    assert all(page.count(marker) == 1 for command in (STORM, CAPACITY) for marker in markers(command))
