"""What the panels of a dashboard show: answers of Prometheus, with names, units and columns as the panels have them."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.grafana_stage import Prometheus

Panel = Mapping[str, Any]
Point = tuple[float, float]
"""A time in epoch seconds, and a value."""


@dataclass(frozen=True, slots=True)
class Range:
    """What is on the screen, in seconds."""

    end: float
    length: int
    step: int

    def written(self, expr: str) -> str:
        """Return a query as Prometheus gets it: everything is selected."""
        values = {
            "objective": "99",
            "window": "5m",
            "__range": f"{self.length}s",
            "__interval": f"{self.step}s",
            "__rate_interval": f"{2 * self.step}s",
        }
        return re.sub(r"\$([a-z_]\w*)", lambda found: values.get(found[1], ".*"), expr)


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    color: str = ""
    """That of a threshold; empty where the column has none."""


def series(prometheus: Prometheus, panel: Panel, shown: Range) -> list[Series]:
    """Return the lines of a panel over time, by name."""
    made = []
    span = {"start": f"{shown.end - shown.length}", "end": f"{shown.end}", "step": f"{shown.step}"}
    for target in panel["targets"]:
        answer = prometheus.ask("query_range", query=shown.written(target["expr"]), **span)
        for found in answer["result"]:
            points = [(at, float(value)) for at, value in found["values"]]
            made.append(Series(_named(target["legendFormat"], found["metric"]), points))
    return sorted(made, key=lambda line: line.name)


def numbers(prometheus: Prometheus, panel: Panel, shown: Range) -> list[tuple[str, Cell]]:
    """Return the numbers of a stat, each with its name."""
    made = []
    defaults = panel["fieldConfig"]["defaults"]
    for target in panel["targets"]:
        for found in _now(prometheus, target, shown):
            name = _named(target["legendFormat"], found["metric"])
            made.append((name, _cell(float(found["value"][1]), defaults, shown.end)))
    return made or [("", Cell(defaults["noValue"]))]


def table(prometheus: Prometheus, panel: Panel, shown: Range) -> tuple[list[str], list[list[Cell]]]:
    """Return the columns of a table that have something, and its rows."""
    organized = panel["transformations"][-1]["options"]
    columns: dict[str, str] = organized["renameByName"]
    merged: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for target in panel["targets"]:
        value = "Value" if len(panel["targets"]) == 1 else f"Value #{target['refId']}"
        for found in _now(prometheus, target, shown):
            key = tuple(sorted(found["metric"].items()))
            merged.setdefault(key, dict(found["metric"]))[value] = float(found["value"][1])
    for change in panel["transformations"]:
        if change["id"] == "formatString" and change["options"]["outputFormat"] == "Lower Case":
            field = change["options"]["stringField"]
            for row in merged.values():
                row[field] = row.get(field, "").lower()
    order = sorted(columns, key=organized["indexByName"].__getitem__)
    by = panel["options"]["sortBy"][0]
    sorting = next(name for name in order if columns[name] == by["displayName"])
    rows = sorted(merged.values(), key=lambda row: row.get(sorting, 0), reverse=by["desc"])
    order = [name for name in order if any(row.get(name) not in (None, "") for row in rows)]
    styles = {name: _style(panel, columns[name]) for name in order}
    cells = [[_cell(row.get(name, ""), styles[name], shown.end) for name in order] for row in rows]
    return [columns[name] for name in order], cells


def _now(prometheus: Prometheus, target: Panel, shown: Range) -> list[Any]:
    found: list[Any] = prometheus.ask("query", query=shown.written(target["expr"]), time=f"{shown.end}")["result"]
    return found


def _named(legend: str, labels: Mapping[str, str]) -> str:
    name = "" if legend == "__auto" else legend
    return " ".join(re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), name).split())


def _style(panel: Panel, column: str) -> dict[str, Any]:
    """Return what a table says of a column. A color is that of the background or text."""
    defaults = {"unit": panel["fieldConfig"]["defaults"]["unit"]}
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == column:
            defaults |= {setting["id"]: setting["value"] for setting in override["properties"]}
    return defaults


def _cell(value: float | str, style: Panel, now: float) -> Cell:
    if isinstance(value, str):
        return Cell(value)
    for mapping in style.get("mappings", ()):
        if known := mapping["options"].get(f"{value:g}"):
            return Cell(known["text"], known["color"])
    steps = style.get("thresholds", {"steps": []})["steps"]
    colors = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return Cell(written(value, style["unit"], now, style.get("decimals")), colors[-1] if colors else "")


def written(value: float, unit: str, now: float, decimals: int | None = None) -> str:
    """Return a number as text. Raises KeyError for a unit that is not known here."""
    match unit:
        case "percentunit":
            return f"{value * 100:.{decimals or 0}f}%"
        case "s":
            return _duration(value)
        case "dateTimeAsSystem":
            return time.strftime("%H:%M:%S", time.gmtime(value / 1000))
        case "dateTimeFromNow":
            return f"{_duration(now - value / 1000)} ago"
        case "short" | "none":
            return f"{value:.0f}" if decimals == 0 or value.is_integer() else f"{value:.3g}"
    raise KeyError(unit)


def _duration(seconds: float) -> str:
    return next(_in_units(max(seconds, 0)))


def _in_units(seconds: float) -> Iterator[str]:
    if seconds >= 5400:
        yield f"{seconds / 3600:.1f} h"
    if seconds >= 90:
        yield f"{seconds / 60:.0f} min"
    yield f"{seconds:.0f} s"
