"""The dashboard of the exporter itself: is what the others show fresh and complete? What it costs is its detail."""

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
        "First reading",
        "Collectors that have not read their window completely yet. Until then they show no numbers.",
        Query(total(of("batch_exporter_backfilling"))),
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
        Query(f"min(batch_exporter_config_last_reload_successful{{{TARGET}}})"),
        unit="none",
        thresholds=_GOOD,
        mappings=[mapped({"0": ("reload failed", "red"), "1": ("good", "green")})],
    )
    started = age(f"process_start_time_seconds{{{TARGET}}}")
    running = stat(
        "Running for",
        "The exporter's version, and how long ago it was started.",
        Query(
            f"({started}) * on (cluster, job, instance) group_left (version) batch_exporter_build_info", "{{version}}"
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
        "One row for each collector. Incremental: a poll costs what changed; if not, the list is not sorted newest "
        "first and each poll scans the whole window. Truncated: the API does not list the whole window.",
        [
            label("cluster", "Cluster"),
            label("account", "Account"),
            label("system", "System"),
            label("collector", "Collector"),
            value("Last poll", _of_each("min", "batch_exporter_up"), "none", _GOOD, mappings=last_poll),
            value("Data age", f"max by ({COLLECTOR}) ({DATA_AGE_SECONDS})", "s"),
            value("Of stale_after", f"max by ({COLLECTOR}) ({DATA_AGE_SHARE})", "percentunit", DATA_AGE, 0),
            value("Poll takes", _of_each("max", "batch_exporter_last_poll_duration_seconds"), "s"),
            value("Reconciled", reconciled, "dateTimeFromNow"),
            value("Incremental", _of_each("min", "batch_exporter_incremental"), "none", mappings=yes_no),
            value("First reading", _of_each("max", "batch_exporter_backfilling"), "none", mappings=yes_no),
            value("Truncated", _of_each("max", "batch_exporter_window_truncated"), "none", mappings=yes_no),
            value("Stuck", _of_each("max", "batch_exporter_records_stuck"), "short", NONE_IS_GOOD, 0),
            value("Open", _of_each("max", "batch_exporter_records", 'state="in_flight"'), "short", decimals=0),
            value("Finished", _of_each("max", "batch_exporter_records", 'state="finished"'), "short", decimals=0),
        ],
        sort="Of stale_after",
        no_value="-",
    )


def _of_each(function: str, metric: str, *matchers: str) -> str:
    """Return the largest or smallest value that exporters have of a collector."""
    return f"{function} by ({COLLECTOR}) ({once(select(metric, SYSTEM, *matchers), function)})"


def _over_time() -> Line:
    polled = on_off(
        "Polls",
        "When each collector's last poll succeeded (green) or failed (red). A gap: the exporter was not scraped.",
        Query(_of_each("min", "batch_exporter_up"), LEGEND),
    )
    ages = lines(
        "Data age",
        "How long ago each collector was last polled successfully, as a share of `stale_after`. A saw between 0 and "
        "the poll interval is health. At 100 % (the dashed red line) its numbers are dropped, which is the gap that "
        "the other dashboards then show.",
        Query(f"max by ({COLLECTOR}) ({DATA_AGE_SHARE})", LEGEND),
        unit="percentunit",
        thresholds=DATA_AGE,
    )
    reasons = counted(
        "Polls that failed, by reason",
        "auth: the token is refused. rate_limited: the vendor asks for less. state: the exporter's own file cannot be "
        "read or written. The others are the vendor's answers or the way there.",
        "batch_exporter_poll_errors_total",
        "reason",
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
