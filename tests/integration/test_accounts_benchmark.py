"""The benchmark of many accounts runs, and counts right; how fast anything is is not tested."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.accounts.__main__ import COMMAND
from benchmarks.accounts.api import Behavior, Lists
from benchmarks.accounts.lateness import lateness, percentile
from benchmarks.accounts.measure import REST, RESUMED, SETTLED, Times, measure
from benchmarks.accounts.process import Logged
from benchmarks.accounts.scenarios import FAST, Group, Scenario, fairness
from benchmarks.accounts.table import Results, table
from benchmarks.report import PAGE, markers

PROGRAM = Path(sys.executable).parent / "batch-exporter"
TIMES = Times(measured=2.0, pause=0.5, ready_within=30.0, scrape_interval=0.5)


def test_two_accounts_are_measured_in_every_phase_and_no_poll_fails(tmp_path: Path) -> None:
    # One of two polls finds a new record: those in flight leave the first page, and are requested by ID.
    group = Group(2, Behavior(records=20, change=0.5), {"page_size": 5, "max_requests_per_second": 1000})
    result = measure(PROGRAM, Scenario("two", {FAST: group}, interval=1.0, pauses=True), TIMES, tmp_path)
    assert list(result.phases) == [REST, RESUMED, SETTLED]
    assert result.ready is not None
    for phase in result.phases.values():
        assert phase.failed_polls == {}
        assert phase.scrapes_failed == 0
        assert phase.polls >= 6
        assert phase.cpu_per_poll > 0.0
        assert phase.lateness_p50 <= phase.lateness_p99 <= phase.lateness_max
    assert 0 < result.memory_end <= result.memory_peak
    assert result.threads > 1
    assert result.fast_poll_p99 > 0.0


def test_slow_and_hanging_accounts_stand_beside_fast_ones_in_one_configuration(tmp_path: Path) -> None:
    for scenario in fairness(change=0.0, fast=3):
        accounts: Any = scenario.config("http://127.0.0.1:1", tmp_path)["accounts"]
        names = [account["name"] for account in accounts]
        assert len(names) == len(set(names)) == sum(group.count for group in scenario.groups.values())
        assert set(scenario.observed) <= set(names)
        assert all(account["base_url"].endswith(f"/{account['name']}") for account in accounts)


def answered(lists: Lists, target: str) -> tuple[int, Any]:
    _, answer = lists.answer(target.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_a_record_that_is_requested_by_its_id_is_the_one_of_the_list() -> None:
    lists = Lists({FAST: Behavior(records=30)}, now=1e9)
    for path in ("batch", "invoke/batch", "invoke"):
        _, first = answered(lists, f"/fast-1/{path}?page=1&page_size=10")
        _, last = answered(lists, f"/fast-1/{path}?page=3&page_size=10")
        assert (first["metadata"]["pagination"]["next_page"], last["metadata"]["pagination"]["next_page"]) == (2, None)
        record = last["items"][4]
        if path == "invoke":
            _, found = answered(lists, f"/fast-2/invoke?data_id={record['id']},rend_unknown&page_size=2")
            assert found["items"] == [record]
        else:
            assert answered(lists, f"/fast-2/{path}/{record['id']}") == (200, record)
    assert answered(lists, "/fast-1/batch/rb_unknown")[0] == 404
    assert answered(lists, "/nobody-1/batch")[0] == 404


def test_a_new_record_stands_first_on_the_list_of_its_account_alone() -> None:
    lists = Lists({FAST: Behavior(records=3, change=1.0), "still": Behavior(records=3)}, now=1e9)
    totals = [
        answered(lists, f"/{name}/invoke?page=1&page_size=10")[1]["metadata"]["pagination"]["total_count"]
        for name in ("fast-1", "fast-1", "fast-2", "still-1", "still-1")
    ]
    assert totals == [4, 5, 4, 3, 3]


@pytest.mark.parametrize(
    ("polls", "late"),
    [
        ([95, 105, 115], [0, 0]),
        ([95, 107, 118], [2, 1]),
        ([95, 100, 103], [0, 0, 7]),
        ([80], [30]),
        ([], [20]),
        ([95, 105], [0, 5]),
        ([95, 105, 115, 140], [0, 0]),
    ],
)
def test_a_poll_is_late_by_what_it_waits_beyond_the_interval_whether_it_has_come_or_not(
    polls: list[float], late: list[float]
) -> None:
    assert lateness([polls], interval=10, begin=100, end=120) == late


def test_no_poll_is_due_while_the_program_is_paused() -> None:
    assert lateness([[95, 163, 175]], interval=10, begin=100, end=180, resumed=160) == [3, 2]


def test_the_percentile_of_few_values_is_one_of_them() -> None:
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 2.0, 3.0]
    assert percentile([], 0.99) == 0.0


def test_failed_polls_are_counted_by_reason_from_the_log() -> None:
    failed = 'time=2026-01-01T00:00:00.000Z level=ERROR msg="poll failed" account=a reason=timeout err="no answer"'
    logged = Logged.of([failed, failed, failed.replace("timeout", "state"), "level=INFO msg=serving"])
    assert logged.lines == 4
    assert logged.failed_polls == {"timeout": 2, "state": 1}
    assert logged.messages == {"poll failed": 3, "serving": 1}


def phase(**changed: object) -> dict[str, object]:
    figures = dict.fromkeys(
        ("core_share", "cpu_per_poll", "lateness_p50", "lateness_p99", "scrape_p50", "scrape_p99", "others_share"), 0.5
    )
    counts = dict.fromkeys(("seconds", "polls", "scrapes", "scrapes_failed", "log_lines"), 0)
    return {**figures, **counts, "failed_polls": {}, **changed}


def result(**changed: object) -> dict[str, Any]:
    sizes = dict.fromkeys(("memory_peak", "memory_end", "threads", "descriptors"), 2**20)
    times = {"ready": 3.0, "fast_poll_p50": 0.1, "fast_poll_p99": 2.0, "end": 0.1}
    return {**sizes, **times, "awaited": True, "phases": {REST: phase()}, **changed}


def test_each_program_has_a_column_and_what_it_was_not_measured_in_is_empty() -> None:
    before = result(ready=None, phases={REST: phase(polls=1500, failed_polls={"state": 1200})})
    results: Results = {"2 accounts": {"threads": before, "scheduler": result()}, "9 accounts": {"scheduler": result()}}
    lines = table(results, ["threads", "scheduler"], "command").splitlines()
    assert "| scenario | figure | threads | scheduler | wanted |" in lines
    assert "| 2 accounts | until ready | not ready | 3.0 s |  |" in lines
    assert (
        "| 2 accounts | failed polls, by reason | 1,200 state of 1,500 | none of 0 | none but those that hang |"
        in lines
    )
    assert "| 9 accounts | until ready |  | 3.0 s |  |" in lines
    assert not any("after a pause" in line for line in lines)


def test_a_program_that_collapses_has_no_cost_of_a_poll() -> None:
    collapsed = result(fast_poll_p50=0.0, fast_poll_p99=0.0, phases={REST: phase(polls=0, cpu_per_poll=19.0)})
    lines = table({"9 accounts": {"threads": collapsed}}, ["threads"], "command").splitlines()
    assert "| 9 accounts | CPU at rest | 50% of a core, no poll |  |" in lines
    assert not any("duration of a poll" in line for line in lines)


def test_the_page_has_a_place_for_the_table() -> None:
    page = PAGE.read_text()
    assert all(page.count(marker) == 1 for marker in markers(COMMAND))
