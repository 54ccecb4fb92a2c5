"""What the answers of an API show: the order of a list, the size of its pages, what was kept of a request. Pure."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from exporter.client import Request
from exporter.polling.collector.paged_list import ORDER_SLACK_SECONDS
from exporter.systems.base import Listing, Page


class Order(StrEnum):
    """The order of a list by creation time."""

    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"
    UNSORTED = "unsorted"
    UNKNOWN = "unknown"


class Kept(StrEnum):
    """Whether the API obeyed a part of a request."""

    KEPT = "kept"
    IGNORED = "ignored"
    REFUSED = "refused"
    MISSING = "missing"
    """A record of the list is not found by its ID."""
    UNKNOWN = "unknown"
    UNUSED = "unused"
    """The exporter does not ask for it."""


@dataclass(frozen=True, slots=True)
class Latency:
    """The response times of requests, in seconds."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency | None":
        """Return the latency; None without a request."""
        return cls(min(seconds), statistics.median(seconds), max(seconds)) if seconds else None


@dataclass(frozen=True, slots=True)
class Findings:
    """What was learned of a collector's list."""

    pages: int
    """The estimated number of pages of the window."""
    requests_per_day: int
    series: int
    page_size: int
    """The configured page size."""
    page_size_given: int | None
    """The rows of a full page; None if there was none, and the API does not say."""
    page_size_refused: bool
    sort: Kept
    order: Order
    by_id: Kept
    id_parameter: str
    """The parameter that names records, or the endpoint of a single record; empty if the exporter uses neither."""
    notes: Sequence[str] = ()
    """A sentence about each strange behavior."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, and the page that answered it; None if the answer is no page."""

    request: Request
    page: Page | None


def order(pages: Mapping[int, Page]) -> Order:
    """Return the order of a list, given pages by the server's own number. Rows may be out of place by a minute."""
    times: list[float] = []
    known: set[str] = set()
    for _, page in sorted(pages.items()):
        # A page that repeats others says nothing about the order.
        times += [record.created_at for record in page.records if record.id not in known]
        known.update(record.id for record in page.records)
    falls = all(
        after <= low + ORDER_SLACK_SECONDS for low, after in zip(accumulate(times, min), times[1:], strict=False)
    )
    rises = all(
        after >= high - ORDER_SLACK_SECONDS for high, after in zip(accumulate(times, max), times[1:], strict=False)
    )
    if falls is rises:
        return Order.UNKNOWN if falls else Order.UNSORTED
    return Order.NEWEST_FIRST if falls else Order.OLDEST_FIRST


def sorting(listing: Listing, asked: Request, found: Order) -> Kept:
    """Return what became of the sorting that the exporter asks for; `asked` is the request that was accepted."""
    if not listing.sorting:
        return Kept.UNUSED
    if not listing.sorting.items() <= asked.params.items():
        return Kept.REFUSED
    if found is Order.UNKNOWN:
        return Kept.UNKNOWN
    return Kept.KEPT if found is Order.NEWEST_FIRST else Kept.IGNORED


def rows_given(pages: Iterable[Page]) -> int | None:
    """Return the rows of a full page; None if no page is full, and none says how many it may have."""
    read = list(pages)
    full = [page.rows for page in read if page.rows and not page.last]
    return max(full or [page.size for page in read if page.size], default=None)


def id_parameter(request: Request, record_id: str) -> str:
    """Return the parameter of a request that names a record; the endpoint where its path does."""
    return next((name for name, value in request.params.items() if record_id in value), request.endpoint)


def strange(pages: Mapping[int, Page], asked: int, found: Order) -> Iterator[str]:
    """Yield a sentence about each behavior of a list that makes polls fail, incomplete or expensive."""
    if not any(page.rows for page in pages.values()):
        yield "the list is empty: its order, its page size and records by ID are not known"
    rejected = sum(sum(page.rejected.values()) for page in pages.values())
    if rejected:
        yield f"{rejected} of {sum(page.rows for page in pages.values())} rows can't be read, and will not be counted"
    most = max((page.rows for page in pages.values()), default=0)
    if most > asked:
        yield f"the API ignores page_size: a page has {most} rows"
    if found is Order.UNSORTED:
        yield "the list is not sorted by creation time: each poll reads it as a whole"
    yield from _later_pages(pages)


def _later_pages(pages: Mapping[int, Page]) -> Iterator[str]:
    known: set[str] = set()
    before: Page | None = None
    for number, page in sorted(pages.items()):
        ids = {record.id for record in page.records}
        if before is not None and page.refusal is not None:
            yield f"page {number} is refused: {page.refusal}"
        elif before is not None and not page.rows and not before.last:
            yield f"page {number} is empty, though the list should continue"
        elif ids and ids <= known:
            yield f"page {number} repeats earlier pages: the API seems to ignore the page number"
        known |= ids
        before = page
