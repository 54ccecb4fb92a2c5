"""`python -m tools.interval_costs`: measure what intervals cost, and write the tables of docs/intervals.md.

The days themselves are in day.py.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from statistics import median

from exporter.cli.online.cost import requests_a_day
from tests.support.day import Day, Settings, live
from tests.support.pages import DOCS
from tests.support.rig import DAY, HOUR

PAGE = DOCS / "intervals.md"
GROUP_WAIT = 10.0
"""Seconds that Alertmanager waits before a critical page, in prometheus/alertmanager.yml."""
LONGEST_SCRAPE = 15.0
"""Seconds between two scrapes, and between two evaluations, in prometheus/prometheus.yml."""

POLLING = [Settings(poll_interval=interval) for interval in (15.0, 30.0, 60.0, 120.0, 300.0, 900.0)]
RECONCILING = [
    Settings(reconcile_interval=hours * HOUR, lookback=days * DAY)
    for hours, days in ((1.0, 1), (0.25, 7), (1.0, 7), (6.0, 7), (1.0, 30), (6.0, 30))
]
_UNITS = (("d", DAY), ("h", HOUR), ("m", 60.0), ("s", 1.0))


def duration(seconds: float) -> str:
    """Return a duration in the notation of the configuration."""
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    return f"{seconds / size:.0f}{unit}"


def scrape_interval(poll_interval: float) -> float:
    """Return the longest interval in seconds that scrapes a series at 0 before it rises; at most the example's."""
    return min(LONGEST_SCRAPE, poll_interval / 2)


def paged_within(poll_interval: float) -> float:
    """Return the seconds from a failure to the page, if each step takes its longest."""
    return poll_interval + 2 * scrape_interval(poll_interval) + GROUP_WAIT


def delay_cell(delays: Iterable[float]) -> str:
    """Return a cell with the median delay and the longest one."""
    known = sorted(delays)
    return f"{_time(median(known))}, at most {_time(known[-1])}"


def polling_row(settings: Settings, day: Day) -> Sequence[str]:
    interval = settings.poll_interval
    return (
        f"`{duration(interval)}`",
        f"{quiet_requests(settings):,}",
        f"{day.requests:,}",
        delay_cell(day.delays),
        f"{scrape_interval(interval):g} s",
        _time(paged_within(interval)),
    )


def reconciling_row(settings: Settings, day: Day) -> Sequence[str]:
    return (
        f"`{duration(settings.lookback)}`",
        f"`{duration(settings.reconcile_interval)}`",
        f"{settings.pages}",
        f"{quiet_requests(settings):,}",
        f"{day.requests:,}",
        delay_cell(day.late_delays),
    )


def quiet_requests(settings: Settings) -> int:
    """Return the number of requests a day that `check --online` prints."""
    return requests_a_day(settings.pages, settings.poll_interval, settings.reconcile_interval)


def written(page: str, name: str, rows: Sequence[Sequence[str]]) -> str:
    """Return the page with new rows in the table under this mark; the table's head stays. Raises ValueError."""
    lines = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    mark = re.compile(rf"(<!-- {name}: .*? -->\n\n\|.*?\n\|.*?\n)(?:\|.*\n)*")
    text, found = mark.subn(lambda match: match[1] + lines, page)
    if not found:
        raise ValueError(f"there is no table {name}")
    return text


def _time(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def main() -> None:
    logging.disable(logging.WARNING)
    polling = [polling_row(settings, live(settings)) for settings in POLLING]
    reconciling = [reconciling_row(settings, live(settings)) for settings in RECONCILING]
    PAGE.write_text(written(written(PAGE.read_text(), "polling", polling), "reconciling", reconciling))


if __name__ == "__main__":
    main()
