"""The lower half of PackageX's dashboard: success ratios, open batches, durations, traffic and the window."""

from grafana.events import Events
from grafana.failing import oldest_lines, open_lines, success_lines
from grafana.layout import Row, line, wide
from grafana.panels import Query, bar_gauge, counts, lines
from grafana.promql import (
    ACCOUNTS,
    COMPLETED,
    NAMED,
    RATE,
    RESOURCE,
    WINDOW,
    error_ratio,
    gauge,
    quantile,
    success,
    total,
)
from grafana.tables import label, table, value

SHAPE = ("cluster", "account", "resource", "action", "mode", "via", "status")
"""The labels that say what a batch does, how it came, and how it ended."""
OPEN = gauge("packagex_batches", RESOURCE, 'status=~"requested|queued|processing"')


def rows(batches: Events, items: Events) -> tuple[Row, ...]:
    return _service(batches, items), _open(), _traffic(batches, items), _window()


def _service(batches: Events, items: Events) -> Row:
    by_resource = error_ratio(batches.failures(WINDOW), batches.grown(COMPLETED, WINDOW), "resource")
    by_phase = error_ratio(items.failures(WINDOW), items.grown('outcome="success"', WINDOW), "resource", "phase")
    return Row(
        "Success",
        (
            line(
                8,
                success_lines("Success of batches", "By resource.", Query(success(by_resource), "{{resource}}")),
                success_lines(
                    "Success of items",
                    "By resource and phase.",
                    Query(success(by_phase), "{{resource}} {{phase}}"),
                ),
            ),
        ),
    )


def _open() -> Row:
    by_status = bar_gauge(
        "Open batches by status",
        "Batches requested, queued or processing now.",
        Query(f"sum by (resource, status) ({OPEN})", "{{resource}} {{status}}"),
        unit="short",
        decimals=0,
    )
    return Row("Work in progress", (line(8, open_lines("packagex"), oldest_lines("packagex"), by_status),))


def _traffic(batches: Events, items: Events) -> Row:
    durations = lines(
        "Duration of batches",
        "Time from creation to last change (`updated_at`) of batches that finished in the rolling window, estimated "
        "from the histogram's buckets.",
        *(
            Query(
                quantile(share, "packagex_batch_duration_seconds", RESOURCE, by=[*ACCOUNTS, "resource"]),
                f"{NAMED} {{{{resource}}}}: {name}",
            )
            for share, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))
        ),
        unit="s",
    )
    finished = counts(
        "Batches finished",
        "Finished batches, by action and status.",
        Query(total(batches.grown('status!=""', RATE), "action", "status") + " > 0", "{{action}} {{status}}"),
    )
    processed = counts(
        "Items processed",
        "Items that a phase has processed, by phase and outcome. An item passes through several phases.",
        Query(total(items.grown('outcome!=""', RATE), "phase", "outcome"), "{{phase}} {{outcome}}"),
    )
    return Row("Durations and traffic", (line(8, durations, finished, processed),))


def _window() -> Row:
    note = "The lookback window now."
    batches = table(
        "Batches in the window",
        f"{note} Batches by resource, action, mode, source and status.",
        [
            *(label(name, name.capitalize()) for name in SHAPE),
            value("Batches", f"{total(gauge('packagex_batches', RESOURCE), *SHAPE)} > 0", "short", decimals=0),
        ],
        sort="Batches",
    )
    items = bar_gauge(
        "Items in the window",
        f"{note} Items of its batches, by phase and outcome. Pending items have not been processed yet.",
        Query(total(gauge("packagex_batch_items", RESOURCE), "phase", "outcome"), "{{phase}} {{outcome}}"),
        unit="short",
        decimals=0,
    )
    changes = bar_gauge(
        "Changes in the window",
        f"{note} Changes made by its batches, as PackageX counts them.",
        Query(total(gauge("packagex_batch_changes", RESOURCE), "resource", "change"), "{{resource}} {{change}}"),
        unit="short",
        decimals=0,
    )
    return Row("Lookback window", (wide(9, (12, batches), (6, items), (6, changes)),))
