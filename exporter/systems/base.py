"""What a source must offer: the types between a vendor's JSON and the rest of the program.

Nothing here knows a vendor; the vendors are the other modules of this folder.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from exporter.client import JSON, ApiError, Request
from exporter.model.family import Family
from exporter.model.record import FetchError, Record
from exporter.model.system import System
from exporter.systems.detail import Details


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer of a list says, in our words."""

    records: tuple[Record, ...]
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Why and how many items of the answer could not be understood."""
    rows: int = 0
    """Items in the answer, understood or not."""
    last: bool = True
    """The server says that no page follows."""
    pages: int | None = None
    """How many pages the server says there are: a hint for reading ahead, never a proof."""
    total: int | None = None
    """How many records the server says there are. If it changes between two pages, rows have moved."""
    size: int | None = None
    """How many rows a full page has, as the server says."""
    refusal: FetchError | None = None
    """The server refused this page (400, 404, 422, ...): it says nothing of where the list ends."""


@dataclass(frozen=True, slots=True)
class Options:
    """The part of an account's configuration that changes what is asked, or how it is counted."""

    filters: Mapping[str, str] = field(default_factory=dict)
    workflow_batch_ids: tuple[str, ...] = ()
    workflow_label: bool = False


class Listing(Protocol):
    """One list endpoint of a vendor: what to ask, and what the answers mean. Pure; the requests are made elsewhere."""

    @property
    def name(self) -> str:
        """The collector's name."""

    @property
    def parts(self) -> str | None:
        """The collector whose records name records of this one (`Record.batch_id`), if one does."""

    @property
    def known_ids(self) -> tuple[str, ...]:
        """Ids that the operator has named."""

    @property
    def rejections(self) -> tuple[str, ...]:
        """Why an item of the list may be rejected: the values of the `reason` label that are known beforehand."""

    @property
    def optional(self) -> tuple[str, ...]:
        """Fields that no record needs, and that may be in no label: what `Record.unknown` may name."""

    @property
    def sorting(self) -> Mapping[str, str]:
        """Parameters with which the list runs newest first; empty where it can't be sorted."""

    @property
    def in_flight_filters(self) -> Sequence[Mapping[str, str]]:
        """Parameters with each of which the list has some of the records in flight, and all of them together."""

    def page(self, number: int, page_size: int) -> Request:
        """The request for a page of the list, from 1, in the order it has by itself."""

    def read_page(self, answer: JSON) -> Page:
        """Raises FetchError(malformed) if the answer is no list at all; items are skipped one by one."""

    def ask(self, ids: Sequence[str]) -> Sequence[Request]:
        """The requests for these records, whatever page they are on."""

    def read_asked(self, answer: JSON) -> Page:
        """Read the answer to one of `ask`'s requests. Raises FetchError(malformed)."""

    @property
    def ids_per_request(self) -> int:
        """How many records one request of `ask` can name."""

    @property
    def by_id(self) -> bool:
        """Does `ask` find just what the list has: not if the list is filtered and asking by id is not."""


@dataclass(frozen=True, slots=True)
class Source:
    """All that is known of one vendor."""

    system: System
    families: tuple[Family, ...]
    listing: Callable[[str, Options], Listing]
    """Makes the listing of a collector. The name is one of `system.collectors`."""
    refused: Callable[[JSON], ApiError | None] = lambda _: None
    """Reads an answer as a refusal, where the vendor has a form for them; None if it is none."""
    details: Details = field(kw_only=True)
    """How single records are shown."""
