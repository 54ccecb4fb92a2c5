"""The lower half of the exporter's dashboard: what polling costs, what is strange in the data, and the process."""

from grafana.frame import OF_EXPORTERS
from grafana.layout import Line, Row, line
from grafana.panels import NONE_IS_GOOD, Panel, Query, bar_gauge, counts, lines, steps
from grafana.promql import ACCOUNTS, NAMED, RATE, SYSTEM, TARGET, WINDOW, gauge, grown, once, rate, select, total

COLLECTOR = "cluster, account, system, collector"
LEGEND = f"{NAMED} {{{{collector}}}}"
_POLL_INTERVAL = "batch_exporter_poll_interval_seconds"
_REQUESTS = "batch_exporter_api_requests_total"


def rows() -> tuple[Row, ...]:
    return (
        Row("What does it cost?", (_requests(), _waiting())),
        Row("Is anything strange?", (_not_understood(), _gone())),
        Row("The process", (_process(),)),
    )


def of(metric: str, *matchers: str) -> str:
    """Return the values of a gauge for the chosen systems and accounts."""
    return gauge(metric, SYSTEM, *matchers)


def _requests() -> Line:
    note = "Where several exporters poll an account: of the busiest."
    requests = rate(_REQUESTS, SYSTEM, over=RATE)
    by_endpoint = lines(
        "Requests by endpoint",
        f"What the exporter asks of the vendors' APIs. {note}",
        Query(total(requests, *ACCOUNTS, "endpoint"), f"{NAMED} {{{{endpoint}}}}"),
        unit="reqps",
    )
    by_code = lines(
        "Requests by answer",
        "`error`: there was no answer. 429: the vendor asks for less.",
        Query(total(requests, *ACCOUNTS, "code"), f"{NAMED} {{{{code}}}}"),
        unit="reqps",
    )
    a_day = bar_gauge(
        "Requests in a day",
        "What the requests of the rolling window come to in a day, for each account: to be held against the vendor's "
        f"limits. {note}",
        Query(f"{total(rate(_REQUESTS, SYSTEM, over=WINDOW), *ACCOUNTS)} * 86400", NAMED),
        unit="short",
        decimals=0,
    )
    return line(8, by_endpoint, by_code, a_day)


def _waiting() -> Line:
    # No account: the requests of all exporters together are what is to be seen.
    buckets = f"batch_exporter_api_request_duration_seconds_bucket{{{TARGET},{SYSTEM}}}"
    latency = lines(
        "How long the API takes",
        "To answer with the body, in the rolling window, for each endpoint.",
        *(
            Query(
                f"histogram_quantile({share}, sum by (le, system, endpoint) (rate({buckets}[{WINDOW}])))",
                f"{{{{system}}}} {{{{endpoint}}}}: {name}",
            )
            for share, name in ((0.5, "half"), (0.99, "99 in 100"))
        ),
        unit="s",
    )
    throttled = lines(
        "Throttled",
        "Seconds that requests waited, in each second, for the account's own budget or because the API asked for a "
        "pause. Near 1 and above, the budget is too small for what there is to read.",
        Query(total(rate("batch_exporter_api_throttled_seconds_total", SYSTEM, over=RATE), *ACCOUNTS), NAMED),
        unit="short",
        thresholds=steps((None, "green"), (1, "orange")),
    )
    share = once(f"{select('batch_exporter_last_poll_duration_seconds', SYSTEM)} / {select(_POLL_INTERVAL, SYSTEM)}")
    takes = lines(
        "How long a poll takes",
        "The last poll of each collector, as a share of its `poll_interval`. From 100 % on polls follow each other "
        "without a pause, and failures are known later.",
        Query(f"max by ({COLLECTOR}) ({share})", LEGEND),
        unit="percentunit",
        thresholds=steps((None, "green"), (0.5, "orange"), (1, "red")),
    )
    return line(8, latency, throttled, takes)


def _not_understood() -> Line:
    folded = bar_gauge(
        "Series folded",
        "Series beyond the cap of a family and account, shown together as `__other__`: too many workflows or unknown "
        "words.",
        Query(total(gauge("batch_exporter_series_folded"), *ACCOUNTS, "family"), f"{NAMED} {{{{family}}}}"),
        unit="short",
        thresholds=NONE_IS_GOOD,
        decimals=0,
    )
    return line(
        8,
        counted(
            "Records rejected",
            "Records that could not be understood and were skipped, each time they were met: the API has changed.",
            "batch_exporter_records_rejected_total",
            "reason",
        ),
        counted(
            "Unknown values",
            "Records with a status, destination or the like that the vendor's documentation does not name. They are "
            "counted under their own name.",
            "batch_exporter_unknown_values_total",
            "field",
        ),
        folded,
    )


def _gone() -> Line:
    kept = lines(
        "Records kept",
        "Records in the window, and older ones still open: what the state file holds.",
        Query(total(of("batch_exporter_records"), COLLECTOR), LEGEND),
        unit="short",
        decimals=0,
    )
    return line(
        8,
        counted(
            "Records vanished",
            "Records in the window that the API no longer has.",
            "batch_exporter_records_vanished_total",
        ),
        counted(
            "Records given up",
            "Records that were open for longer than `in_flight_max_age` and are no longer asked for.",
            "batch_exporter_records_abandoned_total",
        ),
        kept,
    )


def counted(title: str, description: str, metric: str, *more: str) -> Panel:
    """Return a panel of how often something has happened that should not."""
    legend = " ".join([LEGEND, *(f"{{{{{one}}}}}" for one in more)])
    happened = grown(metric, SYSTEM, over=RATE)
    return counts(title, description, Query(f"{total(happened, COLLECTOR, *more)} > 0", legend))


def _process() -> Line:
    memory = lines(
        "Memory",
        "Resident memory of the exporter.",
        Query(f"process_resident_memory_bytes {OF_EXPORTERS}", "{{instance}}"),
        unit="bytes",
    )
    processor = lines(
        "Processor",
        "Processor time of the exporter, in cores.",
        Query(f"rate(process_cpu_seconds_total[{RATE}]) {OF_EXPORTERS}", "{{instance}}"),
        unit="short",
    )
    files = lines(
        "Open files",
        "Of those that the process may have open.",
        Query(f"process_open_fds / process_max_fds {OF_EXPORTERS}", "{{instance}}"),
        unit="percentunit",
        maximum=1,
    )
    return line(7, memory, processor, files)
