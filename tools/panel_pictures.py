"""`python -m tools.panel_pictures`: draw dashboards with data of the demo, for docs/grafana.md.

The demo runs for a quarter of an hour, and a Prometheus scrapes it. The pictures have the numbers that the panels'
queries return, at the places of the panels. They do not show how Grafana draws them. With the address of a Prometheus
that has such data, nothing is started: `python -m tools.panel_pictures http://127.0.0.1:9090`.
"""

import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.support.grafana_stage import Prometheus, process
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tools.panel_values import Cell, Panel, Range, Series, numbers, series, table, written

PICTURES = {"grafana-overview.svg": ("overview", 24), "grafana-inkit.svg": ("inkit", 32)}
"""Which dashboard is drawn, and down to which row of its grid."""
LENGTH, STEP = 900, 15
"""Seconds on the screen, and between two points."""

_COLUMN, _ROW, _GAP, _TOP, _HEAD = 50, 26, 6, 40, 26
_WIDTH = 24 * _COLUMN
_LINE = 19
_LETTER = 7.0
"""The width of a letter, on average and a little more."""
_CELL_LETTER = 6.1
_WIDEST = 16
"""Letters of a table's cell that are counted for the width of its column."""
_COLORS = ["#3274d9", "#e0752d", "#2f9e44", "#b877d9", "#c4162a", "#8a6d00", "#0f8b8d", "#6c757d", "#d6409f", "#5b5bd6"]
_MARKED = {"green": "#2b8a3e", "red": "#c4162a", "orange": "#c2540a", "yellow": "#8a6d00", "blue": "#1f60c4"}
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .name { font-size: 20px; font-weight: 600 }
  .number { font-size: 26px; font-weight: 600 }
  .several { font-size: 19px }
  .marked { fill: #ffffff }
  .quiet { fill: #57606a; font-size: 11px }
  .cell { font-size: 11px }
  .page { fill: #f4f5f5 }
  .panel { fill: #ffffff; stroke: #d0d7de }
  .grid { stroke: #d0d7de }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .quiet { fill: #9198a1 }
    .page { fill: #0d1117 }
    .panel { fill: #181b1f; stroke: #3d444d }
    .grid { stroke: #3d444d }
  }
"""


class Box:
    """The inside of a panel, in pixels."""

    def __init__(self, place: Panel) -> None:
        self.left = place["x"] * _COLUMN + _GAP
        self.top = place["y"] * _ROW + _TOP + _GAP
        self.width = place["w"] * _COLUMN - 2 * _GAP
        self.height = place["h"] * _ROW - _GAP


def picture(dashboard: Panel, bottom: int, prometheus: Prometheus, shown: Range) -> str:
    """Return the upper part of a dashboard as SVG."""
    height = bottom * _ROW + _TOP + _HEAD
    inside = [_text(_GAP + 4, 27, dashboard["title"], "name")]
    for panel in dashboard["panels"]:
        if panel["gridPos"]["y"] < bottom:
            inside += _panel(panel, prometheus, shown)
    foot = f"The last {LENGTH // 60} minutes of the demo, times in UTC. Drawn from the panels' queries, not by Grafana."
    inside.append(_text(_GAP + 4, height - 9, foot, "quiet"))
    label = f"{dashboard['title']}: {dashboard['description']}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(label, {chr(34): "&quot;"})}">\n<style>{_STYLE}</style>\n'
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>\n' + "\n".join(inside) + "\n</svg>\n"
    )


def _panel(panel: Panel, prometheus: Prometheus, shown: Range) -> Iterator[str]:
    box = Box(panel["gridPos"])
    if panel["type"] == "row":
        yield _text(box.left + 4, box.top + 15, panel["title"], "title")
        return
    yield (
        f'<rect class="panel" x="{box.left}" y="{box.top}" width="{box.width}" height="{box.height}" rx="3">'
        f"<title>{escape(panel['description'])}</title></rect>"
    )
    match panel["type"]:
        case "stat":
            yield from _stat(box, numbers(prometheus, panel, shown))
        case "table":
            yield from _table(box, *table(prometheus, panel, shown), panel["fieldConfig"]["defaults"]["noValue"])
        case "timeseries":
            yield from _lines(box, panel, series(prometheus, panel, shown), shown)
        case kind:
            raise ValueError(f"{panel['title']}: there is no drawing of a {kind}")
    marked = panel["type"] == "stat" and panel["options"]["colorMode"] == "background"
    title = _cut(panel["title"], int(box.width / _LETTER))
    yield _text(box.left + 8, box.top + 18, title, "title marked" if marked else "title")


def _stat(box: Box, found: Sequence[tuple[str, Cell]]) -> Iterator[str]:
    width = box.width / len(found)
    for at, (name, cell) in enumerate(found):
        left = box.left + at * width
        fill = _MARKED.get(cell.color, "")
        if fill:
            yield f'<rect fill="{fill}" x="{left}" y="{box.top}" width="{width}" height="{box.height}" rx="3"/>'
        marked = " marked" if fill else ""
        number = "number several" if len(found) > 1 else "number"
        yield _text(left + width / 2, box.top + box.height / 2 + 16, cell.text, f"{number} middle{marked}")
        yield _text(left + width / 2, box.top + box.height - 10, name, f"middle{marked}")


def _table(box: Box, heads: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str) -> Iterator[str]:
    if not rows:
        yield _text(box.left + box.width / 2, box.top + box.height / 2, empty, "quiet middle")
        return
    fit = int((box.height - 30) // _LINE) - 1
    left_out = len(rows) - fit
    rows = rows[: fit - 1] if left_out > 0 else rows
    texts = [[head, *(row[at].text for row in rows)] for at, head in enumerate(heads)]
    longest = [min(max(map(len, column)), _WIDEST) + 1 for column in texts]
    share = (box.width - 16) / sum(longest)
    left = box.left + 8.0
    for at, head in enumerate(heads):
        letters = int(longest[at] * share / _CELL_LETTER) - 1
        yield _text(left, box.top + 40, _cut(head, letters), "quiet")
        for number, row in enumerate(rows):
            y = box.top + 40 + (number + 1) * _LINE
            color = _MARKED.get(row[at].color, "")
            yield _text(left, y, _cut(row[at].text, letters), "cell", f' style="fill: {color}"' if color else "")
        left += longest[at] * share
    if left_out > 0:
        yield _text(box.left + 8, box.top + 40 + fit * _LINE, f"and {left_out + 1} more rows", "quiet")


def _lines(box: Box, panel: Panel, found: Sequence[Series], shown: Range) -> Iterator[str]:
    legend = min(len(found), 3)
    left, right = box.left + 46, box.left + box.width - 10
    top, bottom = box.top + 32, box.top + box.height - 24 - legend * 15
    defaults = panel["fieldConfig"]["defaults"]
    bars = defaults["custom"]["drawStyle"] == "bars"
    highest = defaults.get("max") or _rounded(_highest(found, stacked=bars))
    for part in (0.0, 0.5, 1.0):
        y = bottom - part * (bottom - top)
        yield f'<line class="grid" x1="{left}" y1="{y:.0f}" x2="{right}" y2="{y:.0f}"/>'
        yield _text(left - 6, y + 4, written(highest * part, defaults["unit"], shown.end), "quiet end")
    for part in (0.0, 0.5, 1.0):
        clock = time.strftime("%H:%M", time.gmtime(shown.end - shown.length * (1 - part)))
        kind = "quiet" + ("" if part == 0 else " middle" if part == 1 / 2 else " end")
        yield _text(left + part * (right - left), bottom + 14, clock, kind)

    def place(at: float, value: float) -> tuple[float, float]:
        x = left + (at - shown.end + shown.length) / shown.length * (right - left)
        return round(x, 1), round(bottom - value / highest * (bottom - top), 1)

    bases: dict[float, float] = {}
    for number, line in enumerate(found):
        color = _COLORS[number % len(_COLORS)]
        if bars:
            width = max((right - left) * shown.step / shown.length - 1, 1)
            for at, value in line.points:
                base = bases.get(at, 0.0)
                (x, high), (_, low) = place(at, base + value), place(at, base)
                size = f'width="{width:.1f}" height="{low - high:.1f}"'
                yield f'<rect fill="{color}" x="{x - width:.1f}" y="{high}" {size}/>'
                bases[at] = base + value
        else:
            for part_of in _unbroken(line, shown.step):
                points = " ".join(f"{x},{y}" for x, y in (place(*point) for point in part_of))
                yield f'<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{points}"/>'
        if number < legend:
            rest = f" and {len(found) - legend} more" if number == legend - 1 and len(found) > legend else ""
            y = bottom + 29 + number * 15
            yield f'<rect fill="{color}" x="{box.left + 10}" y="{y - 8}" width="10" height="8"/>'
            yield _text(box.left + 26, y, _cut(line.name + rest, int((box.width - 40) / _LETTER)), "quiet")


def _highest(found: Sequence[Series], *, stacked: bool) -> float:
    heights: dict[float, float] = {}
    for line in found:
        for at, value in line.points:
            heights[at] = heights.get(at, 0.0) + value if stacked else max(heights.get(at, 0.0), value)
    return max(heights.values(), default=0.0)


def _rounded(highest: float) -> float:
    """Return the end of an axis: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(highest)) if highest > 0 else 1.0
    return next(power * times for times in (1, 2, 5, 10) if power * times >= highest)


def _unbroken(line: Series, step: int) -> Iterator[list[tuple[float, float]]]:
    """Yield the parts of a line between gaps."""
    part: list[tuple[float, float]] = []
    for point in line.points:
        if part and point[0] - part[-1][0] > 1.5 * step:
            yield part
            part = []
        part.append(point)
    if part:
        yield part


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: max(letters - 1, 1)].rstrip() + "…"


def _text(x: float, y: float, text: str, kind: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}"{more}>{escape(text)}</text>' if text else ""


@contextmanager
def watched_demo(folder: Path) -> Iterator[Prometheus]:
    """Run the demo and a Prometheus that scrapes it, and wait until there is enough to draw."""
    exporter, api, own = free_port(), free_port(), free_port()
    configuration: dict[str, Any] = {
        "global": {"scrape_interval": "2s", "evaluation_interval": "5s"},
        "rule_files": [f"{ROOT}/prometheus/rules/*.yml"],
        "scrape_configs": [
            {"job_name": "batch-exporter", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]},
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    demo = ("demo", f"--web.listen-address=127.0.0.1:{exporter}", f"--api-port={api}")
    flags = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb")
    address = f"127.0.0.1:{own}"
    with (
        process(folder / "demo.log", sys.executable, "-m", "exporter", *demo),
        process(folder / "prometheus.log", "prometheus", *flags, f"--web.listen-address={address}"),
    ):
        print(f"watching the demo for {LENGTH // 60} minutes")
        time.sleep(LENGTH + 30)
        yield Prometheus(f"http://{address}")


def draw(prometheus: Prometheus) -> None:
    shown = Range(time.time(), LENGTH, STEP)
    for file, (name, bottom) in PICTURES.items():
        dashboard = json.loads((ROOT / f"grafana/dashboards/batch-exporter-{name}.json").read_text())
        (ROOT / "docs" / file).write_text(picture(dashboard, bottom, prometheus, shown))


def main(arguments: Sequence[str]) -> None:
    if arguments:
        draw(Prometheus(arguments[0]))
        return
    with tempfile.TemporaryDirectory() as folder, watched_demo(Path(folder)) as prometheus:
        draw(prometheus)


if __name__ == "__main__":
    main(sys.argv[1:])
