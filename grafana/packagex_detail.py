"""The lower half of PackageX's dashboard: how well it does, what is open, how long it takes, what the window holds."""

from grafana.events import Events
from grafana.failing import oldest_lines, open_lines, success_lines
from grafana.layout import Row, line, wide
from grafana.panels import Query, bar_gauge, counts, lines
from grafana.promql import COMPLETED, RATE, RESOURCE, WINDOW, error_ratio, gauge, quantile, success, total
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
        "How well does it do?",
        (
            line(
                8,
                success_lines("Success of batches", "By resource.", Query(success(by_resource), "{{resource}}")),
                success_lines(
                    "Success of items",
                    "By resource and phase: which phase loses them.",
                    Query(success(by_phase), "{{resource}} {{phase}}"),
                ),
            ),
        ),
    )


def _open() -> Row:
    by_status = bar_gauge(
        "Open batches by status",
        "Where batches wait now: requested, queued or processing.",
        Query(f"sum by (resource, status) ({OPEN})", "{{resource}} {{status}}"),
        unit="short",
        decimals=0,
    )
    return Row("What is open?", (line(8, open_lines("packagex"), oldest_lines("packagex"), by_status),))


def _traffic(batches: Events, items: Events) -> Row:
    durations = lines(
        "How long batches take",
        "From a batch's creation to its last change as PackageX dates them, of those that finished in the rolling "
        "window; estimated within the histogram's buckets.",
        *(
            Query(
                quantile(share, "packagex_batch_duration_seconds", RESOURCE, by=["resource"]),
                f"{{{{resource}}}}: {name}",
            )
            for share, name in ((0.5, "half"), (0.9, "9 in 10"), (0.99, "99 in 100"))
        ),
        unit="s",
    )
    finished = counts(
        "Batches finished",
        "Batches that finished, by action and status.",
        Query(total(batches.grown('status!=""', RATE), "action", "status") + " > 0", "{{action}} {{status}}"),
    )
    processed = counts(
        "Items processed",
        "Items that a phase has finished, by outcome. An item passes through several phases.",
        Query(total(items.grown('outcome!=""', RATE), "phase", "outcome"), "{{phase}} {{outcome}}"),
    )
    return Row("How long does it take, and how much is there?", (line(8, durations, finished, processed),))


def _window() -> Row:
    note = "What the window (`lookback`) holds now."
    batches = table(
        "Batches in the window",
        f"{note} All of them, by what they do and how they came.",
        [
            *(label(name, name.capitalize()) for name in SHAPE),
            value("Batches", f"{total(gauge('packagex_batches', RESOURCE), *SHAPE)} > 0", "short", decimals=0),
        ],
        sort="Batches",
    )
    items = bar_gauge(
        "Items in the window",
        f"{note} Items of its batches by phase and outcome; what is pending has not been processed yet.",
        Query(total(gauge("packagex_batch_items", RESOURCE), "phase", "outcome"), "{{phase}} {{outcome}}"),
        unit="short",
        decimals=0,
    )
    changes = bar_gauge(
        "Changes in the window",
        f"{note} What its batches have done, as PackageX counts it.",
        Query(total(gauge("packagex_batch_changes", RESOURCE), "resource", "change"), "{{resource}} {{change}}"),
        unit="short",
        decimals=0,
    )
    return Row("What does the window hold?", (wide(9, (12, batches), (6, items), (6, changes)),))
