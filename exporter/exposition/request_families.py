"""The catalog's rows about requests to the APIs, and about the rate limits that the APIs state."""

from exporter.model.family import Family

_ACCOUNT = ("account", "system")

REQUESTS = Family(
    "batch_exporter_api_requests_total",
    "counter",
    "Requests to the API, by status code; `error` if there was no response.",
    ("account", "system", "endpoint", "code"),
)
REQUEST_SECONDS = Family(
    "batch_exporter_api_request_duration_seconds",
    "histogram",
    "Response time of the API, including the body.",
    ("system", "endpoint"),
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
THROTTLED = Family(
    "batch_exporter_api_throttled_seconds_total",
    "counter",
    "Time that requests waited for the account's rate limit or for a pause that the API asked for.",
    _ACCOUNT,
)
RATE_LIMIT = Family(
    "batch_exporter_api_rate_limit",
    "gauge",
    "Requests that the API's own rate limit allows in its window, as the API states it; absent if it does not.",
    _ACCOUNT,
)
RATE_LIMIT_REMAINING = Family(
    "batch_exporter_api_rate_limit_remaining",
    "gauge",
    "Requests that were left in the window of the API's rate limit at the last answer; absent once it has ended.",
    _ACCOUNT,
)
RATE_LIMIT_RESET = Family(
    "batch_exporter_api_rate_limit_reset_timestamp_seconds",
    "gauge",
    "Timestamp of the end of the window of the API's rate limit; absent once it has ended.",
    _ACCOUNT,
)
PAUSED_UNTIL = Family(
    "batch_exporter_api_paused_until_timestamp_seconds",
    "gauge",
    "Timestamp until which no request of the account is made, because the API asked for a pause; absent without one.",
    _ACCOUNT,
)
RATE_LIMITS = (RATE_LIMIT, RATE_LIMIT_REMAINING, RATE_LIMIT_RESET)
OF_LIMITS = (*RATE_LIMITS, PAUSED_UNTIL)
"""The families about rate limits. Each is absent while its value is unknown."""
REQUEST_FAMILIES = (REQUESTS, REQUEST_SECONDS, THROTTLED, *OF_LIMITS)
