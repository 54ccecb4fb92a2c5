"""An evening of two accounts in a snapshot store: what tests and the pictures in docs show of the pages."""

from exporter.exposition.snapshot import CollectorSnapshot, Failure, SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.record import Reason

NOW = 1_767_323_165.0
MINUTE, HOUR = 60.0, 3600.0
FOREVER = float("inf")


def failure(name: str, ago: float, *places: str, workflow: str | None = None, alert: str = "") -> Failure:
    return Failure(
        name,
        NOW - ago,
        NOW - ago - 4 * MINUTE,
        places,
        ("timed_out",) if alert == "PackageXBatchFailed" else ("failed",),
        alert or "InkitGenerationFailed",
        workflow,
    )


DOCUMENTS = (
    failure("rb_6WtDgF7RGqdS5Uzea9neZJ", 2 * MINUTE, "docusign", "sepire"),
    failure("rb_4F0P2OBR3qkf0F14TSQ2WH", 19 * MINUTE, "salesforce"),
    failure("rb_3uNFz4IL6MqH7A1kOy9YHs", 5 * HOUR, alert="InkitBatchFailed"),
)
INVOCATIONS = (
    failure("rend_2LQn5C0pEuNX8Kt1oVyMd3", 3 * MINUTE, "docusign", workflow="Order confirmation"),
    failure("rend_7hYbT0xGqZrA9sWmPf4Lk1", 41 * MINUTE, "box", "google_drive", workflow="Monthly statement"),
    failure("rend_0Vd3JcRkUe6nBq8XiTz5Ha", 7 * HOUR, "magic_link"),
)
SHIPMENTS = (failure("batch_9kR2mWq4Lx", 11 * MINUTE, "shipment", alert="PackageXBatchFailed"),)


def polled(
    up: bool | None,
    read: bool,
    last_success: float | None,
    finished: int,
    in_flight: int,
    error: str | None = None,
    reason: Reason | None = None,
    oldest_in_flight: float | None = None,
    stuck: int = 0,
) -> CollectorStatus:
    """The status of a collector whose window was read completely, or was not."""
    return CollectorStatus(
        "",
        "",
        "",
        up=up,
        error=error,
        reason=reason,
        last_success=last_success,
        backfilling=not read,
        finished=finished,
        in_flight=in_flight,
        oldest_in_flight=oldest_in_flight,
        stuck=stuck,
    )


def calm() -> SnapshotStore:
    """Return a snapshot store in which nothing is wrong, and nothing has failed for hours."""
    store = SnapshotStore()
    status = polled(True, True, NOW - 20, 1234, 5, oldest_in_flight=NOW - 9 * MINUTE)
    for name, failures in (("document_batches", DOCUMENTS[2:]), ("workflow_batches", ()), ("invocations", ())):
        store.publish(CollectorSnapshot("production", "inkit", name, {}, FOREVER, {}, status, failures))
    return store


def with_problems() -> SnapshotStore:
    """Return a snapshot store with some of everything that can be wrong."""
    store = SnapshotStore()
    busy = polled(True, True, NOW - 20, 1234, 17, oldest_in_flight=NOW - 2 * HOUR)
    quiet = polled(True, True, NOW - 31, 86, 0)
    many = polled(True, True, NOW - 24, 48_210, 42, oldest_in_flight=NOW - 9 * MINUTE)
    slow = "GET /batches: too many requests (see max_requests_per_second)"
    limited = polled(False, True, NOW - 4 * MINUTE, 310, 2, slow, Reason.RATE_LIMITED, NOW - 12 * MINUTE)
    refused = polled(False, False, None, 0, 0, "GET /batch: the API refuses the token (401)", Reason.AUTH)
    reading = polled(None, False, None, 12_400, 3)
    for account, system, name, status, failures in (
        ("production", "inkit", "document_batches", busy, DOCUMENTS),
        ("production", "inkit", "workflow_batches", quiet, ()),
        ("production", "inkit", "invocations", many, INVOCATIONS),
        ("logistics", "packagex", "batches", limited, SHIPMENTS),
        ("staging", "inkit", "document_batches", refused, ()),
        ("staging", "inkit", "invocations", refused, ()),
        ("archive", "inkit", "invocations", reading, ()),
    ):
        store.publish(
            CollectorSnapshot(account, system, name, {}, 0.0 if status.backfilling else FOREVER, {}, status, failures)
        )
    return store
