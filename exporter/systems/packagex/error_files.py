"""Read the errors file of a PackageX batch: what was wrong with which row.

The vendor's API reference does not describe the file: this reads the usual forms. A row is an object, a line of CSV,
or text; its error is one text, a list of texts, or a list of objects.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from exporter.client import JSON
from exporter.model.record import FetchError, Reason
from exporter.systems.detail import RowError, as_text

_LISTS = ("errors", "data", "rows", "items")
"""Keys of the list of rows, if the file is an object."""
_TEXTS = ("message", "error_message", "error", "errors", "reason", "detail")
_PLACES = ("field", "column", "path", "property")
_CODES = ("code", "error_code")
_LEVELS = 10
"""The depth to which a row is searched."""


def row_errors(name: str, content: bytes) -> Iterator[tuple[RowError, ...]]:
    """Yield the errors of each row of a file with this name. Raises FetchError(malformed)."""
    rows = _json_rows(content) if name.endswith(".json") else _csv_rows(content)
    for row in rows:
        yield tuple(_errors(row, ())) or (RowError(""),)


def _json_rows(content: bytes) -> Sequence[JSON]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise FetchError(Reason.MALFORMED, "the errors file is not JSON") from None
    if isinstance(found, dict):
        found = next((found[name] for name in _LISTS if isinstance(found.get(name), list)), [found])
    return found if isinstance(found, list) else [found]


def _csv_rows(content: bytes) -> Iterator[JSON]:
    lines = io.StringIO(content.decode("utf-8-sig", errors="replace"), newline="")
    try:
        for row in csv.DictReader(lines):
            yield {str(name).strip().lower().replace(" ", "_"): value for name, value in row.items() if value}
    except csv.Error:
        raise FetchError(Reason.MALFORMED, "the errors file is not CSV") from None


def _errors(row: JSON, around: tuple[str, ...], levels: int = _LEVELS) -> Iterator[RowError]:
    """Yield the errors in a row or a part of it; `around` has the values of the part's parents."""
    if levels == 0:
        return
    if isinstance(row, list):
        for part in row:
            yield from _errors(part, around, levels - 1)
    elif not isinstance(row, dict):
        yield RowError(as_text(row), quotable=around)
    else:
        text_key = next((name for name in _TEXTS if row.get(name)), None)
        place, code = (next((as_text(row[name]) for name in names if row.get(name)), "") for names in (_PLACES, _CODES))
        data = [value for name, value in row.items() if name not in (text_key, *_PLACES, *_CODES)]
        quotable = (*around, *_leaves(data))
        if text_key is None:
            yield RowError("", place, code, quotable)
        elif isinstance(row[text_key], (list, dict)):
            for error in _errors(row[text_key], quotable, levels - 1):
                yield replace(error, where=error.where or place, code=error.code or code)
        else:
            yield RowError(as_text(row[text_key]), place, code, quotable)


def _leaves(value: JSON, levels: int = _LEVELS) -> Iterator[str]:
    """Yield the texts and numbers in a value, lists and objects included."""
    if isinstance(value, (list, dict)) and levels:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _leaves(part, levels - 1)
    elif text := as_text(value):
        yield text
