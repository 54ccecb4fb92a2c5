"""The catalogue: one row for each metric family, and what follows from the rows.

The systems' rows stand with what feeds them, in systems/. No metric is made anywhere else.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.exposition.status import Facts
from exporter.model.family import Family
from exporter.model.record import Key, Reason

_COLLECTOR = ("account", "system", "collector")
_Values = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A family about the polling: `values` gives the labels after account, system and collector, and the numbers."""

    family: Family
    values: Callable[[Facts], _Values]
    while_fresh: bool = False
    """It is about the records: dropped with their gauges when polls have failed for `stale_after`."""


@dataclass(frozen=True, slots=True)
class Feeds:
    """What one collector feeds: the families about its records, and what may be wrong with one."""

    collector: str
    families: tuple[Family, ...]
    rejections: tuple[str, ...] = ()
    """Why a record may be rejected."""
    optional: tuple[str, ...] = ()
    """Fields that a record can do without."""


@dataclass(frozen=True, slots=True)
class OwnCounter:
    """A counter about the polling, kept in the state: `zeros` gives the labels that are exposed from the start."""

    family: Family
    zeros: Callable[[Feeds], Iterable[tuple[str, ...]]] = lambda _: [()]

    def key(self, *labels: str) -> Key:
        """The series with these labels after account, system and collector."""
        return (self.family.name, *labels)


def _one(value: float | None) -> _Values:
    return () if value is None else (((), float(value)),)


def _status(
    name: str, help_text: str, values: Callable[[Facts], _Values], *labels: str, while_fresh: bool = False
) -> StatusRow:
    return StatusRow(Family(name, "gauge", help_text, (*_COLLECTOR, *labels)), values, while_fresh)


def _own(name: str, help_text: str, *labels: str, zeros: Callable[[Feeds], Iterable[str]] = lambda _: ()) -> OwnCounter:
    family = Family(name, "counter", help_text, (*_COLLECTOR, *labels))
    return OwnCounter(family, (lambda feeds: [(value,) for value in zeros(feeds)]) if labels else lambda _: [()])


def _unknown_fields(feeds: Feeds) -> list[str]:
    """The fields that can't be read, and the labels whose value is not known: not those labels that have but one."""
    known = (family.known(feeds.collector) for family in feeds.families)
    labels = {label for labels in known for label, values in labels.items() if len(values) > 1}
    return sorted({*labels, *feeds.optional})


STATUS = (
    _status("batch_exporter_up", "Whether the last poll of the collector succeeded.", lambda facts: _one(facts.up)),
    _status(
        "batch_exporter_last_success_timestamp_seconds",
        "When the last poll that succeeded ended.",
        lambda facts: _one(facts.last_success),
    ),
    _status(
        "batch_exporter_last_poll_duration_seconds",
        "How long the last poll took.",
        lambda facts: _one(facts.last_duration),
    ),
    _status(
        "batch_exporter_last_reconcile_timestamp_seconds",
        "When the whole window had last been read, for what changed late or was deleted upstream.",
        lambda facts: _one(facts.last_reconcile),
    ),
    _status(
        "batch_exporter_poll_interval_seconds",
        "Time from the start of a poll to the start of the next one, as configured.",
        lambda facts: _one(facts.poll_interval),
    ),
    _status(
        "batch_exporter_reconcile_interval_seconds",
        "Time between two readings of the whole window, as configured.",
        lambda facts: _one(facts.reconcile_interval),
    ),
    _status(
        "batch_exporter_stale_after_seconds",
        "Time after the last successful poll when the gauges about records are dropped, as configured.",
        lambda facts: _one(facts.stale_after),
    ),
    _status(
        "batch_exporter_incremental",
        "Whether polling is incremental (1) or scans the whole lookback window (0).",
        lambda facts: _one(facts.incremental),
    ),
    _status(
        "batch_exporter_window_truncated",
        "Whether the API does not give the whole lookback window (1): older records are not shown.",
        lambda facts: _one(facts.window_truncated),
    ),
    _status(
        "batch_exporter_newest_record_ahead_seconds",
        "How far in the future, by this machine's clock, the newest record of the list was created.",
        lambda facts: _one(facts.dated_ahead),
    ),
    _status(
        "batch_exporter_backfilling",
        "Whether the lookback window has not been read completely yet (1): gauges about records are absent until then.",
        lambda facts: _one(facts.backfilling),
    ),
    _status(
        "batch_exporter_records",
        "Records that are kept: those in the window, and older ones still in flight.",
        lambda facts: ((("finished",), facts.finished), (("in_flight",), facts.in_flight)),
        "state",
    ),
    _status(
        "batch_exporter_records_stuck",
        "Records in flight for longer than stuck_after.",
        lambda facts: _one(facts.stuck),
        while_fresh=True,
    ),
)

VANISHED = _own("batch_exporter_records_vanished_total", "Records in the window that were deleted upstream.")
ABANDONED = _own(
    "batch_exporter_records_abandoned_total",
    "Records given up because they were in flight for longer than in_flight_max_age.",
)
REJECTED = _own(
    "batch_exporter_records_rejected_total",
    "Records skipped because a field could not be understood, once for each time they were met.",
    "reason",
    zeros=lambda feeds: feeds.rejections,
)
UNKNOWN_VALUES = _own(
    "batch_exporter_unknown_values_total",
    "Records with a value that the API's documentation does not name, or a field that they are counted without.",
    "field",
    zeros=_unknown_fields,
)
POLL_ERRORS = _own(
    "batch_exporter_poll_errors_total",
    "Polls that failed.",
    "reason",
    zeros=lambda _: [reason.value for reason in Reason],
)
OWN_COUNTERS = (VANISHED, ABANDONED, REJECTED, UNKNOWN_VALUES, POLL_ERRORS)
"""Counters of a collector about its polling. The state keeps them, like those about its records."""

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
OWN = (*(row.family for row in STATUS), *(own.family for own in OWN_COUNTERS))
"""Families about the polling of a collector."""

LIVE = (FOLDED, REQUESTS, REQUEST_SECONDS, THROTTLED, RELOAD_SUCCESSFUL, RELOAD_SUCCESS_TIME, BUILD_INFO)
"""Families that change between polls: rendered by the client library at each scrape."""


def catalog(records: Iterable[Family]) -> tuple[Family, ...]:
    """Return every family that the exporter may expose, in order; `records` are those of the systems."""
    return (*records, *OWN, *LIVE)
