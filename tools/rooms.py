"""`python -m tools.rooms`: draw the rooms of the package and what they import, for docs/architecture.md."""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "exporter"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")

_WIDTH, _HEIGHT = 132, 40
_COLUMN, _FLOOR, _MARGIN = 164, 84, 24
_STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #24292f; text-anchor: middle }
  .page { fill: #ffffff }
  .room { fill: #f6f8fa; stroke: #57606a }
  .import { stroke: #57606a; fill: none; marker-end: url(#tip) }
  .tip { fill: #57606a }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .page { fill: #0d1117 }
    .room { fill: #161b22; stroke: #9198a1 }
    .import { stroke: #9198a1 }
    .tip { fill: #9198a1 }
  }
"""

Imports = Mapping[str, frozenset[str]]
"""Each room with the rooms that it imports."""


def room(path: Path) -> str:
    """Return the room that a module of the package is in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Return the dotted names of all modules that a file imports. Raises ValueError for a relative import."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: relative import")
            if node.module == "exporter":
                yield from (f"exporter.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def room_imports() -> Imports:
    """Read what each room imports of the others, the beginning (`__main__`) included."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        names = {name.split(".")[1] for name in imports(path) if name.startswith("exporter.")}
        found.setdefault(room(path), set()).update(names - {room(path), "__version__"})
    return {name: frozenset(used) for name, used in found.items()}


def direct(rooms: Imports) -> Imports:
    """Leave out what follows from the other imports: an arrow from a to c where a imports b, and b imports c."""
    return {name: used - {far for near in used for far in _reached(rooms, near)} for name, used in rooms.items()}


def _reached(rooms: Imports, name: str) -> set[str]:
    """Return the rooms that a room imports, directly or by way of others. Raises RecursionError in a circle."""
    return {found for near in rooms[name] for found in (near, *_reached(rooms, near))}


def floors(rooms: Imports) -> list[list[str]]:
    """Order the rooms: each one below all that import it, those that nobody imports on top."""
    level = dict.fromkeys(rooms, 0)
    for _ in rooms:
        importers = {name: [other for other, used in rooms.items() if name in used] for name in rooms}
        level = {name: max((level[other] + 1 for other in importers[name]), default=0) for name in rooms}
    return [sorted(name for name in rooms if level[name] == each) for each in sorted(set(level.values()))]


def _columns(rooms: Imports, rows: list[list[str]]) -> Mapping[str, float]:
    """Place each room below the middle of those that import it, as far as its neighbors leave space."""
    middle: dict[str, float] = {}
    for row in rows:
        wanted = {name: _mean([middle[other] for other, used in rooms.items() if name in used]) for name in row}
        order = sorted(row, key=lambda name: (wanted[name], -len(_reached(rooms, name)), name))
        at = {name: _COLUMN * number for number, name in enumerate(order)}
        shift = _mean(list(wanted.values())) - _mean(list(at.values()))
        middle |= {name: place + shift for name, place in at.items()}
    left = min(middle.values()) - _MARGIN - _WIDTH / 2
    return {name: place - left for name, place in middle.items()}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def picture(rooms: Imports) -> str:
    """Draw the rooms as SVG: arrows lead down, to what is imported."""
    rows = floors(rooms)
    columns = _columns(direct(rooms), rows)
    width = max(columns.values()) + _WIDTH / 2 + _MARGIN
    height = 2 * _MARGIN + _FLOOR * (len(rows) - 1) + _HEIGHT
    places = {name: (columns[name], _MARGIN + _FLOOR * level) for level, row in enumerate(rows) for name in row}
    arrows = ((name, near) for name, used in sorted(direct(rooms).items()) for near in sorted(used))
    lines = [_arrow(places[name], places[near]) for name, near in arrows]
    boxes = [_box(name, place) for name, place in sorted(places.items())]
    label = "The rooms of the package: " + "; ".join(
        f"{name} imports {', '.join(sorted(used)) or 'none'}" for name, used in sorted(rooms.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" height="{height}"'
        f' role="img" aria-label="{escape(label)}">\n<style>{_STYLE}</style>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>\n'
        f'<rect class="page" width="{width:g}" height="{height}" rx="6"/>\n'
        + "\n".join([*lines, *boxes])
        + "\n</svg>\n"
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    top, bottom = start[1] + _HEIGHT, end[1]
    return (
        f'<path class="import" d="M{start[0]:.1f} {top}C{start[0]:.1f} {top + _FLOOR // 3} '
        f'{end[0]:.1f} {bottom - _FLOOR // 3} {end[0]:.1f} {bottom}"/>\n'
    )


def _box(name: str, place: tuple[float, float]) -> str:
    left, top = place[0] - _WIDTH / 2, place[1]
    return (
        f'<rect class="room" x="{left:g}" y="{top:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="4"/>'
        f'<text x="{place[0]:g}" y="{top + 25:g}">{escape(name)}</text>\n'
    )


def shown() -> Imports:
    """Return the rooms that the picture has: those of the table in docs/architecture.md."""
    return {name: used for name, used in room_imports().items() if not re.fullmatch(r"__\w+__", name)}


if __name__ == "__main__":
    print(picture(shown()), end="")
