"""The catalogue: one row for each metric family, and what follows from the rows.

The vendors' rows stand with what feeds them, in sources/. No metric is made anywhere else.
"""

import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import prometheus_client
from prometheus_client.registry import CollectorRegistry

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

_REQUESTS = Family(
    "batch_exporter_api_requests_total",
    "counter",
    "Requests made to the API, by status; `error` where there was no answer.",
    ("account", "system", "endpoint", "code"),
)
_REQUEST_SECONDS = Family(
    "batch_exporter_api_request_duration_seconds",
    "histogram",
    "How long the API took to answer, with the body.",
    ("system", "endpoint"),
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
_THROTTLED = Family(
    "batch_exporter_api_throttled_seconds_total",
    "counter",
    "Time that requests waited for the account's budget or because the API asked for a pause.",
    ("account", "system"),
)
_BUILD_INFO = Family(
    "batch_exporter_build_info", "gauge", "1, with what is running in the labels.", ("version", "revision", "python")
)
_FOLDED = Family(
    "batch_exporter_series_folded",
    "gauge",
    "Series beyond the cap of a family and account, which are shown together as `__other__`.",
    ("account", "family"),
)
LIVE = (_FOLDED, _REQUESTS, _REQUEST_SECONDS, _THROTTLED, _BUILD_INFO)
"""Families that change between polls: rendered by the client library at each scrape."""


def catalogue(sources: Iterable[Source]) -> tuple[Family, ...]:
    """Every family the exporter may expose of its own accord, in the order in which it does."""
    vendors = (family for source in sources for family in source.families)
    return (*vendors, *(row.family for row in STATUS), *LIVE)


class Live:
    """The live families as objects of the client library, with its metrics about the process."""

    def __init__(self, version: str, revision: str) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry(auto_describe=True)
        prometheus_client.ProcessCollector(registry=registry)
        prometheus_client.PlatformCollector(registry=registry)
        prometheus_client.GCCollector(registry=registry)
        self.registry = registry
        self._requests = prometheus_client.Counter(*_declared(_REQUESTS), registry=registry)
        self._throttled = prometheus_client.Counter(*_declared(_THROTTLED), registry=registry)
        self._seconds = prometheus_client.Histogram(
            *_declared(_REQUEST_SECONDS), buckets=_REQUEST_SECONDS.buckets, registry=registry
        )
        self._folded = prometheus_client.Gauge(*_declared(_FOLDED), registry=registry)
        build = prometheus_client.Gauge(*_declared(_BUILD_INFO), registry=registry)
        build.labels(version, revision, platform.python_version()).set(1)

    def fold(self, account: str, family: str, more: int) -> None:
        """Note that so many more series (fewer, if below 0) of a family are folded. Several collectors may feed it."""
        self._folded.labels(account, family).inc(more)

    def meter(self, account: str, system: str) -> "AccountMeter":
        """Where the requests of one account are counted."""
        return AccountMeter(self._requests, self._seconds, self._throttled.labels(account, system), account, system)


@dataclass(frozen=True, slots=True)
class AccountMeter:
    """Counts the requests of one account (a `client.RequestMeter`)."""

    _requests: prometheus_client.Counter
    _seconds: prometheus_client.Histogram
    _waited: prometheus_client.Counter
    _account: str
    _system: str

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        self._requests.labels(self._account, self._system, endpoint, code).inc()
        self._seconds.labels(self._system, endpoint).observe(seconds)

    def throttled(self, seconds: float) -> None:
        self._waited.inc(seconds)


def _declared(family: Family) -> tuple[str, str, Sequence[str]]:
    return family.name, family.help, family.labels
