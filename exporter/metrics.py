"""The catalogue: one row for each metric family, and what follows from the rows.

The vendors' rows stand with what feeds them, in sources/. No metric is made anywhere else.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.facts import Facts
from exporter.families import Family
from exporter.records import Reason
from exporter.sources import Source

_COLLECTOR = ("account", "system", "collector")
_Values = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A family about the polling: `values` gives the labels after account, system and collector, and the numbers."""

    family: Family
    values: Callable[[Facts], _Values]


def _one(value: float | None) -> _Values:
    return () if value is None else (((), float(value)),)


def _status(
    name: str, kind: str, help_text: str, values: Callable[[Facts], _Values], labels: tuple[str, ...] = ()
) -> StatusRow:
    return StatusRow(
        Family(name, "counter" if kind == "counter" else "gauge", help_text, (*_COLLECTOR, *labels)), values
    )


STATUS = (
    _status(
        "batch_exporter_up", "gauge", "Whether the last poll of the collector succeeded.", lambda facts: _one(facts.up)
    ),
    _status(
        "batch_exporter_last_success_timestamp_seconds",
        "gauge",
        "When the last poll that succeeded ended.",
        lambda facts: _one(facts.last_success),
    ),
    _status(
        "batch_exporter_last_poll_duration_seconds",
        "gauge",
        "How long the last poll took.",
        lambda facts: _one(facts.last_duration),
    ),
    _status(
        "batch_exporter_last_reconcile_timestamp_seconds",
        "gauge",
        "When the whole window had last been read, for what changed late or vanished.",
        lambda facts: _one(facts.last_reconcile),
    ),
    _status(
        "batch_exporter_incremental",
        "gauge",
        "1 if a poll costs what changed; 0 if the list's order is not to be relied on and the whole window is read.",
        lambda facts: _one(facts.incremental),
    ),
    _status(
        "batch_exporter_backfilling",
        "gauge",
        "1 until the window has been read completely once; the collector's other metrics are withheld meanwhile.",
        lambda facts: _one(facts.backfilling),
    ),
    _status(
        "batch_exporter_records",
        "gauge",
        "Records that are kept: those in the window, and older ones still in flight.",
        lambda facts: ((("finished",), facts.finished), (("in_flight",), facts.in_flight)),
        ("state",),
    ),
    _status(
        "batch_exporter_records_vanished_total",
        "counter",
        "Records in the window that the API no longer has.",
        lambda facts: _one(facts.vanished),
    ),
    _status(
        "batch_exporter_records_abandoned_total",
        "counter",
        "Records given up because they were in flight for longer than in_flight_max_age.",
        lambda facts: _one(facts.abandoned),
    ),
    _status(
        "batch_exporter_records_rejected_total",
        "counter",
        "Records that were skipped because they could not be understood, once for each time they were met.",
        lambda facts: (((reason,), count) for reason, count in sorted(facts.rejected.items())),
        ("reason",),
    ),
    _status(
        "batch_exporter_unknown_values_total",
        "counter",
        "Records with a status, destination or the like that the API's documentation does not name.",
        lambda facts: (((field,), count) for field, count in sorted(facts.unknown_values.items())),
        ("field",),
    ),
    _status(
        "batch_exporter_poll_errors_total",
        "counter",
        "Polls that failed.",
        lambda facts: (((reason.value,), facts.poll_errors[reason]) for reason in Reason),
        ("reason",),
    ),
)

REQUESTS = Family(
    "batch_exporter_api_requests_total",
    "counter",
    "Requests made to the API, by status; `error` where there was no answer.",
    ("account", "system", "endpoint", "code"),
)
REQUEST_SECONDS = Family(
    "batch_exporter_api_request_duration_seconds",
    "histogram",
    "How long the API took to answer, with the body.",
    ("system", "endpoint"),
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
THROTTLED = Family(
    "batch_exporter_api_throttled_seconds_total",
    "counter",
    "Time that requests waited for the account's budget or because the API asked for a pause.",
    ("account", "system"),
)
BUILD_INFO = Family(
    "batch_exporter_build_info", "gauge", "1, with what is running in the labels.", ("version", "revision", "python")
)
FOLDED = Family(
    "batch_exporter_series_folded",
    "gauge",
    "Series beyond the cap of a family and account, which are shown together as `__other__`.",
    ("account", "family"),
)
RELOAD_SUCCESSFUL = Family(
    "batch_exporter_config_last_reload_successful",
    "gauge",
    "Whether the last reload of the configuration succeeded; if not, the one before it is in use. 1 from the start.",
    (),
)
RELOAD_SUCCESS_TIME = Family(
    "batch_exporter_config_last_reload_success_timestamp_seconds",
    "gauge",
    "When the configuration in use was read.",
    (),
)
LIVE = (FOLDED, REQUESTS, REQUEST_SECONDS, THROTTLED, RELOAD_SUCCESSFUL, RELOAD_SUCCESS_TIME, BUILD_INFO)
"""Families that change between polls: rendered by the client library at each scrape."""


def catalogue(sources: Iterable[Source]) -> tuple[Family, ...]:
    """Every family the exporter may expose of its own accord, in the order in which it does."""
    vendors = (family for source in sources for family in source.families)
    return (*vendors, *(row.family for row in STATUS), *LIVE)
