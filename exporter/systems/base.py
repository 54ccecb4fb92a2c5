"""The interface of a system: the types between a vendor's JSON and the rest of the program.

Nothing here knows a vendor; the vendors are the packages of this folder.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from exporter.client import JSON, ApiError, Request
from exporter.model.family import Family
from exporter.model.record import FetchError, Record
from exporter.model.system import System
from exporter.systems.detail import Details


@dataclass(frozen=True, slots=True)
class Origin:
    """The answer that a page comes from."""

    request: int
    """A hash of the request."""
    digest: bytes
    """A digest of the answer's bytes."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list, decoded."""

    records: tuple[Record, ...]
    rejected: Mapping[str, int] = field(default_factory=dict)
    """The number of items of the answer that could not be read, by reason."""
    rows: int = 0
    """Items in the answer, readable or not."""
    last: bool = True
    """Whether this is the last page, as the server says."""
    pages: int | None = None
    """The number of pages that the server reports: a hint for reading ahead, never relied on."""
    total: int | None = None
    """The number of records that the server reports. If it changes between two pages, rows have moved."""
    size: int | None = None
    """The number of rows in a full page, as the server reports."""
    refusal: FetchError | None = None
    """The error if the server refused this page (400, 404, 422, …); it does not mean that the list ends here."""
    origin: Origin | None = None
    """The answer that the page comes from; None if unknown."""
    listed: tuple[Sequence[str], Sequence[float]] | None = None
    """The IDs of all records and the times of their creation, where some are in the state as the answer has them. Those
    are not decoded, and `records` has the others only."""

    @property
    def ids(self) -> Sequence[str]:
        """Return the IDs of all records, known or decoded."""
        return [record.id for record in self.records] if self.listed is None else self.listed[0]

    @property
    def times(self) -> Sequence[float]:
        """Return when all records were created, epoch seconds."""
        return [record.created_at for record in self.records] if self.listed is None else self.listed[1]

    def arranged(self, places: Sequence[int]) -> "Page":
        """Return the page with its records in another order: that of these places of the present order."""
        if self.listed is None:
            return replace(self, records=tuple(self.records[place] for place in places))
        ids, times = [self.listed[0][place] for place in places], [self.listed[1][place] for place in places]
        place_of = {record_id: place for place, record_id in enumerate(ids)}
        records = tuple(sorted(self.records, key=lambda record: place_of[record.id]))
        return replace(self, records=records, listed=(ids, times))


@dataclass(frozen=True, slots=True)
class Options:
    """The part of an account's configuration that changes requests or how records are counted."""

    filters: Mapping[str, str] = field(default_factory=dict)
    workflow_batch_ids: tuple[str, ...] = ()
    workflow_label: bool = False


class Listing(Protocol):
    """One list endpoint of a system: its requests, and how to read the answers. Pure; the client makes the requests."""

    @property
    def name(self) -> str:
        """Return the collector's name."""

    @property
    def batch_ids_from(self) -> str | None:
        """Return the collector whose records name records of this one (`Record.batch_id`), None if there is none."""

    @property
    def known_ids(self) -> tuple[str, ...]:
        """Return the IDs that the configuration names."""

    @property
    def rows_at(self) -> str:
        """Return the key of a page's answer that has the list of rows, each of which is read by itself."""

    @property
    def rejections(self) -> tuple[str, ...]:
        """Return the reasons for which an item may be rejected: known values of the `reason` label."""

    @property
    def optional(self) -> tuple[str, ...]:
        """Return the fields that no record needs and that are in no label: what `Record.unknown` may name."""

    @property
    def sorting(self) -> Mapping[str, str]:
        """Return the parameters that sort the list newest first; empty where it can't be sorted."""

    @property
    def in_flight_filters(self) -> Sequence[Mapping[str, str]]:
        """Return sets of parameters, each of which selects some of the records in flight; together they select all."""

    def page(self, number: int, page_size: int) -> Request:
        """Return the request for a page of the list in its default order; the first page is 1."""

    def read_page(self, answer: JSON) -> Page:
        """Read a page of the list; unreadable items are skipped. Raises FetchError(malformed) if it is not a list."""

    def requests_by_id(self, ids: Sequence[str]) -> Sequence[Request]:
        """Return the requests for these records by ID."""

    def read_by_id(self, answer: JSON) -> Page:
        """Read the answer to one of `requests_by_id`'s requests. Raises FetchError(malformed)."""

    @property
    def ids_per_request(self) -> int:
        """Return how many records one request of `requests_by_id` can name."""

    @property
    def can_fetch_by_id(self) -> bool:
        """Return whether `requests_by_id` finds only what the list has: false if the list alone is filtered."""


@dataclass(frozen=True, slots=True)
class Source:
    """One system as the rest of the program sees it."""

    system: System
    families: tuple[Family, ...]
    listing: Callable[[str, Options], Listing]
    """Return the listing of a collector. The name is one of `system.collectors`."""
    refused: Callable[[JSON], ApiError | None] = lambda _: None
    """Read an answer as an error, where the system has a format for them; return None if it is no error."""
    details: Details = field(kw_only=True)
    """How single records are read and shown."""
