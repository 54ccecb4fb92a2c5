"""The dashboard of the exporter: whether the data is fresh and complete; health_detail.py has its lower half."""

from grafana import health_detail, variables
from grafana.failing import DATA_AGE_SECONDS, DATA_AGE_SHARE, data_age_stat, not_polled_stat
from grafana.frame import Dashboard
from grafana.health_detail import COLLECTOR, LEGEND, counted, of
from grafana.layout import Line, Row, line, wide
from grafana.panels import DATA_AGE, NONE_IS_GOOD, Panel, Query, lines, mapped, on_off, stat, steps
from grafana.promql import RANGE, SYSTEM, TARGET, age, grown, once, select, total
from grafana.tables import label, table, value

UID = "batch-exporter-health"
_GOOD = steps((None, "red"), (1, "green"))


def _wrong() -> Line:
    reading = stat(
        "Backfills",
        "Collectors that have not read their lookback window completely yet. Their gauges are absent until then.",
        Query(total(of("batch_exporter_backfilling"))),
        unit="short",
        thresholds=steps((None, "green"), (1, "orange")),
    )
    errors = stat(
        "Failed polls",
        "Failed polls of all collectors in the range.",
        Query(total(grown("batch_exporter_poll_errors_total", SYSTEM, over=RANGE))),
        unit="short",
        thresholds=NONE_IS_GOOD,
        decimals=0,
    )
    reload = stat(
        "Configuration",
        "Whether the last reload of the configuration succeeded. If not, the exporter keeps the previous one.",
        Query(f"min(batch_exporter_config_last_reload_successful{{{TARGET}}})"),
        unit="none",
        thresholds=_GOOD,
        mappings=[mapped({"0": ("reload failed", "red"), "1": ("loaded", "green")})],
    )
    started = age(f"process_start_time_seconds{{{TARGET}}}")
    running = stat(
        "Uptime",
        "Time since the exporter started, and its version.",
        Query(
            f"({started}) * on (cluster, job, instance) group_left (version) batch_exporter_build_info{{{TARGET}}}",
            "{{version}}",
        ),
        unit="s",
    )
    return line(4, not_polled_stat(), data_age_stat(), reading, errors, reload, running)


def _collectors() -> Panel:
    yes_no = [mapped({"0": ("no", "text"), "1": ("yes", "text")})]
    last_poll = [mapped({"0": ("failed", "red"), "1": ("succeeded", "green")})]
    reconciled = f"{_of_each('max', 'batch_exporter_last_reconcile_timestamp_seconds')} * 1000"
    return table(
        "Collectors",
        "One row for each collector. Not incremental: the list is not sorted by creation time, and each poll scans the "
        "whole window. Truncated: the API does not list the whole window.",
        [
            label("cluster", "Cluster"),
            label("account", "Account"),
            label("system", "System"),
            label("collector", "Collector"),
            value("Last poll", _of_each("min", "batch_exporter_up"), "none", _GOOD, mappings=last_poll),
            value("Data age", f"max by ({COLLECTOR}) ({DATA_AGE_SECONDS})", "s"),
            value("Data age, of stale_after", f"max by ({COLLECTOR}) ({DATA_AGE_SHARE})", "percentunit", DATA_AGE, 0),
            value("Poll duration", _of_each("max", "batch_exporter_last_poll_duration_seconds"), "s"),
            value("Reconciled", reconciled, "dateTimeFromNow"),
            value("Incremental", _of_each("min", "batch_exporter_incremental"), "none", mappings=yes_no),
            value("Backfill", _of_each("max", "batch_exporter_backfilling"), "none", mappings=yes_no),
            value("Truncated", _of_each("max", "batch_exporter_window_truncated"), "none", mappings=yes_no),
            value("Stuck", _of_each("max", "batch_exporter_records_stuck"), "short", NONE_IS_GOOD, 0),
            value("Open", _of_each("max", "batch_exporter_records", 'state="in_flight"'), "short", decimals=0),
            value("Finished", _of_each("max", "batch_exporter_records", 'state="finished"'), "short", decimals=0),
        ],
        sort="Data age, of stale_after",
        no_value="-",
    )


def _of_each(function: str, metric: str, *matchers: str) -> str:
    """Return the largest or smallest value of each collector among exporters."""
    return f"{function} by ({COLLECTOR}) ({once(select(metric, SYSTEM, *matchers), function)})"


def _over_time() -> Line:
    polled = on_off(
        "Polls",
        "Whether the last poll of each collector succeeded (green) or failed (red). A gap: no scrape.",
        Query(_of_each("min", "batch_exporter_up"), LEGEND),
    )
    ages = lines(
        "Data age",
        "Time since the last successful poll of each collector, as a share of `stale_after`. A sawtooth between 0 and "
        "the poll interval is normal. At 100 % (dashed red line) gauges are dropped, and other dashboards show a gap.",
        Query(f"max by ({COLLECTOR}) ({DATA_AGE_SHARE})", LEGEND),
        unit="percentunit",
        thresholds=DATA_AGE,
    )
    reasons = counted(
        "Poll failures by reason",
        "auth: the API refuses the token. rate_limited: the API answers 429. state: the exporter cannot read or write "
        "its state file. internal: a bug. Other reasons are about the API or the network.",
        "batch_exporter_poll_errors_total",
        "reason",
    )
    return line(8, polled, ages, reasons)


def dashboard() -> Dashboard:
    return Dashboard(
        UID,
        "Batches: exporter health",
        "Whether the data of the other dashboards is fresh and complete, and how many API requests polling takes.",
        (variables.system(), variables.account('system=~"$system"'), variables.window()),
        (
            Row("Data quality", (_wrong(),)),
            Row("Polling", (wide(9, (24, _collectors())), _over_time())),
            *health_detail.rows(),
        ),
    )
