"""Place rows of panels on Grafana's grid of 24 columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana.panels import JSON, Panel

COLUMNS = 24
Line = tuple[int, tuple[tuple[int, Panel], ...]]
"""A height, and panels from left to right with their widths."""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading, and lines of panels under it."""

    title: str
    lines: tuple[Line, ...]


def line(height: int, *panels: Panel) -> Line:
    """Return a line of panels of equal width. Raise ValueError if their number does not divide the grid."""
    width, left = divmod(COLUMNS, len(panels))
    if left:
        raise ValueError(f"{len(panels)} panels do not share {COLUMNS} columns evenly")
    return height, tuple((width, panel) for panel in panels)


def wide(height: int, *panels: tuple[int, Panel]) -> Line:
    """Return a line of panels with these widths. Raise ValueError if the widths do not fill the line."""
    if sum(width for width, _ in panels) != COLUMNS:
        raise ValueError(f"the widths of a line come to {sum(width for width, _ in panels)}, not {COLUMNS}")
    return height, panels


def placed(rows: Sequence[Row]) -> list[JSON]:
    """Return the panels of a dashboard, numbered from 1 in reading order."""
    made: list[JSON] = []
    top = 0
    for row in rows:
        heading = {
            "id": len(made) + 1,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
            "panels": [],
        }
        made.append(heading)
        top += 1
        for height, panels in row.lines:
            left = 0
            for width, panel in panels:
                made.append(panel.json(len(made) + 1, {"x": left, "y": top, "w": width, "h": height}))
                left += width
            top += height
    return made
