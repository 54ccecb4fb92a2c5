"""The dashboard of the exporter itself: is what the others show fresh and complete? What it costs is its detail."""

from grafana import health_detail, variables
from grafana.failing import DATA_AGE_EXPR, data_age_stat, not_polled_stat
from grafana.frame import Dashboard
from grafana.health_detail import COLLECTOR, LEGEND, of
from grafana.layout import Line, Row, line, wide
from grafana.panels import DATA_AGE, NONE_IS_GOOD, Panel, Query, counts, lines, mapped, on_off, stat, steps
from grafana.promql import RANGE, RATE, SYSTEM, age, grown, total
from grafana.tables import label, table, value

UID = "batch-exporter-health"
_GOOD = steps((None, "red"), (1, "green"))


def _wrong() -> Line:
    reading = stat(
        "First reading",
        "Collectors that have not read their window completely yet. Until then their numbers are withheld.",
        Query(f"sum({of('batch_exporter_backfilling')})"),
        unit="short",
        thresholds=steps((None, "green"), (1, "orange")),
    )
    errors = stat(
        "Polls that failed",
        "In the range, of all collectors.",
        Query(total(grown("batch_exporter_poll_errors_total", SYSTEM, over=RANGE))),
        unit="short",
        thresholds=NONE_IS_GOOD,
        decimals=0,
    )
    reload = stat(
        "Configuration",
        "Whether the last reload of the configuration succeeded; if not, the exporter goes on with the one before.",
        Query("min(batch_exporter_config_last_reload_successful)"),
        unit="none",
        thresholds=_GOOD,
        mappings=[mapped({"0": ("reload failed", "red"), "1": ("good", "green")})],
    )
    started = age("process_start_time_seconds")
    running = stat(
        "Running for",
        "The exporter's version, and how long ago it was started.",
        Query(f"({started}) * on (job, instance) group_left (version) batch_exporter_build_info", "{{version}}"),
        unit="s",
    )
    return line(4, not_polled_stat(), data_age_stat(), reading, errors, reload, running)


def _collectors() -> Panel:
    yes_no = [mapped({"0": ("no", "text"), "1": ("yes", "text")})]
    last_poll = [mapped({"0": ("failed", "red"), "1": ("succeeded", "green")})]
    reconciled = f"{_of_each('max', 'batch_exporter_last_reconcile_timestamp_seconds')} * 1000"
    return table(
        "Collectors",
        "One row for each collector. Incremental: a poll costs what changed; if not, the list's order is not to be "
        "relied on and the whole window is read each time.",
        [
            label("account", "Account"),
            label("system", "System"),
            label("collector", "Collector"),
            value("Last poll", _of_each("min", "batch_exporter_up"), "none", _GOOD, mappings=last_poll),
            value("Data age", f"max by ({COLLECTOR}) ({DATA_AGE_EXPR})", "s", DATA_AGE),
            value("Poll takes", _of_each("max", "batch_exporter_last_poll_duration_seconds"), "s"),
            value("Reconciled", reconciled, "dateTimeFromNow"),
            value("Incremental", _of_each("min", "batch_exporter_incremental"), "none", mappings=yes_no),
            value("First reading", _of_each("max", "batch_exporter_backfilling"), "none", mappings=yes_no),
            value("Open", _of_each("sum", "batch_exporter_records", 'state="in_flight"'), "short", decimals=0),
            value("Finished", _of_each("sum", "batch_exporter_records", 'state="finished"'), "short", decimals=0),
        ],
        sort="Data age",
        no_value="-",
    )


def _of_each(function: str, metric: str, *matchers: str) -> str:
    return f"{function} by ({COLLECTOR}) ({of(metric, *matchers)})"


def _over_time() -> Line:
    polled = on_off(
        "Polls",
        "When each collector's last poll succeeded (green) or failed (red). A gap: the exporter was not scraped.",
        Query(_of_each("min", "batch_exporter_up"), LEGEND),
    )
    ages = lines(
        "Data age",
        "How long ago each collector was last polled successfully. A saw between 0 and the poll interval is health. "
        "Beyond `stale_after` (ten minutes by default, the dashed red line) its numbers are withdrawn, which is the "
        "gap that the other dashboards then show.",
        Query(f"max by ({COLLECTOR}) ({DATA_AGE_EXPR})", LEGEND),
        unit="s",
        thresholds=DATA_AGE,
    )
    errors = grown("batch_exporter_poll_errors_total", SYSTEM, over=RATE)
    reasons = counts(
        "Polls that failed, by reason",
        "auth: the token is refused. rate_limited: the vendor asks for less. state: the exporter's own file cannot be "
        "read or written. The others are the vendor's answers or the way there.",
        Query(f"sum by (account, collector, reason) ({errors}) > 0", "{{account}} {{collector}}: {{reason}}"),
    )
    return line(8, polled, ages, reasons)


def dashboard() -> Dashboard:
    return Dashboard(
        UID,
        "Batches: exporter health",
        "Is what the other dashboards show fresh and complete, and what does it cost at the vendors' APIs?",
        (variables.system(), variables.account('system=~"$system"'), variables.window()),
        (
            Row("Can the numbers be trusted?", (_wrong(),)),
            Row("Which collectors are polled?", (wide(9, (24, _collectors())), _over_time())),
            *health_detail.rows(),
        ),
    )
