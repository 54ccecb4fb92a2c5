"""The list endpoint of PackageX: requests, paging, and errors in its envelope.

The facts are from "Retrieve Batches" of the vendor's API reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.client import JSON, ApiError, Request
from exporter.systems.base import Listing, Options, Page
from exporter.systems.fields import ALWAYS_NEEDED, count_or_none, flag, items, positive_or_none, records
from exporter.systems.packagex.families import OPEN
from exporter.systems.packagex.records import batch_record


def listing(collector: str, options: Options) -> Listing:
    """Return the list endpoint of the only collector."""
    del collector
    return _Batches(options)


@dataclass(frozen=True, slots=True)
class _Batches:
    """`/batches`. It can't be sorted: the reference says "in chronological order", and not which end comes first."""

    options: Options
    name: str = "batches"
    path: str = "/batches"
    rows_at: str = "data"
    batch_ids_from: str | None = None
    known_ids: tuple[str, ...] = ()
    ids_per_request: int = 1
    sorting: Mapping[str, str] = field(default_factory=dict)
    rejections: tuple[str, ...] = (*ALWAYS_NEEDED, "created_at", "status")
    optional: tuple[str, ...] = ("phases", "stats", "updated_at")

    @property
    def can_fetch_by_id(self) -> bool:
        # A batch never changes what the other filters select by; its status does change.
        return "status" not in self.options.filters

    @property
    def in_flight_filters(self) -> Sequence[Mapping[str, str]]:
        return [{"status": status} for status in OPEN] if "status" not in self.options.filters else ()

    def page(self, number: int, page_size: int) -> Request:
        return Request(self.path, self.path, {"page": str(number), "limit": str(page_size), **self.options.filters})

    def read_page(self, answer: JSON) -> Page:
        found = items(answer, self.rows_at, self.path)
        read, rejected = records(found, batch_record)
        paging = answer.get("pagination", {})
        pagination = _or_empty(paging)
        number = positive_or_none(pagination.get("page"))
        limit = positive_or_none(pagination.get("limit"))
        total = count_or_none(pagination.get("total_count"))
        pages = None if limit is None or total is None else -(-total // limit)
        # `has_more` and `total_count` may disagree. This is the last page only where neither says that there is more.
        more = flag(pagination.get("has_more")) or (pages is not None and number is not None and number < pages)
        # The reference: "The pagination object if there is more data not included in this response", else null.
        last = not more if pagination or paging is None else not found
        return Page(read, rejected, len(found), last=last, pages=pages, total=total, size=limit)

    def requests_by_id(self, ids: Sequence[str]) -> Sequence[Request]:
        return [Request(f"{self.path}/{{id}}", f"{self.path}/{record_id}") for record_id in ids]

    def read_by_id(self, answer: JSON) -> Page:
        read, rejected = records([_or_empty(answer).get("data")], batch_record)
        return Page(read, rejected, rows=1)


def error_response(answer: JSON) -> ApiError | None:
    """Read an answer as an error by its envelope's `code` and `message`; return None if it is no error.

    The vendor's OpenAPI document calls the former `error_code`.
    The envelope's `errors` may quote the request and are not read.
    """
    envelope = _or_empty(answer)
    status = count_or_none(envelope.get("status"))
    stated = status is not None and 400 <= status < 600
    if not stated and not (envelope.get("errors") and envelope.get("data") is None):
        return None
    parts = [envelope.get("code", envelope.get("error_code")), envelope.get("message")]
    return ApiError(status if stated else None, ": ".join(str(part) for part in parts if isinstance(part, (str, int))))


def _or_empty(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, dict) else {}
