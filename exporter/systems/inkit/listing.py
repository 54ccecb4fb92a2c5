"""The list endpoints of Inkit: requests, paging, and which collector uses which.

The facts are from "List Document Batches", "List Workflow Statuses" and "Retrieve Workflow Batch Information" of
the vendor's API reference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.client import JSON, Request
from exporter.model.record import Record
from exporter.systems.base import Listing, Options, Page
from exporter.systems.fields import (
    ALWAYS_NEEDED,
    Unreadable,
    count_or_none,
    items,
    mapping,
    positive_or_none,
    records,
)
from exporter.systems.inkit.records import batch_record, invocation_record

_REJECTIONS = (*ALWAYS_NEEDED, "created_at", "status")
_NO_PAGE: tuple[JSON, ...] = (None, "", 0, False)
"""What APIs write for a page that does not exist."""
_SORTING = {"sort": "-created_at"}


def listing(collector: str, options: Options) -> Listing:
    """Return the list endpoint of a collector."""
    if collector == "document_batches":
        return _Batches(collector, "/batch", "document", options)
    if collector == "workflow_batches":
        return _Batches(collector, "/invoke/batch", "workflow", options, batch_ids_from="invocations")
    return _Invocations(options)


@dataclass(frozen=True, slots=True)
class _Batches:
    """Document batches (`/batch`) or workflow batches (`/invoke/batch`): lists of one shape."""

    name: str
    path: str
    kind: str
    options: Options
    rows_at: str = "items"
    batch_ids_from: str | None = None
    ids_per_request: int = 1
    sorting: Mapping[str, str] = field(default_factory=lambda: _SORTING)
    in_flight_filters: Sequence[Mapping[str, str]] = ()
    rejections: tuple[str, ...] = _REJECTIONS
    optional: tuple[str, ...] = ("destinations", "total")

    @property
    def can_fetch_by_id(self) -> bool:
        return not self.options.filters

    @property
    def known_ids(self) -> tuple[str, ...]:
        return self.options.workflow_batch_ids if self.batch_ids_from else ()

    def page(self, number: int, page_size: int) -> Request:
        return _page(self.path, number, page_size, self.options)

    def read_page(self, answer: JSON) -> Page:
        return _read_page(answer, self, self._to_record)

    def requests_by_id(self, ids: Sequence[str]) -> Sequence[Request]:
        return [Request(f"{self.path}/{{id}}", f"{self.path}/{record_id}") for record_id in ids]

    def read_by_id(self, answer: JSON) -> Page:
        read, rejected = records([answer], self._to_record)
        return Page(read, rejected, rows=1)

    def _to_record(self, item: Mapping[str, JSON]) -> Record:
        return batch_record(item, self.kind)


@dataclass(frozen=True, slots=True)
class _Invocations:
    """Invocations, which the reference calls workflow statuses (`/invoke`)."""

    options: Options
    name: str = "invocations"
    path: str = "/invoke"
    rows_at: str = "items"
    batch_ids_from: str | None = None
    known_ids: tuple[str, ...] = ()
    ids_per_request: int = 50
    """A `data_id` of fifty IDs keeps the URL below 2,000 characters, which every proxy accepts."""
    can_fetch_by_id: bool = True
    sorting: Mapping[str, str] = field(default_factory=lambda: _SORTING)
    in_flight_filters: Sequence[Mapping[str, str]] = ()
    """None: the reference does not say what `destination_status` selects."""
    rejections: tuple[str, ...] = _REJECTIONS
    optional: tuple[str, ...] = ("destinations", "flow_name", "flows_batch_id")

    def page(self, number: int, page_size: int) -> Request:
        return _page(self.path, number, page_size, self.options)

    def read_page(self, answer: JSON) -> Page:
        return _read_page(answer, self, self._to_record)

    def requests_by_id(self, ids: Sequence[str]) -> Sequence[Request]:
        size = self.ids_per_request
        chunks = [ids[start : start + size] for start in range(0, len(ids), size)]
        return [
            Request(
                self.path, self.path, {"data_id": ",".join(chunk), "page_size": str(len(chunk)), **self.options.filters}
            )
            for chunk in chunks
        ]

    def read_by_id(self, answer: JSON) -> Page:
        return self.read_page(answer)

    def _to_record(self, item: Mapping[str, JSON]) -> Record:
        return invocation_record(item, workflow_label=self.options.workflow_label)


def _page(path: str, number: int, page_size: int, options: Options) -> Request:
    return Request(path, path, {"page": str(number), "page_size": str(page_size), **options.filters})


def _read_page(
    answer: JSON, listing: _Batches | _Invocations, to_record: Callable[[Mapping[str, JSON]], Record]
) -> Page:
    found = items(answer, listing.rows_at, listing.path)
    read, rejected = records(found, to_record)
    pagination = _pagination(answer)
    pages = count_or_none(pagination.get("page_count"))
    total = count_or_none(pagination.get("total_count"))
    size = positive_or_none(pagination.get("page_size"))
    number = positive_or_none(pagination.get("current_page"))
    counted = None
    if pages is not None and number is not None:
        counted = number < pages
    elif total is not None and number is not None and size is not None:
        counted = number * size < total
    # They may disagree. This is the last page only where none of them names another one.
    more = pagination["next_page"] not in _NO_PAGE or counted is True if "next_page" in pagination else counted
    return Page(
        read,
        rejected,
        len(found),
        last=not found if more is None else not more,
        pages=pages,
        total=total,
        size=size,
    )


def _pagination(answer: JSON) -> Mapping[str, JSON]:
    try:
        return mapping(mapping(answer.get("metadata"), "metadata").get("pagination"), "pagination")
    except Unreadable:
        return {}
