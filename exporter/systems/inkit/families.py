"""Inkit as the configuration and the catalog see it: the system, its statuses and its metric families.

The facts are from "List Document Batches", "List Workflow Statuses" and "Retrieve Workflow Batch Information" of
the vendor's API reference.
"""

from exporter.model.family import NONE, Family, Outcome
from exporter.model.system import System
from exporter.systems.fields import FAILURES, FINAL

SYSTEM = System(
    name="inkit",
    base_url="https://api.inkit.com/v1",
    token_header="X-Inkit-API-Token",  # noqa: S106 (the header's name)
    token_env="INKIT_API_TOKEN",  # noqa: S106 (the variable's name)
    collectors=("document_batches", "workflow_batches", "invocations"),
    filters=("search", "destination_name", "destination_status"),
    options=("workflow_batch_ids", "workflow_label"),
    webhook_header="Inkit-Signature",
    stuck_alert="InkitInFlightTooLong",
)

FINISHED = ("completed", "failed")
STATUSES = (*FINISHED, "in_progress")
"""The statuses that the reference names."""
KNOWN_STATUSES = FINAL | {*STATUSES}
DURATIONS = (30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0)
"""Bounds in seconds: from a generation that the next poll finds finished to one that took a day."""
DOCUMENT_DESTINATIONS = ("inkit_storage", "salesforce", "sepire", "docusign", "magic_link")
DESTINATIONS = (*DOCUMENT_DESTINATIONS, "amazon_s3", "google_drive", "dropbox", "box")

_KIND = {"document_batches": ("document",), "workflow_batches": ("workflow",)}

FAMILIES = (
    Family(
        "inkit_batches",
        "gauge",
        "Batches in the lookback window, by creation status.",
        ("account", "kind", "status"),
        {collector: {"kind": kind, "status": STATUSES} for collector, kind in _KIND.items()},
    ),
    Family(
        "inkit_batch_documents",
        "gauge",
        "Documents requested by the batches in the lookback window.",
        ("account", "kind"),
        {collector: {"kind": kind} for collector, kind in _KIND.items()},
    ),
    Family(
        "inkit_batch_generations",
        "gauge",
        "Generations of the batches in the lookback window, by destination and status.",
        ("account", "kind", "destination", "status"),
        {
            "document_batches": {
                "kind": ("document",),
                "destination": DOCUMENT_DESTINATIONS,
                "status": STATUSES,
            },
            "workflow_batches": {"kind": ("workflow",), "destination": DESTINATIONS, "status": STATUSES},
        },
    ),
    Family(
        "inkit_invocations",
        "gauge",
        "Invocations in the lookback window, by status of the workflow and of its deliveries.",
        ("account", "status", "destination_status", "workflow"),
        {"invocations": {"status": STATUSES, "destination_status": STATUSES}},
        optional=("workflow",),
    ),
    Family(
        "inkit_invocation_generations",
        "gauge",
        "Generations of the invocations in the lookback window, by destination and status.",
        ("account", "destination", "status", "workflow"),
        {"invocations": {"destination": DESTINATIONS, "status": STATUSES}},
        optional=("workflow",),
    ),
    Family(
        "inkit_batches_finished_total",
        "counter",
        "Batches whose creation failed, or that have no open generation, by creation status.",
        ("account", "kind", "status"),
        {collector: {"kind": kind, "status": FINISHED} for collector, kind in _KIND.items()},
        outcome=Outcome("status", FAILURES, alert="InkitBatchFailed"),
    ),
    Family(
        "inkit_batch_generations_finished_total",
        "counter",
        "Generations of batches observed to finish, by destination and status.",
        ("account", "kind", "destination", "status"),
        {
            "document_batches": {
                "kind": ("document",),
                "destination": DOCUMENT_DESTINATIONS,
                "status": FINISHED,
            },
            "workflow_batches": {"kind": ("workflow",), "destination": DESTINATIONS, "status": FINISHED},
        },
        outcome=Outcome("status", FAILURES, alert="InkitGenerationFailed", place="destination"),
    ),
    Family(
        "inkit_invocations_finished_total",
        "counter",
        "Invocations that failed, or that completed and have no open delivery, by status of the workflow.",
        ("account", "status", "workflow"),
        {"invocations": {"status": FINISHED}},
        optional=("workflow",),
        outcome=Outcome("status", FAILURES, alert="InkitInvocationFailed"),
    ),
    Family(
        "inkit_invocation_generations_finished_total",
        "counter",
        "Generations of invocations observed to finish; destination `none` for a failure that no destination shows.",
        ("account", "destination", "status", "workflow"),
        {"invocations": {"destination": (*DESTINATIONS, NONE), "status": FINISHED}},
        optional=("workflow",),
        outcome=Outcome("status", FAILURES, alert="InkitGenerationFailed", place="destination"),
    ),
    Family(
        "inkit_batch_duration_seconds",
        "histogram",
        "Time from the creation of a batch to the first poll that found it finished.",
        ("account", "kind"),
        {collector: {"kind": kind} for collector, kind in _KIND.items()},
        buckets=DURATIONS,
    ),
    Family(
        "inkit_invocation_duration_seconds",
        "histogram",
        "Time from the creation of an invocation to the first poll that found it finished.",
        ("account",),
        {"invocations": {}},
        buckets=DURATIONS,
    ),
    Family(
        "inkit_oldest_in_flight_created_timestamp_seconds",
        "gauge",
        "Creation time of the oldest record in flight; absent if no record is in flight.",
        ("account", "collector"),
        {collector: {} for collector in SYSTEM.collectors},
        oldest_in_flight=True,
    ),
)
