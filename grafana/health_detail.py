"""The lower half of the exporter's dashboard: what polling costs, what is strange in the data, and the process."""

from grafana.layout import Line, Row, line
from grafana.panels import NONE_IS_GOOD, Panel, Query, bar_gauge, lines, steps
from grafana.promql import RATE, SYSTEM, WINDOW, select

COLLECTOR = "account, system, collector"
LEGEND = "{{account}} {{collector}}"
_PROCESS = "and on (job, instance) batch_exporter_build_info"
"""Of the metrics that every process has, those of the exporter."""
_REQUESTS = "batch_exporter_api_requests_total"


def rows() -> tuple[Row, ...]:
    return (
        Row("What does it cost?", (_requests(), _waiting())),
        Row("Is anything strange?", (_not_understood(), _gone())),
        Row("The process", (_process(),)),
    )


def of(metric: str, *matchers: str) -> str:
    """A selector of the chosen systems' and accounts' series."""
    return select(metric, SYSTEM, *matchers)


def _requests() -> Line:
    requests = f"rate({of(_REQUESTS)}[{RATE}])"
    by_endpoint = lines(
        "Requests by endpoint",
        "What the exporter asks of the vendors' APIs.",
        Query(f"sum by (account, endpoint) ({requests})", "{{account}} {{endpoint}}"),
        unit="reqps",
    )
    by_code = lines(
        "Requests by answer",
        "`error`: there was no answer. 429: the vendor asks for less.",
        Query(f"sum by (account, code) ({requests})", "{{account}} {{code}}"),
        unit="reqps",
    )
    a_day = bar_gauge(
        "Requests in a day",
        "What the requests of the rolling window come to in a day, for each account: to be held against the vendor's "
        "limits.",
        Query(f"sum by (account) (rate({of(_REQUESTS)}[{WINDOW}])) * 86400", "{{account}}"),
        unit="short",
        decimals=0,
    )
    return line(8, by_endpoint, by_code, a_day)


def _waiting() -> Line:
    buckets = f"batch_exporter_api_request_duration_seconds_bucket{{{SYSTEM}}}"
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
        Query(
            f"sum by (account) (rate({of('batch_exporter_api_throttled_seconds_total')}[{RATE}]))",
            "{{account}}",
        ),
        unit="short",
        thresholds=steps((None, "green"), (1, "orange")),
    )
    takes = lines(
        "How long a poll takes",
        "The last poll of each collector. It should stay well below the poll interval.",
        Query(f"max by ({COLLECTOR}) ({of('batch_exporter_last_poll_duration_seconds')})", LEGEND),
        unit="s",
    )
    return line(8, latency, throttled, takes)


def _not_understood() -> Line:
    folded = bar_gauge(
        "Series folded",
        "Series beyond the cap of a family and account, shown together as `__other__`: too many workflows or unknown "
        "words.",
        Query(f"sum by (account, family) ({select('batch_exporter_series_folded')})", "{{account}} {{family}}"),
        unit="short",
        thresholds=NONE_IS_GOOD,
        decimals=0,
    )
    return line(
        8,
        _counted(
            "Records rejected",
            "Records that could not be understood and were skipped, each time they were met: the API has changed.",
            "batch_exporter_records_rejected_total",
            "reason",
        ),
        _counted(
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
        Query(f"sum by ({COLLECTOR}) ({of('batch_exporter_records')})", LEGEND),
        unit="short",
        decimals=0,
    )
    return line(
        8,
        _counted(
            "Records vanished",
            "Records in the window that the API no longer has.",
            "batch_exporter_records_vanished_total",
        ),
        _counted(
            "Records given up",
            "Records that were open for longer than `in_flight_max_age` and are no longer asked for.",
            "batch_exporter_records_abandoned_total",
        ),
        kept,
    )


def _counted(title: str, description: str, metric: str, *more: str) -> Panel:
    """What should not happen: how often it has. The first time would be lost in a rate, for there is no 0 before it."""
    by = ", ".join(("account", "collector", *more))
    legend = " ".join([LEGEND, *(f"{{{{{one}}}}}" for one in more)])
    query = Query(f"sum by ({by}) ({of(metric)})", legend)
    return lines(title, f"{description} All since the exporter was started.", query, unit="short", decimals=0)


def _process() -> Line:
    memory = lines(
        "Memory",
        "Resident memory of the exporter.",
        Query(f"process_resident_memory_bytes {_PROCESS}", "{{instance}}"),
        unit="bytes",
    )
    processor = lines(
        "Processor",
        "Processor time of the exporter, in cores.",
        Query(f"rate(process_cpu_seconds_total[{RATE}]) {_PROCESS}", "{{instance}}"),
        unit="short",
    )
    files = lines(
        "Open files",
        "Of those that the process may have open.",
        Query(f"process_open_fds / process_max_fds {_PROCESS}", "{{instance}}"),
        unit="percentunit",
        maximum=1,
    )
    return line(7, memory, processor, files)
