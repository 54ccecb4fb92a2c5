"""Batches of PackageX as its API returns them, and what its list reads from them."""

from collections.abc import Mapping
from typing import Any

from exporter.model.record import Record
from exporter.systems.base import Listing, Options
from exporter.systems.packagex import SOURCE

CREATED = 1_700_000_000


def listing(**filters: str) -> Listing:
    return SOURCE.listing("batches", Options(filters))


def batch(**changed: Any) -> dict[str, Any]:
    return {
        "id": "batch_1",
        "resource": "contact",
        "action": "merge",
        "mode": "mixed",
        "via": "file",
        "status": "completed",
        "phases": [],
        "stats": {},
        "created_at": CREATED,
        "updated_at": CREATED + 90,
        **changed,
    }


def phase(name: Any = "validation", **counts: Any) -> dict[str, Any]:
    return {"name": name, "mode": "sync", **counts}


def envelope(*items: Any, **pagination: Any) -> dict[str, Any]:
    stated = {"limit": 100, "page": 1, "has_more": False, "total_count": len(items), **pagination}
    return {"message": "ok", "data": list(items), "status": 200, "errors": [], "code": "ok", "pagination": stated}


def read(item: Mapping[str, Any]) -> Record:
    page = listing().read_page(envelope(item))
    assert not page.rejected
    return page.records[0]
