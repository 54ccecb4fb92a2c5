"""Panels that several dashboards show of what fails and what stays open; what counts as failed is in events.py."""

from collections.abc import Sequence

from grafana.events import Events, places
from grafana.frame import FAILURES
from grafana.panels import BUDGET, DATA_AGE, NONE_IS_GOOD, OPEN_AGE, Panel, Query, counts, lines, stat
from grafana.promql import RANGE, RATE, SYSTEM, age, select, times
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


NOT_POLLED_EXPR = f"1 - {select('batch_exporter_up', SYSTEM)}"
DATA_AGE_EXPR = age(select("batch_exporter_last_success_timestamp_seconds", SYSTEM))


def not_polled_stat() -> Panel:
    return stat(
        "Collectors failing",
        "Collectors whose last poll failed: their numbers are those of the last poll that succeeded, until they are "
        "withdrawn. Without data: the exporter itself is not scraped.",
        Query(f"sum({NOT_POLLED_EXPR})"),
        unit="short",
        thresholds=NONE_IS_GOOD,
        no_value="no exporter",
    )


def data_age_stat() -> Panel:
    return stat(
        "Oldest data",
        "How long ago the collector that is furthest behind was last polled successfully. From `stale_after` (ten "
        "minutes by default) on its numbers are withdrawn, and panels have a gap.",
        Query(f"max({DATA_AGE_EXPR})"),
        unit="s",
        thresholds=DATA_AGE,
    )


def oldest(system: str) -> str:
    """When the oldest open record of each collector was created."""
    return select(f"{system}_oldest_in_flight_created_timestamp_seconds")


def oldest_stat(*systems: str) -> Panel:
    created = " or ".join(oldest(one) for one in systems)
    return stat(
        "Oldest open record",
        "How long the oldest record that is not finished has been open: orange from an hour on, red from six. "
        "Where nothing is open there is nothing to show.",
        Query(f"max({age(f'({created})')})"),
        unit="s",
        thresholds=OPEN_AGE,
        no_value="nothing open",
    )


def oldest_table(*systems: str) -> Panel:
    created = " or ".join(oldest(one) for one in systems)
    return table(
        "What hangs, and since when",
        "When the oldest record that is still open was created, for each collector, and how many are open. A record "
        "that stays for hours beside others that finish is stuck.",
        [
            label("account", "Account"),
            label("collector", "Collector"),
            value("Open since", f"min by (account, collector) ({created}) * 1000", "dateTimeAsSystem"),
            value("Age", f"max by (account, collector) ({age(f'({created})')})", "s", OPEN_AGE),
            value("Open", f"sum by (account, collector) ({_open(*systems)}) > 0", "short", decimals=0),
        ],
        sort="Age",
        no_value="nothing open",
    )


def oldest_lines(system: str) -> Panel:
    return lines(
        "Age of the oldest open record",
        f"It climbs while the same record stays open, and falls when that one finishes. {_GAP}",
        Query(f"max by (account, collector) ({age(oldest(system))})", "{{account}} {{collector}}"),
        unit="s",
        thresholds=OPEN_AGE,
    )


def open_lines(*systems: str) -> Panel:
    return lines(
        "Open records",
        "Records that are not finished. What rises and does not fall again is piling up at the vendor.",
        Query(f"sum by (account, collector) ({_open(*systems)})", "{{account}} {{collector}}"),
        unit="short",
        decimals=0,
    )


def _open(*systems: str) -> str:
    chosen = f'system=~"{"|".join(systems)}"'
    return select("batch_exporter_records", chosen, 'state="in_flight"')


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
