"""Tables: queries merged into rows by their labels, and a column for each label and each query."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grafana.panels import JSON, NEUTRAL, Panel, Query


@dataclass(frozen=True, slots=True)
class Column:
    """A label, or a query's value, as a column. A `query` makes it a value."""

    title: str
    label: str = ""
    query: str = ""
    unit: str = ""
    decimals: int | None = None
    thresholds: JSON | None = None
    mappings: tuple[JSON, ...] = ()
    link: tuple[str, str] | None = None
    """Title and URL of where a click on a cell leads."""


def label(name: str, title: str, link: tuple[str, str] | None = None) -> Column:
    return Column(title, label=name, link=link)


def value(
    title: str,
    query: str,
    unit: str,
    thresholds: JSON | None = None,
    decimals: int | None = None,
    mappings: Sequence[JSON] = (),
    link: tuple[str, str] | None = None,
) -> Column:
    return Column(title, "", query, unit, decimals, thresholds, tuple(mappings), link)


def table(
    title: str,
    description: str,
    columns: Sequence[Column],
    *,
    sort: str,
    no_value: str = "none",
    first: Sequence[JSON] = (),
) -> Panel:
    """Return a table sorted by the column `sort`, largest first. `first` transforms before columns get names."""
    queries = tuple(Query(column.query, instant=True) for column in columns if column.query)
    names = _names(columns, len(queries))
    organized = {
        "id": "organize",
        "options": {
            "excludeByName": {"Time": True},
            "indexByName": {name: at for at, name in enumerate(names)},
            "renameByName": {name: column.title for name, column in zip(names, columns, strict=True)},
        },
    }
    merged: tuple[JSON, ...] = ({"id": "merge", "options": {}},) if len(queries) > 1 else ()
    defaults = {
        "unit": "none",
        "thresholds": NEUTRAL,
        "color": {"mode": "thresholds"},
        "noValue": no_value,
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
    }
    options = {"cellHeight": "sm", "showHeader": True, "sortBy": [{"displayName": sort, "desc": True}]}
    made = Panel("table", title, description, queries, defaults, options)
    overrides = tuple(override for column in columns if (override := _override(column)))
    return replace(made, overrides=overrides, transformations=(*merged, *first, organized))


def _names(columns: Sequence[Column], queries: int) -> list[str]:
    """Return Grafana's column names: a label's name; `Value` for a query, or `Value #A` and so on for several."""
    values = iter(["Value"] if queries == 1 else [f"Value #{chr(ord('A') + at)}" for at in range(queries)])
    return [column.label or next(values) for column in columns]


def _override(column: Column) -> JSON:
    properties: list[JSON] = []
    if column.unit:
        properties.append({"id": "unit", "value": column.unit})
    if column.decimals is not None:
        properties.append({"id": "decimals", "value": column.decimals})
    if column.mappings:
        properties.append({"id": "mappings", "value": list(column.mappings)})
    if column.thresholds:
        properties.append({"id": "thresholds", "value": column.thresholds})
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if column.link:
        title, url = column.link
        properties.append(
            {"id": "links", "value": [{"title": title, "url": url, "targetBlank": not url.startswith("/")}]}
        )
    return {"matcher": {"id": "byName", "options": column.title}, "properties": properties} if properties else {}
