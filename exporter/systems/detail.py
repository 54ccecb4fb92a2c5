"""Types for showing a single record to a person, and readers that accept whatever a server sends.

Nothing here knows a vendor or the output format.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from exporter.client import JSON
from exporter.client.download import SecretUrl
from exporter.model.record import FetchError, Reason
from exporter.systems.fields import Unreadable, identifier


class NotAnId(Exception):
    """The given text can't be the ID of a record. The message says what can, for operators."""


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
"""The value of a field or a cell; None where the API has no value."""


@dataclass(frozen=True, slots=True)
class Table:
    """A part of a record that is a list, such as its destinations."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Detail:
    """A record as the API describes it, in display order. Names are in snake_case."""

    id: str
    fields: Mapping[str, Value]
    tables: tuple[Table, ...] = ()
    private: Mapping[str, JSON] = field(default_factory=dict, repr=False)
    """Customers' data: shown only on request, unchanged."""
    files: Mapping[str, SecretUrl] = field(default_factory=dict)
    """The files of the record, by the names of `Details.files`."""


@dataclass(frozen=True, slots=True)
class RowError:
    """One error of a row of a batch, from an errors file."""

    text: str
    """Unchanged: it may quote the row."""
    where: str = ""
    """The row's field."""
    code: str = ""
    quotable: tuple[str, ...] = ()
    """The other values of the row, which the text may quote."""


@dataclass(frozen=True, slots=True)
class Details:
    """How single records of one system are read. The requests are those of the system's listings."""

    prefixes: Mapping[str, str]
    """ID prefixes, and the collector whose records have them. The empty prefix matches every ID."""
    read: Callable[[str, str, JSON], Detail | None]
    """Read the record with this ID of this collector from an answer to `requests_by_id`; return None if it is absent.

    The arguments are collector, ID and answer. Raises FetchError(malformed).
    """
    files: Mapping[str, str] = field(default_factory=dict)
    """The files that a record may have: their names, and the parameter that requests each."""
    errors_files: tuple[str, ...] = ()
    """The files with the errors of rows, in order of preference."""
    row_errors: Callable[[str, bytes], Iterator[tuple[RowError, ...]]] = lambda _, __: iter(())
    """Read the errors of each row from the content of one of the `errors_files`. Raises FetchError(malformed)."""

    def collector(self, record_id: str) -> str:
        """Return the collector whose records have such IDs. Raises NotAnId."""
        try:
            identifier(record_id)
        except Unreadable:
            raise NotAnId("not an id: letters, digits, and _ . : - within it, at most 128 characters") from None
        for prefix, collector in self.prefixes.items():
            if record_id.startswith(prefix):
                return collector
        known = ", ".join(f"{prefix} ({collector})" for prefix, collector in self.prefixes.items())
        raise NotAnId(f"not an id of this system; its ids begin with {known}")


def record_with_id(answer: JSON, record_id: str) -> Mapping[str, JSON]:
    """Return the answer as an object with this ID. Raises FetchError(malformed)."""
    if not isinstance(answer, dict) or answer.get("id") != record_id:
        raise FetchError(Reason.MALFORMED, "the answer is not the record that was asked for", 200)
    return answer


def as_value(value: JSON) -> Value:
    """Return a text or number unchanged; describe anything else by its type."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    kind = "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "a number out of range"
    return f"unreadable: {kind}"


def moment(value: JSON, read: Callable[[JSON, str], float]) -> Value:
    """Read a time with one of the readers for times; return `as_value` if it can't be read."""
    try:
        return Moment(read(value, ""))
    except Unreadable:
        return as_value(value)


def as_words(value: JSON) -> Value:
    """Return free text; `as_value` if it is not text."""
    return Words(value) if isinstance(value, str) else as_value(value)


def unreadable(name: str, found: JSON, expected: type) -> dict[str, Value]:
    """Describe a part of a record that is not of this type; nothing if it is, or is absent."""
    return {} if found is None or isinstance(found, expected) else {name: as_value(found)}


def as_text(value: JSON) -> str:
    """Return text or a number as text; the empty text for anything else."""
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def table(name: str, columns: Iterable[str], found: Iterable[tuple[JSON, ...]]) -> tuple[Table, ...]:
    """Return a table of these rows; an empty tuple if there are no rows."""
    rows = tuple(tuple(as_value(cell) for cell in row) for row in found)
    return (Table(name, tuple(columns), rows),) if rows else ()
