"""The catalog: one row for each metric family, and what follows from the rows.

The rows of a system are in systems/, with the code that feeds them. Rows about requests are in request_families. No
other module defines a metric.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.exposition.request_families import REQUEST_FAMILIES
from exporter.exposition.status import CollectorStatus
from exporter.model.accounting import RECORDS
from exporter.model.family import Family
from exporter.model.record import Key, Reason

_COLLECTOR = ("account", "system", "collector")
StatusValues = tuple[tuple[tuple[str, ...], float], ...]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A family about polling: `values` returns the labels after account, system and collector, and the numbers."""

    family: Family
    values: Callable[[CollectorStatus], StatusValues]
    while_fresh: bool = False
    """Whether it is about records: dropped with their gauges when polls have failed for `stale_after`."""


@dataclass(frozen=True, slots=True)
class Feeds:
    """What one collector feeds: the families about its records, and what may be wrong with a record."""

    collector: str
    families: tuple[Family, ...]
    rejections: tuple[str, ...] = ()
    """The reasons for which a record may be rejected."""
    optional: tuple[str, ...] = ()
    """Fields without which a record is still counted."""


@dataclass(frozen=True, slots=True)
class OwnCounter:
    """A counter about polling, kept in the state: `zeros` returns the labels that are exposed from the start."""

    family: Family
    zeros: Callable[[Feeds], Iterable[tuple[str, ...]]] = lambda _: [()]

    def key(self, *labels: str) -> Key:
        """Return the series with these labels after account, system and collector."""
        return (self.family.name, *labels)


def _status(
    name: str, help_text: str, value: Callable[[CollectorStatus], float | None], *, while_fresh: bool = False
) -> StatusRow:
    """Return the row of a family with one value for each collector, which is absent where it is None."""

    def values(status: CollectorStatus) -> StatusValues:
        found = value(status)
        return () if found is None else (((), float(found)),)

    return StatusRow(Family(name, "gauge", help_text, _COLLECTOR), values, while_fresh)


def _own(name: str, help_text: str, *labels: str, zeros: Callable[[Feeds], Iterable[str]] = lambda _: ()) -> OwnCounter:
    family = Family(name, "counter", help_text, (*_COLLECTOR, *labels))
    return OwnCounter(family, (lambda feeds: [(value,) for value in zeros(feeds)]) if labels else lambda _: [()])


def _plain(name: str, help_text: str) -> Family:
    return Family(name, "gauge", help_text)


def _unknown_fields(feeds: Feeds) -> list[str]:
    """Return the fields that may be unreadable and the labels with documented values, except those with only one."""
    known = (family.known(feeds.collector) for family in feeds.families)
    labels = {label for labels in known for label, values in labels.items() if len(values) > 1}
    return sorted({*labels, *feeds.optional})


STATUS = (
    _status("batch_exporter_up", "Whether the last poll of the collector succeeded.", lambda status: status.up),
    _status(
        "batch_exporter_last_success_timestamp_seconds",
        "Timestamp of the end of the last successful poll.",
        lambda status: status.last_success,
    ),
    _status(
        "batch_exporter_last_poll_duration_seconds",
        "Duration of the last poll.",
        lambda status: status.last_duration,
    ),
    _status(
        "batch_exporter_poll_lateness_seconds",
        "Time from when the last poll was due until it began.",
        lambda status: status.lateness,
    ),
    _status(
        "batch_exporter_poll_backoff_seconds",
        "Time by which the next poll comes later than at the interval, because the API does not answer.",
        lambda status: status.backoff,
    ),
    _status(
        "batch_exporter_last_reconcile_timestamp_seconds",
        "Timestamp of the last full scan of the lookback window, which finds late changes and deleted records.",
        lambda status: status.last_reconcile,
    ),
    _status(
        "batch_exporter_state_created_timestamp_seconds",
        "Timestamp at which the state of the collector was new, and all its counters were 0.",
        lambda status: status.state_created,
    ),
    _status(
        "batch_exporter_poll_interval_seconds",
        "Configured time from the start of a poll to the start of the next one.",
        lambda status: status.poll_interval,
    ),
    _status(
        "batch_exporter_reconcile_interval_seconds",
        "Configured time between two full scans of the lookback window.",
        lambda status: status.reconcile_interval,
    ),
    _status(
        "batch_exporter_lookback_seconds",
        "Configured length of the lookback window.",
        lambda status: status.lookback,
    ),
    _status(
        "batch_exporter_stale_after_seconds",
        "Configured time after the last successful poll at which gauges about records are dropped.",
        lambda status: status.stale_after,
    ),
    _status(
        "batch_exporter_incremental",
        "Whether polling is incremental (1) or scans the whole lookback window (0).",
        lambda status: status.incremental,
    ),
    _status(
        "batch_exporter_window_truncated",
        "Whether the API returns only a part of the lookback window (1); older records are missing.",
        lambda status: status.window_truncated,
    ),
    _status(
        "batch_exporter_newest_record_ahead_seconds",
        "Time by which the newest record of the list was created in the future, by this machine's clock.",
        lambda status: status.dated_ahead,
    ),
    _status(
        "batch_exporter_backfilling",
        "Whether the first scan of the lookback window is incomplete (1); gauges about records are absent until then.",
        lambda status: status.backfilling,
    ),
    StatusRow(
        Family(
            RECORDS,
            "gauge",
            "Records in the lookback window, and older ones still in flight.",
            (*_COLLECTOR, "state"),
        ),
        lambda status: ((("finished",), status.finished), (("in_flight",), status.in_flight)),
    ),
    _status(
        "batch_exporter_records_stuck",
        "Records in flight for longer than `stuck_after`.",
        lambda status: status.stuck,
        while_fresh=True,
    ),
)

VANISHED = _own("batch_exporter_records_vanished_total", "Records in the lookback window that were deleted upstream.")
ABANDONED = _own(
    "batch_exporter_records_abandoned_total",
    "Records dropped because they were in flight for longer than `in_flight_max_age`.",
)
REJECTED = _own(
    "batch_exporter_records_rejected_total",
    "Records skipped because a field could not be read, once for each time they were received.",
    "reason",
    zeros=lambda feeds: feeds.rejections,
)
UNKNOWN_VALUES = _own(
    "batch_exporter_unknown_values_total",
    "Records with an undocumented value, or counted without a field that could not be read.",
    "field",
    zeros=_unknown_fields,
)
POLL_ERRORS = _own(
    "batch_exporter_poll_errors_total",
    "Failed polls, by reason.",
    "reason",
    zeros=lambda _: [reason.value for reason in Reason],
)
OWN_COUNTERS = (VANISHED, ABANDONED, REJECTED, UNKNOWN_VALUES, POLL_ERRORS)
"""Counters about the polling of a collector. The state keeps them, like those about its records."""

WORKERS = _plain(
    "batch_exporter_workers", "Number of requests that may be under way at the same time, of all accounts."
)
WORKERS_BUSY = _plain("batch_exporter_workers_busy", "Number of requests that are under way.")
POLLS_OVERDUE = _plain("batch_exporter_polls_overdue", "Number of polls that are due and wait for others to end.")
BUILD_INFO = Family(
    "batch_exporter_build_info",
    "gauge",
    "A metric with a constant 1 value, labeled by version, revision and Python version.",
    ("version", "revision", "python"),
)
FOLDED = Family(
    "batch_exporter_series_folded",
    "gauge",
    "Series beyond the cap of a family and account, exposed together as `__other__`; absent if there are none.",
    ("account", "family"),
)
RELOAD_SUCCESSFUL = _plain(
    "batch_exporter_config_last_reload_successful",
    "Whether the last configuration reload succeeded (1 from the start); if not, the previous one stays in use.",
)
RELOAD_SUCCESS_TIME = _plain(
    "batch_exporter_config_last_reload_success_timestamp_seconds",
    "Timestamp of the last successful configuration load.",
)
STATE_BYTES = _plain("batch_exporter_state_size_bytes", "Size of the state file, without its write-ahead log.")
STATE_LOG_BYTES = _plain("batch_exporter_state_log_size_bytes", "Size of the write-ahead log of the state file.")
STATE_UP = _plain(
    "batch_exporter_state_up", "Whether this replica's last heartbeat reached the database that holds the state."
)
STATE_SECONDS = Family(
    "batch_exporter_state_operation_duration_seconds",
    "histogram",
    "Duration of calls to the database, including the wait for a connection and calls that fail.",
    ("operation",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
CLOCK_OFFSET = _plain(
    "batch_exporter_clock_offset_seconds", "Time by which the database's clock is ahead of this machine's."
)
REPLICAS_LIVE = _plain("batch_exporter_replicas_live", "Number of replicas that are live.")
CONFIG_HASHES = _plain("batch_exporter_config_hashes", "Number of different configurations of the live replicas.")
LEASES_HELD = _plain("batch_exporter_leases_held", "Number of accounts that this replica owns.")
LEASES_TARGET = _plain("batch_exporter_leases_target", "Number of accounts that this replica should own.")
ACCOUNTS_UNOWNED = _plain("batch_exporter_accounts_unowned", "Number of configured accounts that no live replica owns.")
LEASE_CHANGES = Family(
    "batch_exporter_lease_changes_total",
    "counter",
    "Accounts that this replica started or stopped owning, by reason.",
    ("reason",),
)
COMMITS_REFUSED = Family(
    "batch_exporter_commits_refused_total",
    "counter",
    "Writes that the database refused because this replica no longer owned the account.",
)
WEBHOOKS = Family(
    "batch_exporter_webhooks_total",
    "counter",
    "Webhooks received, by result; `account` is empty if they name none that has webhooks.",
    ("account", "result"),
)
OWN = (*(row.family for row in STATUS), *(own.family for own in OWN_COUNTERS))
"""Families about the polling of a collector."""

LIVE = (
    FOLDED,
    *REQUEST_FAMILIES,
    STATE_BYTES,
    STATE_LOG_BYTES,
    STATE_UP,
    STATE_SECONDS,
    CLOCK_OFFSET,
    REPLICAS_LIVE,
    CONFIG_HASHES,
    LEASES_HELD,
    LEASES_TARGET,
    ACCOUNTS_UNOWNED,
    LEASE_CHANGES,
    COMMITS_REFUSED,
    WEBHOOKS,
    WORKERS,
    WORKERS_BUSY,
    POLLS_OVERDUE,
    RELOAD_SUCCESSFUL,
    RELOAD_SUCCESS_TIME,
    BUILD_INFO,
)
"""Families that change between polls: rendered by the client library at each scrape."""


def catalog(records: Iterable[Family]) -> tuple[Family, ...]:
    """Return every family that the exporter may expose, in order; `records` are those of the systems."""
    return (*records, *OWN, *LIVE)
