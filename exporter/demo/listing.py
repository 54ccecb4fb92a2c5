"""One page of a list of Inkit: parameters, filters, order and metadata. Paths are in inkit_api.py.

Source: "List Document Batches" and "List Workflow Statuses" of the vendor's API reference.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from exporter.demo.faults import ListFaults
from exporter.demo.http_types import BadParameter, positive
from exporter.demo.items import Item, Kind
from exporter.demo.memory_store import compact
from exporter.demo.world import ORDERS, Order, World

PAGE_SIZE = 25
DEFAULT_SORT: Mapping[Kind, Order] = {
    "document_batches": "created_at",
    "workflow_batches": "created_at",
    "invocations": "updated_at",
}
"""The sort keys without `sort`, from the examples' `metadata.sort`; all of them run newest first."""


@dataclass(frozen=True, slots=True)
class Readings:
    """The possible behaviors where the reference leaves something open. The defaults are the likely ones."""

    max_page_size: int | None = 100
    large_page_size: Literal["clamp", "refuse"] = "clamp"
    sort_keys: frozenset[str] = frozenset({"created_at", "updated_at", "id", "name", "status"})
    unknown_sort_key: Literal["refuse", "ignore"] = "refuse"
    destination_filter: Literal["each", "roll_up"] = "each"
    """With `destination_name=Y&destination_status=X`: Y has X; or Y is there, and the whole has X."""
    workflow_batch_list: Literal[200, 404, 405] = 200
    """The status of `GET /invoke/batch`: accounts differ."""
    wrong_token: Literal[401, 403] = 401


@dataclass(frozen=True, slots=True)
class Query:
    """The parsed parameters of a list."""

    page: int
    page_size: int
    sort: str
    newest_first: bool
    search: str | None = None
    destination_name: str | None = None
    destination_status: str | None = None
    ids: frozenset[str] | None = None

    @property
    def filtered(self) -> bool:
        filters = (self.search, self.destination_name, self.destination_status, self.ids)
        return any(value is not None for value in filters)


def read_query(kind: Kind, params: Mapping[str, str], readings: Readings) -> Query:
    """Parse the parameters. Raises BadParameter for one that the API does not accept."""
    page_size = positive(params, "page_size", PAGE_SIZE)
    if readings.max_page_size is not None and page_size > readings.max_page_size:
        if readings.large_page_size == "refuse":
            raise BadParameter(f"page_size must not be greater than {readings.max_page_size}")
        page_size = readings.max_page_size
    sort = params.get("sort", "")
    key = sort.removeprefix("-")
    if key not in readings.sort_keys:
        if key and readings.unknown_sort_key == "refuse":
            raise BadParameter("sort: unknown key")
        key, sort = DEFAULT_SORT[kind], "-"
    ids = params.get("data_id") if kind == "invocations" else None
    return Query(
        page=positive(params, "page", 1),
        page_size=page_size,
        sort=key,
        newest_first=sort.startswith("-"),
        search=params.get("search") or None,
        destination_name=params.get("destination_name") or None,
        destination_status=params.get("destination_status") or None,
        ids=frozenset(ids.split(",")) if ids else None,
    )


def page(world: World, kind: Kind, query: Query, readings: Readings, list_faults: ListFaults) -> bytes:
    """Return the body of a page, as JSON."""
    size = PAGE_SIZE if list_faults.ignore_page_size else query.page_size
    if list_faults.ignore_filters:
        query = replace(query, search=None, destination_name=None, destination_status=None, ids=None)
    start = (query.page - 1) * size
    stop = start + size
    if list_faults.repeat_ids and start:
        start -= 1
    rows, total = _rows(world, kind, query, readings, list_faults, start, stop)
    metadata = _metadata(query, size, total, list_faults)
    return b'{"items":[%b],"metadata":%b}' % (b",".join(rows), json.dumps(metadata).encode())


def _rows(
    world: World, kind: Kind, query: Query, readings: Readings, list_faults: ListFaults, start: int, stop: int
) -> tuple[list[bytes], int]:
    """Return the records of one page, serialized, and the number of records on all pages."""
    if list_faults.order:
        query = replace(query, sort="created_at", newest_first=list_faults.order == "descending")
    if query.sort in ORDERS and not query.filtered and list_faults.order != "shuffled":
        return world.texts(kind, query.sort, start, stop, newest_first=query.newest_first)
    chosen = _matching(world, kind, query, readings)
    if list_faults.order == "shuffled":
        chosen.sort(key=lambda item: zlib.crc32(item["id"].encode()))
    elif query.sort not in ORDERS:
        chosen.sort(key=lambda item: str(item.get(query.sort) or ""), reverse=query.newest_first)
    elif not query.newest_first:
        chosen.reverse()
    return [compact(item) for item in chosen[start:stop]], len(chosen)


def _matching(world: World, kind: Kind, query: Query, readings: Readings) -> list[Item]:
    """Return all records that match the filters, newest first, by the sort key if it is a time."""
    order: Order = "updated_at" if query.sort == "updated_at" else "created_at"
    if query.ids is None:
        items = world.items(kind, order)
    else:
        found = (world.get(kind, record_id) for record_id in query.ids)
        items = sorted((item for item in found if item), key=lambda item: item["created_at"], reverse=True)
    return [item for item in items if _matches(item, query, readings)]


def _matches(item: Item, query: Query, readings: Readings) -> bool:
    return _is_searched(item, query) and _has_destination(item, query, readings)


def _is_searched(item: Item, query: Query) -> bool:
    if query.search is None:
        return True
    return any(query.search.lower() in (item[field] or "").lower() for field in ("id", "name"))


def _has_destination(item: Item, query: Query, readings: Readings) -> bool:
    name, status = query.destination_name, query.destination_status
    destinations: Mapping[str, Item] = item["destinations"]
    if name is not None:
        destinations = {key: state for key, state in destinations.items() if key == name}
        if not destinations:
            return False
    if status is None:
        return True
    statuses = [state["status"] for state in destinations.values()]
    if readings.destination_filter == "roll_up":
        statuses = [item.get("destination_status", item["status"])]
    return _word(status) in {_word(found) for found in statuses}


def _word(status: str) -> str:
    return status.strip().lower().replace(" ", "_")


def _metadata(query: Query, size: int, total: int, list_faults: ListFaults) -> Item:
    total = list_faults.total_count if isinstance(list_faults.total_count, int) else total
    pages = -(-total // size) if list_faults.page_count is None else list_faults.page_count
    # Seen in the examples: before page 1 of 108 comes page 108, and before page 1 of 1 none.
    wrapped = pages if pages > 1 else None
    pagination = {
        "current_page": query.page,
        "next_page": query.page + 1 if query.page < pages else None,
        "page_count": pages,
        "page_size": size,
        "prev_page": query.page - 1 if query.page > 1 else wrapped,
    }
    if list_faults.total_count != "missing":
        pagination["total_count"] = total
    # The examples have 1 although they run newest first, so 1 does not show the order.
    return {"pagination": pagination, "sort": {"key": query.sort, "order": 1}}
