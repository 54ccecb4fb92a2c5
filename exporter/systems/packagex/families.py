"""PackageX as the configuration and the catalog see it: the system, its statuses and its metric families.

The facts are from "Retrieve Batches" and the batch model of the vendor's API reference.
"""

from exporter.model.family import Family, Outcome
from exporter.model.system import System
from exporter.systems.fields import FAILURES

SYSTEM = System(
    name="packagex",
    base_url="https://api.packagex.io/v1",
    token_header="PX-API-KEY",  # noqa: S106 (the header's name)
    token_env="PX_API_KEY",  # noqa: S106 (the variable's name)
    collectors=("batches",),
    filters=("resource", "mode", "via", "status"),
    stuck_alert="PackageXInFlightTooLong",
)

OPEN = ("requested", "queued", "processing")
FINISHED = ("completed", "failed", "timed_out", "expired")
PHASES = ("parsing", "validation", "processing", "cleanup")
OUTCOMES = ("success", "error", "pending")
CHANGES = ("created", "updated", "deleted", "overwritten", "events")
DURATIONS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0)
"""Bounds in seconds: from a few contacts to a file that took a day."""

_RESOURCES = {"resource": ("contact", "group", "shipment", "tracker", "asset")}
_MAKING = {
    **_RESOURCES,
    "action": ("merge", "overwrite", "delete"),
    "mode": ("sync", "mixed", "async"),
    "via": ("api", "file"),
}
"""The documented ways in which a batch is made. Their combinations are too many to be exposed at 0."""

FAMILIES = (
    Family(
        "packagex_batches",
        "gauge",
        "Batches in the lookback window, by resource, action, mode, source (`via`) and status.",
        ("account", "resource", "action", "mode", "via", "status"),
        {"batches": {"status": (*OPEN, *FINISHED)}},
        named=_MAKING,
    ),
    Family(
        "packagex_batch_items",
        "gauge",
        "Items of the batches in the lookback window, by phase and outcome; `pending` for those not yet processed.",
        ("account", "resource", "phase", "outcome"),
        {"batches": {"phase": PHASES, "outcome": OUTCOMES}},
        named=_RESOURCES,
    ),
    Family(
        "packagex_batch_changes",
        "gauge",
        "Changes made by the batches in the lookback window.",
        ("account", "resource", "change"),
        {"batches": {"change": CHANGES}},
        named=_RESOURCES,
    ),
    Family(
        "packagex_batches_finished_total",
        "counter",
        "Batches observed to finish, by resource, action, mode, source (`via`) and status.",
        ("account", "resource", "action", "mode", "via", "status"),
        {"batches": {"status": FINISHED}},
        named=_MAKING,
        describing=tuple(_MAKING),
        outcome=Outcome("status", FAILURES, alert="PackageXBatchFailed", place="resource"),
    ),
    Family(
        "packagex_batch_items_finished_total",
        "counter",
        "Items observed to finish a phase of a batch, by outcome.",
        ("account", "resource", "phase", "outcome"),
        {"batches": {"phase": PHASES, "outcome": ("success", "error")}},
        named=_RESOURCES,
        describing=tuple(_RESOURCES),
        outcome=Outcome("outcome", frozenset({"error"}), alert="PackageXItemErrors", place="resource"),
    ),
    Family(
        "packagex_batch_duration_seconds",
        "histogram",
        "Time from the creation of a batch to its last update, for batches observed to finish.",
        ("account", "resource"),
        {"batches": {}},
        buckets=DURATIONS,
        named=_RESOURCES,
        describing=tuple(_RESOURCES),
    ),
    Family(
        "packagex_oldest_in_flight_created_timestamp_seconds",
        "gauge",
        "Creation time of the oldest record in flight; absent if no record is in flight.",
        ("account", "collector"),
        {"batches": {}},
        oldest_in_flight=True,
    ),
)
