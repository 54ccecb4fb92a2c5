"""The result of an inspection as text for a terminal. All that a server sent passes through `clean`."""

import json
from collections.abc import Iterator, Mapping, Sequence

from exporter.cli.inspect.formatting import clean, shown
from exporter.cli.inspect.result import Result
from exporter.cli.inspect.row_errors import Summary
from exporter.cli.printing import columns
from exporter.systems.detail import Table, Value

_INDENT = "  "
_MOST_KINDS = 50


def text(result: Result, now: float, show_data: bool) -> str:
    """Return the whole result as lines of text. `now`, in epoch seconds, is what ages refer to."""
    return "\n".join(_lines(result, now, show_data)) + "\n"


def _lines(result: Result, now: float, show_data: bool) -> Iterator[str]:
    detail = result.detail
    fields = {name: shown(value, now, show_data) for name, value in detail.fields.items() if value is not None}
    yield from _pairs({_title(name): value for name, value in (_head(result) | fields).items()})
    for table in detail.tables:
        yield from _section(table.name, _table(table, now, show_data))
    if show_data:
        for name, value in detail.private.items():
            yield from _section(name, _private(value))
    elif detail.private:
        yield from ("", f"Not shown without --show-data: {', '.join(clean(name) for name in detail.private)}")
    if result.errors is not None:
        yield from _section(
            f"errors of {result.errors.rows:,} row{'s' if result.errors.rows != 1 else ''}", _errors(result.errors)
        )
    if result.saved is not None:
        saved = [clean(str(path)) for path in result.saved.values()]
        yield from _section("files", saved or ["none"])


def _head(result: Result) -> dict[str, str]:
    head = {"id": clean(result.detail.id), "account": f"{clean(result.account)} ({result.system})"}
    head |= {"collector": result.collector}
    if result.rejected is not None:
        return head | {"not_counted": f"its {clean(result.rejected)} can't be understood"}
    return head | {"in_flight": "yes" if result.in_flight else "no"}


def _title(name: str) -> str:
    return clean(name[:1].upper() + name[1:].replace("_", " "))


def _pairs(pairs: Mapping[str, str]) -> Iterator[str]:
    width = max(map(len, pairs), default=0) + 1
    for name, value in pairs.items():
        yield f"{name + ':':<{width}}  {value}"


def _section(name: str, lines: Sequence[str]) -> Iterator[str]:
    yield ""
    yield f"{_title(name)}:"
    for line in lines:
        yield _INDENT + line


def _table(table: Table, now: float, show_data: bool) -> list[str]:
    """Return the rows of a table with aligned columns; counts are aligned to the right."""
    heads = [column.replace("_", " ").upper() for column in table.columns]
    cells = [[shown(value, now, show_data) for value in row] for row in table.rows]
    counts = [place for place, column in enumerate(zip(*table.rows, strict=True)) if all(map(_is_count, column))]
    return list(columns([heads, *cells], counts))


def _is_count(value: Value) -> bool:
    return value is None or isinstance(value, (int, float))


def _private(value: object) -> list[str]:
    if isinstance(value, dict):
        return list(_pairs({clean(name): _compact(child) for name, child in value.items()}))
    return [_compact(value)]


def _compact(value: object) -> str:
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _errors(errors: Summary) -> list[str]:
    shown_kinds = errors.kinds[:_MOST_KINDS]
    width = max((len(f"{count:,}") for _, count in shown_kinds), default=0)
    lines = [f"{count:>{width},}  {clean(kind)}" for kind, count in shown_kinds]
    left = len(errors.kinds) - len(shown_kinds)
    return [*lines, f"and {left:,} kinds more"] if left else lines
