"""The lower half of the exporter's dashboard: the cost of polling, unexpected data, and the process."""

from grafana.frame import OF_EXPORTERS
from grafana.layout import Line, Row, line
from grafana.panels import NONE_IS_GOOD, Panel, Query, bar_gauge, counts, lines, steps
from grafana.promql import ACCOUNTS, NAMED, RATE, SYSTEM, TARGET, WINDOW, gauge, grown, once, rate, select, total

COLLECTOR = "cluster, account, system, collector"
LEGEND = f"{NAMED} {{{{collector}}}}"
_POLL_INTERVAL = "batch_exporter_poll_interval_seconds"
_REQUESTS = "batch_exporter_api_requests_total"
_LIMIT = "batch_exporter_api_rate_limit"
_PAUSED = "batch_exporter_api_paused_until_timestamp_seconds"
ACCOUNT = "cluster, account, system"


def rows() -> tuple[Row, ...]:
    return (
        Row("API requests", (_requests(), _waiting(), _limits(), _lateness())),
        Row("Unexpected data", (_not_understood(), _gone())),
        Row("Process", (_process(),)),
    )


def of(metric: str, *matchers: str) -> str:
    """Return the values of a gauge for the chosen systems and accounts."""
    return gauge(metric, SYSTEM, *matchers)


def _requests() -> Line:
    note = "If several exporters poll an account, the panel shows the busiest one."
    requests = rate(_REQUESTS, SYSTEM, over=RATE)
    by_endpoint = lines(
        "Requests by endpoint",
        f"Requests to the APIs per second, by endpoint. {note}",
        Query(total(requests, *ACCOUNTS, "endpoint"), f"{NAMED} {{{{endpoint}}}}"),
        unit="reqps",
    )
    by_code = lines(
        "Requests by status code",
        "`error`: no answer. 429: too many requests.",
        Query(total(requests, *ACCOUNTS, "code"), f"{NAMED} {{{{code}}}}"),
        unit="reqps",
    )
    a_day = bar_gauge(
        "Requests per day",
        "Requests of each account in the rolling window, extrapolated to a day. Compare it with the API's limits. "
        f"{note}",
        Query(f"{total(rate(_REQUESTS, SYSTEM, over=WINDOW), *ACCOUNTS)} * 86400", NAMED),
        unit="short",
        decimals=0,
    )
    return line(8, by_endpoint, by_code, a_day)


def _waiting() -> Line:
    # No account label: the panel shows the requests of all exporters together.
    buckets = f"batch_exporter_api_request_duration_seconds_bucket{{{TARGET},{SYSTEM}}}"
    latency = lines(
        "API request duration",
        "Time until the complete answer, in the rolling window, by endpoint.",
        *(
            Query(
                f"histogram_quantile({share}, sum by (le, system, endpoint) (rate({buckets}[{WINDOW}])))",
                f"{{{{system}}}} {{{{endpoint}}}}: {name}",
            )
            for share, name in ((0.5, "p50"), (0.99, "p99"))
        ),
        unit="s",
    )
    throttled = lines(
        "Throttled",
        "Seconds per second that requests waited, for `max_requests_per_second` or because the API asked for a pause. "
        "Near 1 or above: the request budget is too small.",
        Query(total(rate("batch_exporter_api_throttled_seconds_total", SYSTEM, over=RATE), *ACCOUNTS), NAMED),
        unit="short",
        thresholds=steps((None, "green"), (1, "orange")),
    )
    share = once(f"{select('batch_exporter_last_poll_duration_seconds', SYSTEM)} / {select(_POLL_INTERVAL, SYSTEM)}")
    takes = lines(
        "Poll duration",
        "Duration of the last poll of each collector, as a share of its `poll_interval`. From 100 % on, polls run "
        "without a pause and failures are detected later.",
        Query(f"max by ({COLLECTOR}) ({share})", LEGEND),
        unit="percentunit",
        thresholds=steps((None, "green"), (0.5, "orange"), (1, "red")),
    )
    return line(8, latency, throttled, takes)


def _limits() -> Line:
    remaining = "batch_exporter_api_rate_limit_remaining"
    left = lines(
        "API rate limit left",
        "Requests left in the window of the API's own rate limit at the last answer, as a share of the limit. No data: "
        "the API does not state a limit.",
        Query(
            f"min by ({ACCOUNT}) ({once(f'{select(remaining, SYSTEM)} / {select(_LIMIT, SYSTEM)}')})",
            NAMED,
        ),
        unit="percentunit",
        maximum=1,
        thresholds=steps((None, "red"), (0.1, "orange"), (0.25, "green")),
    )
    paused = lines(
        "Requests paused by the API",
        "Time for which no request of the account is made, because the API asked for a pause (`Retry-After`) or its "
        "rate limit is used up. No data is good.",
        Query(f"max by ({ACCOUNT}) ({once(select(_PAUSED, SYSTEM))}) - time() > 0", NAMED),
        unit="s",
    )
    return line(8, left, paused)


def _lateness() -> Line:
    late = lines(
        "Poll lateness",
        "Time from the due time of each collector's last poll until it began. Above zero for long: the exporter cannot "
        "make all polls in time.",
        Query(f"max by ({COLLECTOR}) ({once(select('batch_exporter_poll_lateness_seconds', SYSTEM))})", LEGEND),
        unit="s",
        thresholds=steps((None, "green"), (30, "orange"), (60, "red")),
    )
    workers = lines(
        "Workers",
        "Requests in progress, polls that wait for others to end, and the limit of requests in progress.",
        *(
            Query(total(once(f"batch_exporter_{name}{{{TARGET}}}")), legend)
            for name, legend in (("workers_busy", "busy"), ("polls_overdue", "overdue polls"), ("workers", "limit"))
        ),
        unit="short",
    )
    put_off = lines(
        "Polls put off",
        "Additional time until the next poll of each collector, because the API has not answered several polls.",
        Query(f"max by ({COLLECTOR}) ({once(select('batch_exporter_poll_backoff_seconds', SYSTEM))}) > 0", LEGEND),
        unit="s",
    )
    return line(8, late, workers, put_off)


def _not_understood() -> Line:
    folded = bar_gauge(
        "Series folded",
        "Series beyond the limit of a family and account, combined into `__other__`. The cause: too many workflows or "
        "unknown values.",
        Query(total(gauge("batch_exporter_series_folded"), *ACCOUNTS, "family"), f"{NAMED} {{{{family}}}}"),
        unit="short",
        thresholds=NONE_IS_GOOD,
        decimals=0,
    )
    return line(
        8,
        counted(
            "Records rejected",
            "Records that could not be parsed and were skipped, counted at each poll. The API may have changed.",
            "batch_exporter_records_rejected_total",
            "reason",
        ),
        counted(
            "Unknown values",
            "Records with a status, destination or similar value that the API documentation does not name. They are "
            "counted under this value.",
            "batch_exporter_unknown_values_total",
            "field",
        ),
        folded,
    )


def _gone() -> Line:
    kept = lines(
        "Records in the state file",
        "Records in the lookback window, and older records that are still open.",
        Query(total(of("batch_exporter_records"), COLLECTOR), LEGEND),
        unit="short",
        decimals=0,
    )
    return line(
        8,
        counted(
            "Records deleted upstream",
            "Records in the lookback window that were deleted upstream.",
            "batch_exporter_records_vanished_total",
        ),
        counted(
            "Records given up",
            "Records that were open for longer than `in_flight_max_age` and are no longer polled.",
            "batch_exporter_records_abandoned_total",
        ),
        kept,
    )


def counted(title: str, description: str, metric: str, *more: str) -> Panel:
    """Return a panel of unexpected events over time, from their counter."""
    legend = " ".join([LEGEND, *(f"{{{{{label}}}}}" for label in more)])
    happened = grown(metric, SYSTEM, over=RATE)
    return counts(title, description, Query(f"{total(happened, COLLECTOR, *more)} > 0", legend))


def _process() -> Line:
    memory = lines(
        "Memory",
        "Resident memory of the exporter.",
        Query(f"process_resident_memory_bytes{{{TARGET}}} {OF_EXPORTERS}", "{{instance}}"),
        unit="bytes",
    )
    processor = lines(
        "CPU",
        "CPU time of the exporter, in cores.",
        Query(f"rate(process_cpu_seconds_total{{{TARGET}}}[{RATE}]) {OF_EXPORTERS}", "{{instance}}"),
        unit="short",
    )
    files = lines(
        "Open files",
        "Open file descriptors of the exporter, as a share of its limit.",
        Query(f"process_open_fds{{{TARGET}}} / process_max_fds{{{TARGET}}} {OF_EXPORTERS}", "{{instance}}"),
        unit="percentunit",
        maximum=1,
    )
    return line(7, memory, processor, files)
