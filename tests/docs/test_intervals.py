"""docs/intervals.md says what `check` says, and a day that is lived through costs about that."""

from collections.abc import Sequence

import pytest
import yaml

from exporter.cli.online.cost import requests_a_day
from tests.support.day import Settings, live
from tests.support.paths import ROOT
from tests.support.rig import DAY, HOUR
from tools.interval_costs import (
    GROUP_WAIT,
    LONGEST_SCRAPE,
    PAGE,
    POLLING,
    RECONCILING,
    duration,
    paged_within,
    quiet_requests,
    written,
)

SELDOM = Settings(poll_interval=900.0, per_day=300)


def rows(name: str) -> Sequence[Sequence[str]]:
    table = PAGE.read_text().split(f"<!-- {name}: ", 1)[1].split("\n\n", 2)[1]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_a_quiet_day_costs_what_check_says() -> None:
    settings = Settings(poll_interval=300.0, reconcile_interval=6 * HOUR, per_day=300)
    estimated = requests_a_day(settings.pages, settings.poll_interval, settings.reconcile_interval)
    # In a day with nothing new a seventh of the window is left behind, and need not be read again.
    assert 0.9 * estimated <= live(settings, quiet=True).requests <= estimated


def test_a_failure_is_known_within_the_interval_and_a_late_one_with_the_next_reconciliation() -> None:
    day = live(SELDOM)
    assert len(day.delays) > 40
    assert max(day.delays) <= SELDOM.poll_interval
    assert len(day.late_delays) > 40
    assert max(day.late_delays) <= SELDOM.reconcile_interval + 2 * SELDOM.poll_interval


def test_the_table_of_poll_intervals_has_what_check_says_and_when_the_page_comes() -> None:
    shown = [(row[0], row[1], row[5]) for row in rows("polling")]
    assert shown[2] == ("`1m`", f"{quiet_requests(Settings()):,}", f"{paged_within(60.0):.0f} s")
    assert [row[:2] for row in shown] == [
        (f"`{duration(settings.poll_interval)}`", f"{quiet_requests(settings):,}") for settings in POLLING
    ]


def test_the_table_of_reconcile_intervals_has_what_check_says() -> None:
    assert [tuple(row[:4]) for row in rows("reconciling")] == [
        (
            f"`{duration(settings.lookback)}`",
            f"`{duration(settings.reconcile_interval)}`",
            f"{settings.pages}",
            f"{quiet_requests(settings):,}",
        )
        for settings in RECONCILING
    ]


def test_the_intervals_beside_ours_are_those_of_the_examples() -> None:
    prometheus = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())["global"]
    assert prometheus == dict.fromkeys(("scrape_interval", "evaluation_interval"), f"{LONGEST_SCRAPE:.0f}s")
    routes = yaml.safe_load((ROOT / "prometheus" / "alertmanager.yml").read_text())["route"]["routes"]
    [waits] = [route["group_wait"] for route in routes if route["matchers"] == ['severity="critical"']]
    assert waits == f"{GROUP_WAIT:.0f}s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(15.0, "15s"), (60.0, "1m"), (90.0, "90s"), (900.0, "15m"), (HOUR, "1h"), (7 * DAY, "7d")]
)
def test_a_duration_is_written_as_in_the_configuration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_rows_of_a_table_are_replaced_and_nothing_else() -> None:
    page = "before\n\n<!-- this: made -->\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\nafter\n"
    assert written(page, "this", [("3", "4"), ("5", "6")]) == page.replace("| 1 | 2 |", "| 3 | 4 |\n| 5 | 6 |")
    with pytest.raises(ValueError, match="there is no table that"):
        written(page, "that", [])
