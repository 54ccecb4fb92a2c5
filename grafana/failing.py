"""Panels that several dashboards show of what fails and what stays open; what counts as failed is in events.py."""

from collections.abc import Sequence

from grafana.events import Events, places
from grafana.frame import FAILURES
from grafana.panels import BUDGET, DATA_AGE, NONE_IS_GOOD, Panel, Query, counts, lines, stat
from grafana.promql import ACCOUNTS, NAMED, RANGE, RATE, SYSTEM, age, gauge, once, select, times, total
from grafana.tables import Column, label, table, value

_GAP = "A gap means that nothing is known, not that all is well: see the data's age in Exporter health."


def places_table(events: Sequence[Events], columns: Sequence[Column]) -> Panel:
    """Where it failed in the range, and since when; `columns` are the labels to show."""
    by = [one.label for one in columns]
    rising = places(events, RATE, by)
    return table(
        "Where it fails, and since when",
        "What failed in the range: the first and the last time show whether it is over. A generation of a workflow "
        "batch stands with its batch and, where invocations are polled, as an invocation too.",
        [
            *columns,
            value("Failed", places(events, RANGE, by), "short", NONE_IS_GOOD, 0, link=FAILURES),
            value("First", times("min", rising), "dateTimeAsSystem"),
            value("Last", times("max", rising), "dateTimeFromNow"),
        ],
        sort="Failed",
        no_value="nothing failed",
    )


NOT_POLLED = once(f"1 - {select('batch_exporter_up', SYSTEM)}")
_AGE = age(select("batch_exporter_last_success_timestamp_seconds", SYSTEM))
DATA_AGE_SECONDS = once(_AGE)
DATA_AGE_SHARE = once(f"({_AGE}) / {select('batch_exporter_stale_after_seconds', SYSTEM)}")
"""Of `stale_after`: from 1 on the numbers are dropped."""


def not_polled_stat() -> Panel:
    return stat(
        "Collectors failing",
        "Collectors whose last poll failed: their numbers are those of the last successful poll, and are dropped after "
        "`stale_after`. Without data: the exporter itself is not scraped.",
        Query(total(NOT_POLLED)),
        unit="short",
        thresholds=NONE_IS_GOOD,
        no_value="no exporter",
    )


def data_age_stat() -> Panel:
    return stat(
        "Oldest data",
        "How long ago the collector that is furthest behind was last polled successfully, as a share of its "
        "`stale_after`. At 100 % its numbers are dropped, and panels have a gap.",
        Query(f"max({DATA_AGE_SHARE})"),
        unit="percentunit",
        thresholds=DATA_AGE,
    )


def oldest(*systems: str) -> str:
    """Return when the oldest open record of each collector was created."""
    created = (once(select(f"{one}_oldest_in_flight_created_timestamp_seconds"), "min") for one in systems)
    return " or ".join(created)


def stuck(*systems: str) -> str:
    """Return how many records of each collector are stuck."""
    return gauge("batch_exporter_records_stuck", _of(*systems))


def stuck_stat(*systems: str) -> Panel:
    return stat(
        "Stuck records",
        "Records that have been open for longer than `stuck_after` of their account. The table of what is stuck has "
        "them by collector.",
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
        "What is stuck, and since when",
        "For each collector: how many records have been open for longer than `stuck_after`, how many are open, and "
        "when the oldest of them was created.",
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
        f"It rises while the same record stays open, and falls when that one finishes. {_GAP}",
        Query(f"max by ({', '.join(ACCOUNTS)}, collector) ({age(oldest(system))})", f"{NAMED} {{{{collector}}}}"),
        unit="s",
    )


def open_lines(*systems: str) -> Panel:
    return lines(
        "Open records",
        "Records that are not finished. What rises and does not fall again is piling up at the vendor.",
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
    """Failures over time with the ids of the records that raised the counters."""
    note = (
        "Each dot is an exemplar: it names the last record that failed (Prometheus keeps them with exemplar-storage)."
    )
    exemplary = [Query(one.expr, one.legend, exemplar=True) for one in queries]
    return counts(title, f"{description} {note}", *exemplary).linked(*FAILURES)


def success_lines(title: str, description: str, *queries: Query) -> Panel:
    """Success ratios over the rolling window, beside the objective."""
    return lines(
        title,
        f"{description} Of what finished in the rolling window; a gap: nothing did.",
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
        "The share of the failures that the objective allows in this range which has not happened: 100 % is none, "
        f"below 0 the objective is missed. {description}",
        *queries,
        unit="percentunit",
        thresholds=BUDGET,
        decimals=0,
        no_value="nothing finished",
    )
