"""What can be shown of one record to a person: the types, and readers that take whatever a server sends.

Nothing here knows a vendor, and nothing here decides how it looks.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from exporter.client import JSON
from exporter.client.download import SecretUrl
from exporter.model.record import FetchError, Reason
from exporter.systems.fields import Unreadable, identifier


class NotAnId(Exception):
    """What was asked for can't be the id of a record. The text says what can, and is for operators."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, in epoch seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Words:
    """Free text that may quote customers' data."""

    text: str


Value = str | int | float | Moment | Span | Words | None
"""What stands in a field or a cell. None is what the API says nothing of."""


@dataclass(frozen=True, slots=True)
class Table:
    """A part of a record that is a list, such as its destinations."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Detail:
    """A record as its vendor tells it, in the order in which it is to be read. Names are in snake_case."""

    id: str
    fields: Mapping[str, Value]
    tables: tuple[Table, ...] = ()
    private: Mapping[str, JSON] = field(default_factory=dict, repr=False)
    """Customers' data: shown only where it is asked for, and then as it came."""
    files: Mapping[str, SecretUrl] = field(default_factory=dict)
    """The files that the record offers, by the names of `Details.files`."""


@dataclass(frozen=True, slots=True)
class RowError:
    """What an errors file says is wrong with one row of a batch."""

    text: str
    """As it came: it may quote the row."""
    where: str = ""
    """The row's field."""
    code: str = ""
    quotable: tuple[str, ...] = ()
    """The other values of the row, which the text may quote."""


@dataclass(frozen=True, slots=True)
class Details:
    """How single records of one vendor are asked for and read. The requests are those of the vendor's listings."""

    prefixes: Mapping[str, str]
    """What an id begins with, and the collector whose records have such ids. The empty prefix fits every id."""
    read: Callable[[str, str, JSON], Detail | None]
    """The record with this id of this collector, out of an answer to `Listing.ask`; None if it is not there.

    Raises FetchError(malformed).
    """
    files: Mapping[str, str] = field(default_factory=dict)
    """The files that a record may offer: their names, and the parameter that asks for each."""
    errors_files: tuple[str, ...] = ()
    """Those of them that say what was wrong with which row, the one that is best to read first."""
    row_errors: Callable[[str, bytes], Iterator[tuple[RowError, ...]]] = lambda _, __: iter(())
    """The errors of each row in the content of one of the `errors_files`. Raises FetchError(malformed)."""

    def collector(self, record_id: str) -> str:
        """The collector whose record this would be. Raises NotAnId."""
        try:
            identifier(record_id)
        except Unreadable:
            raise NotAnId("not an id: letters, digits, and _ . : - within it, at most 128 characters") from None
        for prefix, collector in self.prefixes.items():
            if record_id.startswith(prefix):
                return collector
        known = ", ".join(f"{prefix} ({collector})" for prefix, collector in self.prefixes.items())
        raise NotAnId(f"not an id of this system; its ids begin with {known}")


def the_record(answer: JSON, record_id: str) -> Mapping[str, JSON]:
    """The answer as an object with this id. Raises FetchError(malformed)."""
    if not isinstance(answer, dict) or answer.get("id") != record_id:
        raise FetchError(Reason.MALFORMED, "the answer is not the record that was asked for", 200)
    return answer


def told(value: JSON) -> Value:
    """A value as the API tells it; of what is neither text nor a number, only what it is."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    kind = "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "a number out of range"
    return f"unreadable: {kind}"


def moment(value: JSON, read: Callable[[JSON, str], float]) -> Value:
    """A time, read by one of the readers for times; what is none is told as it is."""
    try:
        return Moment(read(value, ""))
    except Unreadable:
        return told(value)


def words(value: JSON) -> Value:
    """Free text; what is none is told as it is."""
    return Words(value) if isinstance(value, str) else told(value)


def as_text(value: JSON) -> str:
    """Text or a number as text; anything else is no text."""
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def table(name: str, columns: Iterable[str], found: Iterable[tuple[JSON, ...]]) -> tuple[Table, ...]:
    """A table of what is told; none if there are no rows."""
    rows = tuple(tuple(told(cell) for cell in row) for row in found)
    return (Table(name, tuple(columns), rows),) if rows else ()
