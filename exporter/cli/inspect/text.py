"""What was found as text for a terminal. Nothing that a server sent reaches it without `clean`."""

import json
from collections.abc import Iterator, Mapping, Sequence

from exporter.cli.inspect.formatting import clean, shown
from exporter.cli.inspect.result import Found
from exporter.cli.inspect.row_errors import Summary
from exporter.systems.detail import Table, Value

_INDENT = "  "
_MOST_KINDS = 50


def text(found: Found, now: float, show_data: bool) -> str:
    """All of it, one line after the other. `now` is in epoch seconds."""
    return "\n".join(_lines(found, now, show_data)) + "\n"


def _lines(found: Found, now: float, show_data: bool) -> Iterator[str]:
    detail = found.detail
    told = {name: shown(value, now, show_data) for name, value in detail.fields.items() if value is not None}
    yield from _pairs({_title(name): value for name, value in (_head(found) | told).items()})
    for table in detail.tables:
        yield from _section(table.name, _table(table, now, show_data))
    if show_data:
        for name, value in detail.private.items():
            yield from _section(name, _private(value))
    elif detail.private:
        yield from ("", f"Not shown without --show-data: {', '.join(clean(name) for name in detail.private)}")
    if found.errors is not None:
        yield from _section(
            f"errors of {found.errors.rows:,} row{'s' if found.errors.rows != 1 else ''}", _errors(found.errors)
        )
    if found.saved is not None:
        saved = [clean(str(path)) for path in found.saved.values()]
        yield from _section("files", saved or ["none"])


def _head(found: Found) -> dict[str, str]:
    head = {"id": clean(found.detail.id), "account": f"{clean(found.account)} ({found.system})"}
    head |= {"collector": found.collector}
    if found.rejected is not None:
        return head | {"not_counted": f"its {clean(found.rejected)} can't be understood"}
    return head | {"in_flight": "yes" if found.in_flight else "no"}


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
    """Columns as wide as need be; counts stand to the right."""
    heads = [column.replace("_", " ").upper() for column in table.columns]
    cells = [[shown(value, now, show_data) for value in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    right = [all(map(_is_count, column)) for column in zip(*table.rows, strict=True)]
    return [
        _INDENT.join(
            f"{cell:>{width}}" if to_the_right else f"{cell:<{width}}"
            for cell, width, to_the_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in (heads, *cells)
    ]


def _is_count(value: Value) -> bool:
    return value is None or isinstance(value, (int, float))


def _private(value: object) -> list[str]:
    if isinstance(value, dict):
        return list(_pairs({clean(name): _compact(one) for name, one in value.items()}))
    return [_compact(value)]


def _compact(value: object) -> str:
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _errors(errors: Summary) -> list[str]:
    shown_kinds = errors.kinds[:_MOST_KINDS]
    width = max((len(f"{count:,}") for _, count in shown_kinds), default=0)
    lines = [f"{count:>{width},}  {clean(kind)}" for kind, count in shown_kinds]
    left = len(errors.kinds) - len(shown_kinds)
    return [*lines, f"and {left:,} kinds more"] if left else lines
