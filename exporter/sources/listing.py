"""What a source must offer: the types between a vendor's JSON and the rest of the program.

Nothing here knows a vendor; the vendors are the other modules of this folder.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from exporter.client import Request
from exporter.client.client import JSON
from exporter.families import Family
from exporter.records import Record
from exporter.systems import System


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
        """The collector whose records name records of this one (`Record.part_of`), if one does."""

    @property
    def known_ids(self) -> tuple[str, ...]:
        """Ids that the operator has named."""

    def page(self, number: int, page_size: int, sort: bool = True) -> Request:
        """The request for a page of the list, newest first, from 1; without `sort`, in the order it has anyway."""

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
