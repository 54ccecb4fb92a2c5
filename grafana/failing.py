"""Panels about failed and open records that several dashboards share; events.py defines what counts as failed."""

from collections.abc import Sequence

from grafana.events import Events, places
from grafana.frame import FAILURES
from grafana.panels import BUDGET, DATA_AGE, NONE_IS_GOOD, Panel, Query, counts, lines, stat
from grafana.promql import ACCOUNTS, NAMED, RANGE, RATE, SYSTEM, age, gauge, once, select, times, total
from grafana.tables import Column, label, table, value

_GAP = "A gap means that there is no fresh data: see the data age in Exporter health."


def places_table(events: Sequence[Events], columns: Sequence[Column]) -> Panel:
    """Return a table of failures by place, with their first and last time; `columns` are the labels to show."""
    by = [column.label for column in columns]
    rising = places(events, RATE, by)
    return table(
        "Failures by place",
        "Failures in the range, with the time of the first and the last one. Generations of workflow batches are "
        "listed under their batch and, if invocations are polled, also under invocations.",
        [
            *columns,
            value("Failed", places(events, RANGE, by), "short", NONE_IS_GOOD, 0, link=FAILURES),
            value("First", times("min", rising), "dateTimeAsSystem"),
            value("Last", times("max", rising), "dateTimeFromNow"),
        ],
        sort="Failed",
        no_value="no failures",
    )


NOT_POLLED = once(f"1 - {select('batch_exporter_up', SYSTEM)}")
_AGE = age(select("batch_exporter_last_success_timestamp_seconds", SYSTEM))
DATA_AGE_SECONDS = once(_AGE)
DATA_AGE_SHARE = once(f"({_AGE}) / {select('batch_exporter_stale_after_seconds', SYSTEM)}")
"""Data age as a share of `stale_after`: from 1 on, the gauges are dropped."""


def not_polled_stat() -> Panel:
    return stat(
        "Collectors failing",
        "Collectors whose last poll failed. They show the values of the last successful poll, which are dropped after "
        "`stale_after`. No exporter: Prometheus does not scrape the exporter.",
        Query(total(NOT_POLLED)),
        unit="short",
        thresholds=NONE_IS_GOOD,
        no_value="no exporter",
    )


def data_age_stat() -> Panel:
    return stat(
        "Oldest data",
        "Age of the oldest collector data, as a share of its `stale_after`. At 100 % its gauges are dropped and "
        "panels show a gap.",
        Query(f"max({DATA_AGE_SHARE})"),
        unit="percentunit",
        thresholds=DATA_AGE,
    )


def oldest(*systems: str) -> str:
    """Return when the oldest open record of each collector was created."""
    created = (once(select(f"{system}_oldest_in_flight_created_timestamp_seconds"), "min") for system in systems)
    return " or ".join(created)


def stuck(*systems: str) -> str:
    """Return how many records of each collector are stuck."""
    return gauge("batch_exporter_records_stuck", _of(*systems))


def stuck_stat(*systems: str) -> Panel:
    return stat(
        "Stuck records",
        "Records open for longer than `stuck_after`. The table of stuck records shows their collectors.",
        Query(total(stuck(*systems))),
        unit="short",
        thresholds=NONE_IS_GOOD,
        decimals=0,
    )


def stuck_table(*systems: str) -> Panel:
    created = oldest(*systems)
    collector = (*ACCOUNTS, "collector")
    by = ", ".join(collector)
    return table(
        "Stuck records by collector",
        "For each collector: records open for longer than `stuck_after` (stuck), all open records, and the creation "
        "time and age of the oldest open record.",
        [
            label("cluster", "Cluster"),
            label("account", "Account"),
            label("collector", "Collector"),
            value("Stuck", total(stuck(*systems), *collector), "short", NONE_IS_GOOD, 0),
            value("Open", total(_open(*systems), *collector), "short", decimals=0),
            value("Open since", f"min by ({by}) ({created}) * 1000", "dateTimeAsSystem"),
            value("Age", f"max by ({by}) ({age(f'({created})')})", "s"),
        ],
        sort="Stuck",
        no_value="-",
    )


def oldest_lines(system: str) -> Panel:
    return lines(
        "Age of the oldest open record",
        f"It rises while the same record stays open and falls when that record finishes. {_GAP}",
        Query(f"max by ({', '.join(ACCOUNTS)}, collector) ({age(oldest(system))})", f"{NAMED} {{{{collector}}}}"),
        unit="s",
    )


def open_lines(*systems: str) -> Panel:
    return lines(
        "Open records",
        "Records that are not finished. A line that keeps rising means that work piles up in the system.",
        Query(total(_open(*systems), *ACCOUNTS, "collector"), f"{NAMED} {{{{collector}}}}"),
        unit="short",
        decimals=0,
    )


def _open(*systems: str) -> str:
    return gauge("batch_exporter_records", _of(*systems), 'state="in_flight"')


def _of(*systems: str) -> str:
    return f'system=~"{"|".join(systems)}"'


def failed_stat(title: str, description: str, expr: str) -> Panel:
    return stat(title, description, Query(expr), unit="short", thresholds=NONE_IS_GOOD, decimals=0).linked(*FAILURES)


def failed_lines(title: str, description: str, *queries: Query) -> Panel:
    """Return failures over time, with the IDs of the records that raised the counters as exemplars."""
    note = "Each dot is an exemplar with the ID of the last failed record (Prometheus needs exemplar-storage)."
    exemplary = [Query(query.expr, query.legend, exemplar=True) for query in queries]
    return counts(title, f"{description} {note}", *exemplary).linked(*FAILURES)


def success_lines(title: str, description: str, *queries: Query) -> Panel:
    """Return success ratios over the rolling window, with the objective."""
    return lines(
        title,
        f"{description} Ratio of what finished in the rolling window. A gap: nothing finished.",
        *queries,
        Query("vector($objective / 100)", "objective"),
        unit="percentunit",
        minimum=None,
        maximum=1,
        calcs=("lastNotNull", "min"),
    )


def budget_stat(description: str, *queries: Query) -> Panel:
    return stat(
        "Error budget left",
        "Share of the failures allowed by the objective in this range that is still left. 100 %: no failures. Below 0: "
        f"the objective is missed. {description}",
        *queries,
        unit="percentunit",
        thresholds=BUDGET,
        decimals=0,
        no_value="nothing finished",
    )
