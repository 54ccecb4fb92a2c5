"""One page of the list of batches: parameters, filters, order and pagination. Paths are in api.py.

Source: "Retrieve Batches" of the vendor's API reference.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from exporter.demo.faults import ListFaults
from exporter.demo.http_types import BadParameter, positive
from exporter.demo.items import Item
from exporter.demo.memory_store import compact
from exporter.demo.packagex.batches import FILTERS, Batches
from exporter.demo.packagex.items import FINISHED, OPEN, RESOURCES

LIMIT = 25
_TIMES = ("created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class PackagexReadings:
    """The possible behaviors where the reference leaves something open. The defaults are the likely ones."""

    order: Literal["oldest_first", "newest_first"] = "oldest_first"
    """What "in chronological order by creation date" means."""
    max_limit: int | None = 100
    large_limit: Literal["clamp", "refuse"] = "clamp"
    unknown_filter_value: Literal["nothing", "refuse"] = "nothing"
    """Whether an undocumented value selects the batches that have it, or is refused."""
    times: Literal["seconds", "milliseconds", "digits", "iso", "missing"] = "seconds"
    """The form of `created_at` and `updated_at`. The reference says integer epoch seconds."""
    wrong_token: Literal[401, 403] = 401
    wrong_parameter: Literal[400, 422] = 400


KNOWN: Mapping[str, tuple[str, ...]] = {
    "resource": RESOURCES,
    "mode": ("sync", "mixed"),
    "via": ("api", "file"),
    "status": (*OPEN, *FINISHED),
}
"""The values that "Retrieve Batches" names for each filter."""


@dataclass(frozen=True, slots=True)
class Query:
    """The parsed parameters of the list."""

    page: int
    limit: int
    only: Mapping[str, str]
    """The filters that were given."""


def read_query(params: Mapping[str, str], readings: PackagexReadings) -> Query:
    """Parse the parameters. Raises BadParameter for one that the API does not accept."""
    limit = positive(params, "limit", LIMIT)
    if readings.max_limit is not None and limit > readings.max_limit:
        if readings.large_limit == "refuse":
            raise BadParameter(f"limit must not be greater than {readings.max_limit}")
        limit = readings.max_limit
    only = {name: params[name] for name in FILTERS if params.get(name)}
    if readings.unknown_filter_value == "refuse":
        for name, value in only.items():
            if value not in KNOWN[name]:
                raise BadParameter(f"{name} must be one of {', '.join(KNOWN[name])}")
    return Query(positive(params, "page", 1), limit, only)


def page(batches: Batches, query: Query, readings: PackagexReadings, list_faults: ListFaults) -> tuple[bytes, Item]:
    """Return the data of a page, as JSON, and its pagination."""
    limit = LIMIT if list_faults.ignore_page_size else query.limit
    start = (query.page - 1) * limit
    stop = start + limit
    first = start - 1 if list_faults.repeat_ids and start else start
    texts, total = _texts(batches, query, readings, list_faults, first, stop)
    pagination = {
        "limit": limit,
        "page": query.page,
        "has_more": stop < total if list_faults.has_more is None else list_faults.has_more,
    }
    if list_faults.total_count != "missing":
        pagination["total_count"] = total if list_faults.total_count is None else list_faults.total_count
    if readings.times != "seconds":
        texts = [compact(with_times(json.loads(text), readings)) for text in texts]
    return b"[%b]" % b",".join(texts), pagination


def with_times(batch: Item, readings: PackagexReadings) -> Item:
    """Return a batch with times in the form of a reading."""
    if readings.times == "missing":
        return {name: value for name, value in batch.items() if name not in _TIMES}
    return batch | {name: _time(batch[name], readings) for name in _TIMES if name in batch}


def _time(at: Any, readings: PackagexReadings) -> Any:
    if not isinstance(at, int):
        return at
    match readings.times:
        case "milliseconds":
            return at * 1000
        case "digits":
            return str(at)
        case "iso":
            return datetime.fromtimestamp(at, UTC).isoformat()[:-6] + ".000Z"
        case _:
            return at


def _texts(
    batches: Batches, query: Query, readings: PackagexReadings, list_faults: ListFaults, start: int, stop: int
) -> tuple[list[bytes], int]:
    """Return the batches of one page, serialized, and the number of batches on all pages."""
    only = {} if list_faults.ignore_filters else query.only
    if list_faults.order == "shuffled":
        texts, total = batches.texts(only, 0, None, newest_first=True)
        return sorted(texts, key=lambda text: zlib.crc32(json.loads(text)["id"].encode()))[start:stop], total
    newest_first = list_faults.order == "descending" if list_faults.order else readings.order == "newest_first"
    return batches.texts(only, start, stop, newest_first=newest_first)
