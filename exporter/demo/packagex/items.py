"""Make batches of PackageX in the form of its API. batches.py holds them, api.py serves them.

Source: the batch model of the vendor's API reference, whose order the keys stand in. It has no example.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

from exporter.demo.items import Item

OPEN = ("requested", "queued", "processing")
FINISHED = ("completed", "failed", "timed_out", "expired")
RESOURCES = ("contact", "group", "shipment", "tracker")
"""The resources that "Retrieve Batches" names."""
CHANGES = ("created", "updated", "deleted", "overwritten", "events")


def phase(name: str, total: int, success: int = 0, error: int = 0) -> Item:
    """Return one phase of a batch (parsing, validation, processing, cleanup); the rest is not processed yet."""
    return {
        "name": name,
        "mode": "sync",
        "total": total,
        "processed": success + error,
        "success": success,
        "error": error,
    }


def phase_names(via: str) -> tuple[str, ...]:
    """Return the phases of a batch in order; batches made over the API need no parsing (a guess)."""
    return ("parsing", "validation", "processing", "cleanup")[0 if via == "file" else 1 :]


def packagex_batch(
    batch_id: str,
    created_at: float,
    *,
    status: str = "completed",
    resource: str = "contact",
    action: str = "merge",
    mode: str = "mixed",
    via: Literal["api", "file"] = "api",
    items: int = 1,
    phases: Iterable[Item] | None = None,
    stats: Mapping[str, int] | None = None,
    reason: str | None = None,
    updated_at: float | None = None,
) -> Item:
    """Return a batch (`batch_…`). By default, `phases` and `stats` follow from `status` and the number of `items`.

    Completed: all of them were created. Failed: none was. Processing or timed out: none is processed yet.
    """
    completed = status == "completed"
    if phases is None:
        phases = _phases(status, phase_names(via), items)
    if stats is None:
        stats = {"created": items, "events": items} if completed else {}
    return {
        "object": "batch",
        "id": batch_id,
        "organization_id": "org_demo",
        "resource": resource,
        "mode": mode,
        "via": via,
        "action": action,
        "status": status,
        "duplicate_handling": "ignore_all",
        "reason": reason,
        "phases": list(phases),
        "stats": dict.fromkeys(CHANGES, 0) | dict(stats),
        "created_at": int(created_at),
        "updated_at": int(created_at if updated_at is None else updated_at),
        "updated_by": "user_demo",
        "checksum": hashlib.sha256(batch_id.encode()).hexdigest(),
    }


def _phases(status: str, names: tuple[str, ...], items: int) -> list[Item]:
    if status == "completed":
        return [phase(name, items, items) for name in names]
    if status in ("requested", "queued", "expired"):
        return []
    done = [phase(name, items, items) for name in names[: names.index("processing")]]
    return [*done, phase("processing", items, error=items if status == "failed" else 0)]
