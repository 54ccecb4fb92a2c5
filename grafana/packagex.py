"""The dashboard of PackageX: failed and stuck batches by resource; packagex_detail.py has its lower half."""

from grafana import packagex_detail, variables
from grafana.events import PACKAGEX_EVENTS, packagex_error_ratio
from grafana.failing import budget_stat, failed_lines, failed_stat, stuck_stat, stuck_table
from grafana.frame import FAILURES, Dashboard
from grafana.layout import Row, line, wide
from grafana.packagex_detail import OPEN, SHAPE
from grafana.panels import NONE_IS_GOOD, Panel, Query, stat
from grafana.promql import RANGE, RATE, TARGET, budget_left, success, times, total
from grafana.tables import label, table, value

UID = "batch-exporter-packagex"
_BATCHES, _ITEMS = (event.narrowed() for event in PACKAGEX_EVENTS)


def _wrong() -> Row:
    ended = failed_stat(
        "Failed batches",
        "Batches that failed, timed out or expired in the range.",
        total(_BATCHES.failures(RANGE)),
    )
    items = failed_stat(
        "Failed items",
        "Items for which a phase reported an error in the range. A completed batch can have them. "
        "`batch-exporter inspect ACCOUNT ID --errors` lists the errors of a batch.",
        total(_ITEMS.failures(RANGE)),
    )
    budget = budget_stat("Batches of all resources.", Query(budget_left(packagex_error_ratio(RANGE))))
    opened = stat(
        "Open batches",
        "Batches requested, queued or processing now.",
        Query(f"sum({OPEN})"),
        unit="short",
        decimals=0,
    )
    succeeded = stat(
        "Batch success",
        "Successful batches as a share of finished ones in the range, for all resources.",
        Query(success(packagex_error_ratio(RANGE))),
        unit="percentunit",
        decimals=2,
        no_value="nothing finished",
    )
    return Row("Problems", (line(4, ended, items, budget, stuck_stat("packagex"), opened, succeeded),))


def _where() -> Row:
    over_time = failed_lines(
        "Failed batches over time",
        "Batches that failed, timed out or expired, by resource and status.",
        Query(f"sum by (resource, status) ({_BATCHES.failures(RATE)}) > 0", "{{resource}} {{status}}"),
    )
    items = failed_lines(
        "Failed items over time",
        "Items with an error, by resource and phase.",
        Query(f"sum by (resource, phase) ({_ITEMS.failures(RATE)}) > 0", "{{resource}} {{phase}}"),
    )
    first = wide(9, (15, _failing()), (9, stuck_table("packagex")))
    return Row("Problems by place", (first, line(8, over_time, items)))


def _failing() -> Panel:
    rising = f"{total(_BATCHES.failures(RATE), *SHAPE)} > 0"
    return table(
        "Failed batches by kind",
        "Batches that failed, timed out or expired in the range, with the time of the first and the last one.",
        [
            *(label(name, name.capitalize()) for name in SHAPE),
            value("Failed", f"{total(_BATCHES.failures(RANGE), *SHAPE)} > 0", "short", NONE_IS_GOOD, 0, link=FAILURES),
            value("First", times("min", rising), "dateTimeAsSystem"),
            value("Last", times("max", rising), "dateTimeFromNow"),
        ],
        sort="Failed",
        no_value="no failures",
    )


def dashboard() -> Dashboard:
    return Dashboard(
        UID,
        "Batches: PackageX",
        "Failed, timed out, expired and stuck batches of PackageX and failed items, by resource and phase.",
        (
            variables.account('system="packagex"'),
            variables.labels(
                "resource",
                "Resource",
                "The kind of item in a batch, such as contact or shipment.",
                f'label_values(packagex_batches_finished_total{{{TARGET},account=~"$account"}}, resource)',
                ".*",
            ),
            variables.objective(),
            variables.window(),
        ),
        (_wrong(), _where(), *packagex_detail.rows(_BATCHES, _ITEMS)),
    )
