"""Records of Inkit as its API returns them, and what its lists read from them."""

from collections.abc import Mapping
from typing import Any

from exporter.model.accounting import Rules
from exporter.model.record import Key, Record
from exporter.systems.base import Listing, Options
from exporter.systems.inkit import SOURCE


def listing(collector: str, **options: Any) -> Listing:
    return SOURCE.listing(collector, Options(**options))


def batch(status: Any = "Completed", total: Any = 2, **destinations: Any) -> dict[str, Any]:
    return {
        "created_at": "2023-09-06T14:07:55.732858Z",
        "destinations": destinations,
        "id": "rb_1",
        "name": None,
        "status": status,
        "total": total,
    }


def generations(completed: int = 0, failed: int = 0, in_progress: int = 0, count: int | None = None) -> dict[str, Any]:
    counted = completed + failed + in_progress if count is None else count
    return {
        "completed": completed,
        "count": counted,
        "failed": failed,
        "in_progress": in_progress,
        "status": "completed",
    }


def invocation(status: str = "Completed", rollup: str | None = "Completed", **destinations: str) -> dict[str, Any]:
    return {
        "created_at": "2023-11-07T02:31:22.232287Z",
        "destination_status": rollup,
        "destinations": {name: {"status": destination} for name, destination in destinations.items()},
        "flow_name": "Welcome letter",
        "flows_batch_id": None,
        "id": "rend_1",
        "merge_parameters": {"name": "CANARY"},
        "status": status,
    }


def read(item: Mapping[str, Any], collector: str = "document_batches", **options: Any) -> Record:
    page = listing(collector, **options).read_page({"items": [item]})
    assert not page.rejected
    return page.records[0]


def gauges(record: Record) -> Mapping[Key, int]:
    rules = Rules.of(SOURCE.families)
    return {key: count for key, count in record.contributions.items() if rules.is_gauge(key)}


def events(record: Record) -> Mapping[Key, int]:
    rules = Rules.of(SOURCE.families)
    return {key: count for key, count in record.contributions.items() if not rules.is_gauge(key)}
